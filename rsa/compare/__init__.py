"""How alike two RDMs are: comparators by name, and ``compare_rdms``.

May import, of its neighbours: kernels, rdm.
"""
