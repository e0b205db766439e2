"""The run folder: what was asked, what is finished, what was derived from it.

May import, of its neighbours: data, job, settings, system.
"""
