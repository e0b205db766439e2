"""Speed of neurosim.rsa beside scipy, rsatoolbox and numpy, as ratios in one run.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_rsa_speed.py

One BLAS thread on each side; the bootstrap, the permutations and the grid share their samples
and models among NUMBA_NUM_THREADS (default: all) cores. Every time is the best of several turns,
taken in alternation. On a busy machine use --processor-time with NUMBA_NUM_THREADS=1: other load
then touches both sides alike.
Exits with 1 if a bar is missed. Rows that need rsatoolbox say so when
it is not installed. ``bench_rsa.py`` runs this and the rest.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from neurosim.rsa import (
    bootstrap_stimuli,
    compare_patterns,
    compute_rdm,
    permute_labels,
    prepare_rdms,
)

N, D, N_BRAINS = 720, 512, 18
RNG = np.random.default_rng(0)
Row = tuple[str, float, float, float]
CLOCK = time.perf_counter


def alternate(ours: Callable[[], object], theirs: Callable[[], object], turns: int) -> Row:
    """Best times in ms of both and their ratio (theirs / ours); ours is warmed up first."""
    ours()
    best = [np.inf, np.inf]
    for _ in range(turns):
        for k, function in enumerate((ours, theirs)):
            start = CLOCK()
            function()
            best[k] = min(best[k], CLOCK() - start)
    return "", best[0] * 1e3, best[1] * 1e3, best[1] / best[0]


def rsatoolbox_rdm(x: np.ndarray):  # type: ignore[no-untyped-def]
    import rsatoolbox

    return rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(x), method="correlation")


def run() -> list[tuple[str, float, Row]]:
    has_rsatoolbox = importlib.util.find_spec("rsatoolbox") is not None
    x = RNG.normal(size=(N, D))
    model = compute_rdm(x)
    m = model.dissimilarities
    brains = np.stack([pdist(RNG.normal(size=(N, 100)), "correlation") for _ in range(N_BRAINS)])
    brains = brains.astype(np.float32)
    kept = prepare_rdms(brains)
    results: list[tuple[str, float, Row]] = []

    def add(name: str, bar: float, row: Row) -> None:
        results.append((name, bar, row))
        mark = "PASS " if row[3] >= bar else "short"
        print(f"{mark} {name:58s} {row[1]:9.2f} {row[2]:11.2f} {row[3]:8.1f} x  (bar {bar:g})")
        sys.stdout.flush()

    print(f"{'':64s} {'ours ms':>9s} {'theirs ms':>11s} {'ratio':>8s}")
    add(
        "correlation RDM 720 x 512 | scipy pdist",
        4,
        alternate(lambda: compute_rdm(x), lambda: pdist(x, "correlation"), 9),
    )

    def scipy_each() -> list[float]:
        return [spearmanr(m, b).statistic for b in brains]

    np.testing.assert_allclose(kept.compare(m)[0], scipy_each(), atol=1e-12)
    add(
        "1 model, 18 brains of 720, ranks kept | scipy",
        10,
        alternate(lambda: kept.compare(m), scipy_each, 3),
    )

    indices = RNG.integers(0, N, (20, N))
    upper = np.triu_indices(N, 1)
    square, brain_square = model.square(), compute_rdm(RNG.normal(size=(N, 50))).square()
    y = brain_square[upper]

    def scipy_bootstrap() -> list[float]:
        out = []
        for draw in indices:
            kept_pairs = draw[upper[0]] != draw[upper[1]]
            a, b = draw[upper[0]][kept_pairs], draw[upper[1]][kept_pairs]
            out.append(spearmanr(square[a, b], brain_square[a, b]).statistic)
        return out

    ours = bootstrap_stimuli(m, y, indices=indices).samples[:, 0, 0]
    np.testing.assert_allclose(ours, scipy_bootstrap(), atol=1e-12)
    many = np.tile(indices, (10, 1))
    row = alternate(lambda: bootstrap_stimuli(m, y, indices=many), scipy_bootstrap, 3)
    # 200 of ours against 20 of theirs, given for 1,000
    row = (row[0], row[1] * 5, row[2] * 50, row[2] * 50 / (row[1] * 5))
    add("1,000 stimulus bootstraps of 720 | scipy", 50, row)

    orders = np.array([RNG.permutation(N) for _ in range(20)])
    null = permute_labels(m, y, permutations=orders)
    ranked = prepare_rdms(np.stack([m, y])).method.normalise(np.stack([m, y]))
    centred = ranked - ranked.mean(1, keepdims=True)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    rank_square = np.zeros((N, N))
    rank_square[upper] = centred[0]
    flat = (rank_square + rank_square.T).ravel()

    def numpy_gather() -> list[float]:
        """Ranks once, then one flat take and one dot a permutation."""
        return [float(flat.take(p[upper[0]] * N + p[upper[1]]) @ centred[1]) for p in orders]

    def numpy_index() -> list[float]:
        """Ranks once, then numpy's own relabelling of a matrix: rows, columns, triangle."""
        ranks = flat.reshape(N, N)
        return [float(ranks[np.ix_(p, p)][upper] @ centred[1]) for p in orders]

    def scipy_permute() -> list[float]:
        return [spearmanr(square[np.ix_(p, p)][upper], y).statistic for p in orders[:5]]

    np.testing.assert_allclose(null.null[:, 0, 0], numpy_gather(), atol=1e-12)
    np.testing.assert_allclose(null.null[:5, 0, 0], scipy_permute(), atol=1e-12)
    many_orders = np.tile(orders, (20, 1))
    row = alternate(lambda: permute_labels(m, y, permutations=many_orders), numpy_gather, 3)
    row = (row[0], row[1] * 25, row[2] * 500, row[2] * 500 / (row[1] * 25))
    add("10,000 label permutations of 720 | numpy take", 0, row)
    row = alternate(lambda: permute_labels(m, y, permutations=many_orders), numpy_index, 3)
    row = (row[0], row[1] * 25, row[2] * 500, row[2] * 500 / (row[1] * 25))
    add("10,000 label permutations of 720 | numpy gather", 8, row)
    row = alternate(lambda: permute_labels(m, y, permutations=many_orders), scipy_permute, 3)
    row = (row[0], row[1] * 25, row[2] * 2000, row[2] * 2000 / (row[1] * 25))
    add("10,000 label permutations of 720 | scipy", 150, row)

    if not has_rsatoolbox:
        print("rsatoolbox is not installed: its rows are left out")
        return results
    import rsatoolbox

    add(
        "correlation RDM 720 x 512 | rsatoolbox",
        10,
        alternate(lambda: compute_rdm(x), lambda: rsatoolbox_rdm(x), 5),
    )
    their_model, their_brains = rsatoolbox.rdm.RDMs(m[None]), rsatoolbox.rdm.RDMs(brains)
    add(
        "1 model, 18 brains of 720, ranks kept | rsatoolbox",
        75,
        alternate(
            lambda: kept.compare(m),
            lambda: rsatoolbox.rdm.compare(their_model, their_brains, method="spearman"),
            3,
        ),
    )
    features = [RNG.normal(size=(N, D)).astype(np.float32) for _ in range(10)]

    def our_grid(n: int) -> np.ndarray:
        return compare_patterns(features[:n], kept)

    def their_grid(n: int) -> np.ndarray:
        models = rsatoolbox.rdm.concat([rsatoolbox_rdm(f) for f in features[:n]])
        return rsatoolbox.rdm.compare(models, their_brains, method="spearman")

    np.testing.assert_allclose(our_grid(2), their_grid(2), atol=1e-6)
    # What one more model costs: rsatoolbox ranks the brains once a call, which 800 share.
    few = alternate(lambda: our_grid(2), lambda: their_grid(2), 3)
    many_models = alternate(lambda: our_grid(10), lambda: their_grid(10), 3)
    ours_each, theirs_each = ((many_models[k] - few[k]) / 8 for k in (1, 2))
    row = ("", 800 * ours_each, 800 * theirs_each, theirs_each / ours_each)
    add("grid of 800 models x 18 brains from features | rsatoolbox", 9, row)
    return results


def main() -> int:
    global CLOCK
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processor-time", action="store_true", help="not wall-clock time")
    if parser.parse_args().processor_time:
        CLOCK = time.process_time
    missed = [name for name, bar, row in run() if row[3] < bar]
    print("missed: " + "; ".join(missed) if missed else "all bars reached")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
