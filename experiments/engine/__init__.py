"""Running jobs: here, in worker processes, on a Dask cluster.

May import, of its neighbours: data, job, run, settings, system.
"""
