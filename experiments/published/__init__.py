"""The published pipeline: beside its published numbers, and switch by switch.

May import, of its neighbours: data, engine, job, progress, results, run, settings.
"""
