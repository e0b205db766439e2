"""What else explains a score: low-level references, partial correlation, reweighting, encoding.

May import, of its neighbours: compare, rdm.
"""
