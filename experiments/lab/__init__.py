"""The STDP laboratory: protocols, their figures, and the check of every timing.

May import, of its neighbours: data, engine, figures, job, progress, results, run, settings.
"""
