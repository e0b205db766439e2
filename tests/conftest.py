"""Shared by all tests: one numerical thread, and the data directory for real-data tests."""

import os
from pathlib import Path

# Read when numpy and torch are imported: set before any test module does so.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import pytest  # noqa: E402


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder that NEUROSIM_DATA names; the test is skipped where it is not set."""
    folder = os.environ.get("NEUROSIM_DATA")
    if not folder:
        pytest.skip("NEUROSIM_DATA is not set: tests on real data need it")
    return Path(folder)
