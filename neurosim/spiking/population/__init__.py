"""What acts between cells of a population: competition, homeostasis, pairs of spike trains.

May import, of its neighbours: cells, kernels.
"""
