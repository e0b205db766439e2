"""Brains: RDMs by subject and region, THINGS fMRI, and how models align with them.

May import, of its neighbours: compare, formats, inference, rdm.
"""
