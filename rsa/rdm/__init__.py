"""Representational dissimilarity matrices: dissimilarities between patterns, and RDMs made of them.

May import, of its neighbours: kernels.
"""
