"""Compiled loops over spikes, the only folder here with numba; each kernel declares its arrays.

May import, of its neighbours: none.
"""
