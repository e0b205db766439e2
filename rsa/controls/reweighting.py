"""Feature-reweighted RSA: how well the best non-negative mix of component RDMs does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.compare.common import all_present
from neurosim.rsa.compare.comparator import Array, Comparator, constant_rows
from neurosim.rsa.compare.comparators import find_comparator
from neurosim.rsa.rdm.checks import as_numbers, check_count, check_rng
from neurosim.rsa.rdm.rdm import RDMInput, as_one, check_same_stimuli, stimuli_of
from neurosim.rsa.rdm.squares import n_stimuli_of, to_condensed


@final
@dataclass(frozen=True, eq=False)
class Reweighting:
    """Attributes:
    scores: (n_folds,) score of the weighted RDM on the pairs of held-out stimuli; NaN where the
        target or all components are constant among the training stimuli.
    plain_scores: (n_folds,) the same of the unweighted sum, on the same pairs.
    weights: (n_folds, n_components) non-negative, from the other stimuli.
    """

    scores: Array
    plain_scores: Array
    weights: Array


def feature_components(patterns: ArrayLike) -> Array:
    """(n_features, n_pairs) squared difference of each feature: components of the squared
    Euclidean RDM, which is their sum."""
    x = np.asarray(as_numbers(patterns), dtype=np.float64)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"patterns are (n_stimuli >= 2, n_features); got shape {x.shape}")
    first, second = np.triu_indices(len(x), 1)
    return np.asarray(((x[first] - x[second]) ** 2).T)


def reweighted_rsa(
    components: RDMInput,
    target: RDMInput,
    method: str | Comparator = "spearman",
    *,
    n_folds: int = 5,
    ridge: float = 0.0,
    rng: np.random.Generator,
    pair_mask: ArrayLike | None = None,
) -> Reweighting:
    """Cross-validated non-negative weights (Khaligh-Razavi & Kriegeskorte 2014,
    doi:10.1371/journal.pcbi.1003915; Kaniuth & Hebart 2022,
    doi:10.1016/j.neuroimage.2022.119294).

    Stimuli, not pairs, are split into folds: weights come from the pairs among the training
    stimuli and are scored on the pairs among the held-out ones, so no stimulus is on both
    sides. Weights w >= 0 minimise |z(target) - sum_k w_k d_k - c|^2 + ridge n_train |w|^2 with
    components divided by their standard deviation.

    Args:
        components: (n_components, n_pairs), e.g. ``feature_components`` or layer RDMs.
        ridge: penalty on the squared weights, 0 or more.
    """
    check_rng(rng)
    check_count("n_folds", n_folds, 2)
    if not 0 <= ridge < np.inf:
        raise ValueError(f"ridge is a penalty, 0 or more and finite; got {ridge}")
    comparator = find_comparator(method)
    check_same_stimuli(
        {"the target": stimuli_of(target), "the components": stimuli_of(components, "components")}
    )
    common = all_present(components, as_one(target, "target"), pair_mask)
    d, y, used = common.x, common.y, common.used
    n = n_stimuli_of(d.shape[1])
    if not 2 <= n_folds <= n // 3:
        raise ValueError(f"n_folds is 2 ... {n // 3} (three stimuli a fold); got {n_folds}")
    folds = rng.permutation(n) % n_folds
    scores, plain, weights = [], [], []
    for fold in range(n_folds):
        train = _pairs_among(folds != fold) & used
        test = _pairs_among(folds == fold) & used
        x, t = d[:, train], y[0, train]
        if min(np.count_nonzero(train), np.count_nonzero(test)) < 2:
            raise ValueError(
                f"a fold has {np.count_nonzero(train)} pairs to train on and "
                f"{np.count_nonzero(test)} to score, after the mask; two are the least: give fewer "
                "folds, or a mask that leaves more"
            )
        flat = constant_rows(x)
        if flat.all() or constant_rows(t[None])[0]:
            weights.append(np.full(len(x), np.nan))  # nothing to fit with, or to
            scores.append(np.nan)
        else:
            weights.append(_fitted(x, t, flat, ridge))
            scores.append(comparator((weights[-1] @ d[:, test])[None], y[:, test], test)[0, 0])
        plain.append(comparator(d[:, test].sum(axis=0)[None], y[:, test], test)[0, 0])
    return Reweighting(np.array(scores), np.array(plain), np.array(weights))


def _fitted(x: Array, t: Array, flat: NDArray[np.bool_], ridge: float) -> Array:
    """(n_components,) weights >= 0 of components (n_components, n_pairs); 0 for ``flat`` ones."""
    from scipy.optimize import nnls

    spread = np.where(flat, np.inf, x.std(axis=1))
    x = (x - x.mean(axis=1, keepdims=True)) / spread[:, None]
    t = (t - t.mean()) / t.std()
    # Normal equations: components are few compared with pairs.
    gram = x @ x.T + ridge * x.shape[1] * np.eye(len(x))
    lower = np.linalg.cholesky(gram + 1e-10 * np.trace(gram) / len(gram) * np.eye(len(gram)))
    w, _ = nnls(lower.T, np.linalg.solve(lower, x @ t))
    return np.asarray(w / spread)


def _pairs_among(kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return to_condensed(np.outer(kept, kept)) > 0
