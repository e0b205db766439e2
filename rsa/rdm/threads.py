"""Work shared among threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def default_threads() -> int:
    """How many threads numba may use: NUMBA_NUM_THREADS, by default all cores."""
    import numba

    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


def in_threads(work: Callable[[range], None], n: int) -> None:
    """Share ``range(n)`` among the threads; the kernels let go of the interpreter, and every
    item is computed alone, whoever does it."""
    n_threads = min(default_threads(), n)
    if n_threads <= 1:
        work(range(n))
        return
    bounds = np.linspace(0, n, n_threads + 1).astype(int)
    with ThreadPoolExecutor(n_threads) as pool:
        parts = [range(bounds[t], bounds[t + 1]) for t in range(n_threads)]
        for done in [pool.submit(work, part) for part in parts]:
            done.result()
