"""Controls on a finished run: normalisation policies, sizes, spatial frequencies.

May import, of its neighbours: data, engine, figures, job, progress, results, run, settings.
"""
