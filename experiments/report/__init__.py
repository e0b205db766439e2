"""The report: one page, its tables, pictures and sentences.

May import, of its neighbours: audit, data, figures, job, results, run, settings.
"""
