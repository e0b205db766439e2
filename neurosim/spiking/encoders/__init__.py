"""Encoders by name: from intensities to currents or spikes; and the LGN before them.

May import, of its neighbours: none.
"""
