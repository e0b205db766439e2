"""Controls on a finished run: normalisation policies, sizes, spatial frequencies.

May import, of its neighbours: engine, figures, job, results, run, settings, system.
"""
