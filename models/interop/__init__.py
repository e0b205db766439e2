"""Networks of others: as NIR files, and any torch module: its layers, its states, STDP on it.

May import, of its neighbours: spiking.
"""
