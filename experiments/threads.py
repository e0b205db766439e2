"""One numerical thread a process."""

from __future__ import annotations

import os

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                     "NUMBA_NUM_THREADS")  # fmt: skip


def one_thread() -> None:
    """Hold this process, and those it starts, to one numerical thread.

    One thread a cell, whatever the number of workers: BLAS, OpenMP and numba threads of several
    cells fight each other, and sums split over threads would make a number depend on the machine.
    Call before numpy or torch is imported: the variables are read at import. ``tasks`` holds what
    was imported before.
    """
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = "1"
    # cuBLAS reads it when CUDA starts; without it deterministic products are refused.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
