"""The comparison from beginning to end, and from Python.

May import, of its neighbours: audit, audit_page, data, engine, figures, job, progress, report,
results, run, settings, system.
"""
