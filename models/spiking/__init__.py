"""Layers that spike: the network, its start, STDP on it, competing cells without labels.

May import, of its neighbours: network.
"""
