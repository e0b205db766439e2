"""The best of several layers, without the bonus of having chosen it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.compare.common import common_pairs
from neurosim.rsa.compare.comparator import Array, Comparator
from neurosim.rsa.compare.comparators import find_comparator
from neurosim.rsa.rdm.checks import check_count, check_rng
from neurosim.rsa.rdm.rdm import RDMInput
from neurosim.rsa.rdm.squares import n_stimuli_of, pair_indices


@final
@dataclass(frozen=True, eq=False)
class LayerChoice:
    """Attributes:
    score: mean score, on held-out stimuli, of the layer chosen on the others.
    naive: the score of the layer that is best on all stimuli (optimistic).
    chosen: (n_layers,) how often each layer was chosen, as a share.
    held_out: (2 n_splits,) the scores behind ``score``.
    """

    score: float
    naive: float
    chosen: Array
    held_out: Array


def choose_layer(
    layer_rdms: RDMInput,
    subject_rdms: RDMInput,
    method: str | Comparator = "spearman",
    *,
    n_splits: int = 50,
    rng: np.random.Generator,
    pair_mask: ArrayLike | None = None,
) -> LayerChoice:
    """Choose the layer on half of the stimuli, score it on the other half, and the other way
    round, for ``n_splits`` random halvings; scores are means over subjects. Subjects without the
    ROI (rows of NaN) are left out; a layer without a score on a half (constant there) is not
    chosen on it, and one without a score on the other half makes ``score`` NaN.

    The best of 4 (8) equally good layers is inflated by .0025 (.0036) at 720 stimuli and by
    .014 (.018) at 100; the held-out score is not. Its null over labels is
    ``permute_labels(...).p_value_of_best()``.
    """
    check_rng(rng)
    check_count("n_splits", n_splits)
    comparator = find_comparator(method)
    common = common_pairs(layer_rdms, subject_rdms, pair_mask)
    n = n_stimuli_of(len(common.used))
    if n < 6:
        raise ValueError(f"halving needs at least 6 stimuli; got {n}")

    def scores(stimuli: np.ndarray) -> Array:
        pairs = pair_indices(np.sort(stimuli), n)
        kept = common.used[pairs]
        part = None if kept.all() else kept
        pairs = pairs[kept]
        found = np.full((len(common.x_present), 1), np.nan)
        if len(pairs) > 1:
            each = comparator(common.x[:, pairs], common.y[:, pairs], part)
            found[common.x_present, 0] = each.mean(axis=1)
        return found[:, 0]

    held_out = []
    chosen = np.zeros(len(common.x_present))
    for _ in range(n_splits):
        order = rng.permutation(n)
        halves = [scores(order[: n // 2]), scores(order[n // 2 :])]
        for here, there in (halves, halves[::-1]):
            best = _best(here, comparator)
            chosen[best] += 1
            held_out.append(there[best])
    everywhere = scores(np.arange(n))
    return LayerChoice(
        float(np.mean(held_out)),
        float(everywhere[_best(everywhere, comparator)]),
        chosen / chosen.sum(),
        np.array(held_out),
    )


def _best(scores: Array, comparator: Comparator) -> int:
    if np.isnan(scores).all():
        raise ValueError("no layer has a score on half of the stimuli")
    return int(np.nanargmax(scores if comparator.larger_is_closer else -scores))
