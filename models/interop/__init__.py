"""Networks of others: as NIR files, and any torch module: its layers, its states, STDP on it, the
network that it is.

May import, of its neighbours: network, spiking.
"""
