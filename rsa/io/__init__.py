"""RDMs and features from the files that people have, and to other packages.

May import, of its neighbours: brain, formats, rdm.
"""
