"""Shared by all tests: one numerical thread."""

import os

# Read when numpy and torch are imported: set before any test module does so.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
