"""The STDP laboratory: protocols, their figures, and the check of every timing.

May import, of its neighbours: figures.
"""
