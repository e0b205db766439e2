"""The shared architecture: layers, normalisation and its policies, readouts.

May import, of its neighbours: none.
"""
