"""One job: a rule and a seed, trained and evaluated at every checkpoint.

May import, of its neighbours: data, results, settings, system.
"""
