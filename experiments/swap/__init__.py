"""One network under several encoders: its settings, parts, folder and figures.

May import, of its neighbours: data, engine, figures, job, progress, results, run, settings.
"""
