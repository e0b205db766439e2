"""The simulator: populations, projections with delays and plasticity, inputs, recordings, a run.

May import, of its neighbours: cells, kernels, population, timing.
"""
