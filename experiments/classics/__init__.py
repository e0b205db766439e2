"""Classic experiments of spike-timing plasticity, each with its criterion and its figure.

May import, of its neighbours: figures.
"""
