"""The audit: what the scores of a run, a table or activations may be said to show.

May import, of its neighbours: data, job, results, run.
"""
