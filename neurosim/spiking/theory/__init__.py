"""What a timing must give: sums over spike pairs written out, the mean under Poisson spikes.

May import, of its neighbours: timing.
"""
