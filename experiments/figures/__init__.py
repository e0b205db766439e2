"""The figures of a comparison.

May import, of its neighbours: results.
"""
