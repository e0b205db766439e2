"""A fitted readout: cross-validated ridge prediction of voxels or units.

RDMs of whole layers weigh every feature alike; a linear readout may use the few that matter.
Needs himalaya (the extra ``encoding``): pip install neurosim[encoding].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from neurosim.rsa.compare.comparator import Array, constant_rows
from neurosim.rsa.rdm.checks import as_numbers, check_count, check_rng

ALPHAS = tuple(10.0**k for k in range(-2, 7))


@final
@dataclass(frozen=True, eq=False)
class Encoding:
    """Attributes:
    r: (n_targets,) Pearson correlation of held-out predictions with responses; NaN where a
        prediction or a response is constant.
    r2: (n_targets,) 1 - residual / total sum of squares, total about the means of the training
        stimuli, which is what is known without the features when the held-out ones are predicted
        (Campbell & Thompson 2008, doi:10.1093/rfs/hhm055; Hawinkel et al. 2024,
        doi:10.1080/00031305.2023.2216252); a negative value means worse than that mean. NaN where
        a response is constant.
    predictions: (n_stimuli, n_targets), each from the folds without that stimulus.
    """

    r: Array
    r2: Array
    predictions: Array


def encode(
    features: ArrayLike | Mapping[str, ArrayLike],
    responses: ArrayLike,
    *,
    alphas: ArrayLike = ALPHAS,
    n_folds: int = 5,
    n_inner_folds: int = 5,
    n_iter: int = 50,
    rng: np.random.Generator,
) -> Encoding:
    """Predict responses from features of held-out stimuli.

    Features are standardised and responses centred on the training stimuli; the penalty is
    chosen inside the training stimuli for each target. Several named bands get a penalty each
    (banded ridge, Nunez-Elizalde et al. 2019, doi:10.1016/j.neuroimage.2019.04.012; himalaya's
    random search, Dupre la Tour et al. 2022, doi:10.1016/j.neuroimage.2022.119728).

    Args:
        features: (n_stimuli, n_features), or band name -> such an array.
        responses: (n_stimuli, n_targets) voxels or units.
        n_iter: random draws of band weights (several bands only).
        rng: splits stimuli into folds and draws band weights.
    """
    check_rng(rng)
    for name, count in (("n_folds", n_folds), ("n_inner_folds", n_inner_folds)):
        check_count(name, count, 2)
    check_count("n_iter", n_iter)
    y = np.asarray(as_numbers(responses), dtype=np.float64)
    bands = _bands(features, y)
    penalties = np.asarray(alphas, dtype=np.float64)
    n = len(y)
    if not 2 <= n_folds <= n // 2:
        raise ValueError(f"n_folds is 2 ... {n // 2}; got {n_folds}")
    folds = rng.permutation(n) % n_folds
    predictions, baseline = np.empty_like(y), np.empty_like(y)
    for fold in range(n_folds):
        train, test = folds != fold, folds == fold
        scaled = [_standardised(band, train) for band in bands]
        mean = y[train].mean(axis=0)
        seed = int(rng.integers(2**31))
        model = _ridge(len(bands), penalties, n_inner_folds, n_iter, seed)
        x_train: Any = [x[train] for x in scaled] if len(bands) > 1 else scaled[0][train]
        x_test: Any = [x[test] for x in scaled] if len(bands) > 1 else scaled[0][test]
        model.fit(x_train, y[train] - mean)
        predictions[test] = np.asarray(model.predict(x_test)) + mean
        baseline[test] = mean
    residual = np.sum((y - predictions) ** 2, axis=0)
    total = np.where(constant_rows(y.T), np.nan, np.sum((y - baseline) ** 2, axis=0))
    return Encoding(_columnwise_r(predictions, y), 1.0 - residual / total, predictions)


def _bands(features: ArrayLike | Mapping[str, ArrayLike], y: Array) -> list[Array]:
    named = features if isinstance(features, Mapping) else {"features": features}
    if y.ndim != 2 or not np.isfinite(y).all():
        raise ValueError(f"responses are (n_stimuli, n_targets), finite; got shape {y.shape}")
    bands = []
    for name, band in named.items():
        x = np.asarray(as_numbers(band), dtype=np.float64)
        if x.ndim != 2 or len(x) != len(y) or not np.isfinite(x).all():
            raise ValueError(
                f"{name!r} must be ({len(y)} stimuli, n_features), finite; got shape {x.shape}"
            )
        bands.append(x)
    if not bands:
        raise ValueError("no features given")
    return bands


def _standardised(x: Array, train: Array) -> Array:
    mean, spread = x[train].mean(axis=0), x[train].std(axis=0)
    # A feature that is constant in training predicts nothing: zero, not noise blown up.
    return np.asarray((x - mean) / np.where(constant_rows(x[train].T), np.inf, spread))


def _ridge(n_bands: int, alphas: Array, n_inner_folds: int, n_iter: int, seed: int) -> Any:
    try:
        from himalaya.ridge import GroupRidgeCV, RidgeCV
        from sklearn.model_selection import KFold
    except ImportError as error:
        raise ImportError(
            'ridge encoding needs himalaya: pip install "neurosim[encoding]"'
        ) from error
    inner = KFold(n_inner_folds, shuffle=True, random_state=seed)
    if n_bands == 1:
        return RidgeCV(alphas=alphas, cv=inner, solver_params={"warn": False})
    search = {"n_iter": n_iter, "alphas": alphas, "progress_bar": False, "warn": False}
    return GroupRidgeCV(groups="input", cv=inner, random_state=seed, solver_params=search)


def _columnwise_r(a: Array, b: Array) -> Array:
    varied = ~(constant_rows(a.T) | constant_rows(b.T))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    product = np.sum(a * b, axis=0)
    r = np.divide(product, scale, out=np.full_like(product, np.nan), where=varied)
    return np.clip(r, -1.0, 1.0)
