"""Compiled loops of distances, ranks, resampling, spike trains: the only numba here.

May import, of its neighbours: none.
"""
