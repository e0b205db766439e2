"""What a score is worth: bootstraps, permutations, noise ceilings, corrections, layer choice.

May import, of its neighbours: compare, rdm.
"""
