"""Networks as files of other simulators (NIR).

May import, of its neighbours: spiking.
"""
