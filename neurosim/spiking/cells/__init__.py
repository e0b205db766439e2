"""Spiking cells (neuron models) by name, those of snntorch and norse among them.

May import, of its neighbours: none.
"""
