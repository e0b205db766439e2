"""A pair mask means the same wherever it is taken: what it leaves out is not read."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from neurosim import rsa

N = 12
DRAW = np.random.default_rng(0)
MODELS = DRAW.gamma(2.0, size=(4, N * (N - 1) // 2))
BRAINS = MODELS[:1] + DRAW.gamma(3.0, size=(4, N * (N - 1) // 2))
PATTERNS = DRAW.normal(size=(N, 20))
MASK = np.arange(MODELS.shape[1]) % 4 != 2


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def crossed(brains: np.ndarray, mask: Any, over: tuple[str, ...]) -> np.ndarray:
    found = rsa.bootstrap_crossed(
        [MODELS[:2], MODELS[2:]], brains, over=over, n_samples=20, rng=rng(), pair_mask=mask
    )
    return np.concatenate([found.observed[None], *found.samples.values()])


def halves(brains: np.ndarray, mask: Any) -> np.ndarray:
    found = rsa.halves_by_dispersion(PATTERNS[:, 0], MODELS, brains, pair_mask=mask)
    return np.concatenate([found.low, found.high])


#: Function -> a call of it, (brains, mask) -> numbers.
CALLS: dict[str, Callable[[np.ndarray, Any], Any]] = {
    "compare_rdms": lambda b, m: rsa.compare_rdms(MODELS, b, pair_mask=m),
    "compare_patterns": lambda b, m: rsa.compare_patterns([PATTERNS], b, pair_mask=m),
    "prepare_rdms": lambda b, m: rsa.compare_rdms(MODELS, rsa.prepare_rdms(b, pair_mask=m)),
    "noise_ceiling": lambda b, m: rsa.noise_ceiling(b, pair_mask=m),
    "group_reliability": lambda b, m: rsa.group_reliability(b, pair_mask=m),
    "split_half_reliability": lambda b, m: rsa.split_half_reliability(
        b, n_splits=5, rng=rng(), pair_mask=m
    ),
    "bootstrap_stimuli": lambda b, m: (
        rsa.bootstrap_stimuli(MODELS, b, n_samples=20, rng=rng(), pair_mask=m).samples
    ),
    "bootstrap_crossed": lambda b, m: crossed(b, m, ("stimuli", "seeds", "subjects")),
    "bootstrap_crossed over subjects": lambda b, m: crossed(b, m, ("subjects",)),
    "permute_labels": lambda b, m: (
        rsa.permute_labels(MODELS, b, n_permutations=20, rng=rng(), pair_mask=m).null
    ),
    "choose_layer": lambda b, m: (
        rsa.choose_layer(MODELS, b, n_splits=5, rng=rng(), pair_mask=m).held_out
    ),
    "halves_by_dispersion": halves,
    "partial_correlation": lambda b, m: rsa.partial_correlation(
        MODELS[:2], b, MODELS[2:], pair_mask=m
    ),
    "semipartial_correlation": lambda b, m: rsa.semipartial_correlation(
        MODELS[:2], b, MODELS[2:], pair_mask=m
    ),
    "variance_partitioning": lambda b, m: rsa.variance_partitioning(
        b[0], {"a": MODELS[0], "b": MODELS[1]}, pair_mask=m
    ).r2["a", "b"],
    "reweighted_rsa": lambda b, m: (
        rsa.reweighted_rsa(MODELS, b[0], n_folds=2, rng=rng(), pair_mask=m).scores
    ),
}


def test_every_function_with_a_pair_mask_is_here() -> None:
    having = {
        name
        for name in rsa.__all__
        if inspect.isfunction(getattr(rsa, name))
        and "pair_mask" in inspect.signature(getattr(rsa, name)).parameters
    }
    assert having == {call.split(" ")[0] for call in CALLS}


@pytest.mark.parametrize("call", CALLS)
def test_what_the_mask_leaves_out_of_the_brain_is_not_read(call: str) -> None:
    others = np.where(MASK, BRAINS, DRAW.gamma(3.0, size=BRAINS.shape))
    found = np.asarray(CALLS[call](BRAINS, MASK))
    np.testing.assert_array_equal(CALLS[call](others, MASK), found)
    assert (np.asarray(CALLS[call](others, None)) != CALLS[call](BRAINS, None)).any()
    assert (found != CALLS[call](BRAINS, None)).any()
    everything = np.ones_like(MASK)
    np.testing.assert_allclose(CALLS[call](BRAINS, everything), CALLS[call](BRAINS, None))
