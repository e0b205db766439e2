"""Shared by all tests: one numerical thread, and no verdict by the clock."""

import os

from hypothesis import settings

# Read when numpy and torch are imported: set before any test module does so.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# A loaded machine takes longer for an example than hypothesis allows; that is no fault of the code.
settings.register_profile("neurosim", deadline=None)
settings.load_profile("neurosim")
