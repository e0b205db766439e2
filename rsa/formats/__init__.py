"""File formats read array by array: NumPy, HDF5, MATLAB. Nothing here knows of RDMs.

May import, of its neighbours: none.
"""
