"""A run as it goes: the plan before it, the table during it, following it from elsewhere.

May import, of its neighbours: engine, job, results, run, settings, system.
"""
