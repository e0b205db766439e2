"""One numerical thread a process."""

from __future__ import annotations

import os
import sys

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_NUMBA_VARIABLE = "NUMBA_NUM_THREADS"


def one_thread() -> None:
    """Hold this process, and those it starts, to one numerical thread.

    One thread a job, whatever the number of workers: BLAS, OpenMP and numba threads of several
    jobs fight each other, and sums split over threads would make a number depend on the machine.
    Call before numpy or torch is imported: the variables are read at import. ``tasks`` holds what
    was imported before.
    """
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = "1"
    # numba reads it anew at each compilation, and once its threads run it refuses another value.
    if "numba" not in sys.modules:
        os.environ[_NUMBA_VARIABLE] = "1"
    # cuBLAS reads it when CUDA starts; without it deterministic products are refused.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
