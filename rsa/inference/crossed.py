"""Bootstrap over stimuli, seeds and subjects at once, with the correction for crossed factors.

Resampling several crossed factors at once counts the noise of a single cell once for each of them
and once more for each pair (Owen 2007, doi:10.1214/07-AOAS122), so the plain spread is too wide.
With ``V_S`` the variance when the factors in ``S`` are resampled, the share of ``S`` alone is

    I_S = sum_(T in S) (-1)^(|S| - |T|) V_T

and the variance of the mean over all factors

    V = sum_S (-1)^(|S| + 1) c_S I_S,        c_S = prod_(f in S) n_f / (n_f - 1)

which for two factors is the published correction (Schuett, Kipnis, Diedrichsen & Kriegeskorte
2023, doi:10.7554/eLife.82566); the sum over larger sets is its extension to a third factor, and
ours. As published, ``V`` is held between the largest ``c_f V_f`` of a single factor and the plain
spread of all factors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from neurosim.rsa.compare.common import common_pairs
from neurosim.rsa.compare.comparator import Array, Comparator
from neurosim.rsa.compare.measure import compare_rdms
from neurosim.rsa.inference.bootstrap import bootstrap_stimuli
from neurosim.rsa.rdm.checks import check_count, check_rng
from neurosim.rsa.rdm.rdm import (
    RDMInput,
    as_rows,
    check_same_stimuli,
    n_stimuli_of,
    stimuli_of,
)

#: What can be resampled; a set of them is a key of ``CrossedBootstrap.samples``.
FACTORS = ("stimuli", "seeds", "subjects")
Factors = frozenset[str]


def subsets(factors: Collection[str]) -> Iterator[Factors]:
    """Every non-empty set of factors, the smallest first."""
    ordered = [name for name in FACTORS if name in factors]
    for size in range(1, len(ordered) + 1):
        yield from map(frozenset, combinations(ordered, size))


def crossed_variance(variances: Mapping[Factors, ArrayLike], sizes: Mapping[str, int]) -> Array:
    """(...) corrected variance of a mean over crossed random factors.

    Args:
        variances: for every non-empty set of the factors of ``sizes``, (...) the variance of
            the mean when these factors are resampled.
        sizes: how many stimuli, seeds or subjects there are; at least 2 each.

    Raises:
        ValueError: a set of factors without a variance; a factor of one.

    Example:
        >>> spread = {"stimuli": 4.0, "subjects": 2.0}
        >>> both = {frozenset({"stimuli", "subjects"}): 7.0}
        >>> one = {frozenset({name}): v for name, v in spread.items()}
        >>> float(crossed_variance(one | both, {"stimuli": 10**9, "subjects": 10**9}).round(6))
        5.0
    """
    require_several(sizes)
    sets = list(subsets(sizes))
    if missing := [" x ".join(sorted(s)) for s in sets if s not in variances]:
        raise ValueError(f"no variance was given for resampling {', '.join(missing)}")
    v = {s: np.asarray(variances[s], dtype=np.float64) for s in sets}
    factor = {s: float(np.prod([sizes[f] / (sizes[f] - 1) for f in s])) for s in sets}
    total = np.zeros_like(v[sets[-1]])
    for s in sets:
        share = sum((-1) ** (len(s) - len(t)) * v[t] for t in subsets(s))
        total = total - (-1) ** len(s) * factor[s] * share
    least = np.maximum.reduce([factor[s] * v[s] for s in sets if len(s) == 1])
    # As published: the upper bound is applied last, and only to several factors.
    return np.minimum(np.maximum(total, least), v[sets[-1]]) if len(sizes) > 1 else least


def require_several(sizes: Mapping[str, int]) -> None:
    """Refuse a factor of one: its spread is unknown."""
    for name, size in sizes.items():
        if size < 2:
            raise ValueError(
                f"{name}: there is only {size}, and the spread over {name} needs at least 2; "
                f"leave {name} out of over"
            )


@final
@dataclass(frozen=True, eq=False)
class CrossedBootstrap:
    """Mean scores, and the means under resampling of every set of factors.

    Attributes:
        observed: (...) the score of the data.
        samples: set of factors -> (n_samples, ...) the scores when these are resampled; all
            models share the draws, so differences between models are paired.
        sizes: factor -> how many of them there are.
    """

    observed: Array
    samples: Mapping[Factors, Array]
    sizes: Mapping[str, int]

    def standard_error(self) -> Array:
        """(...) the root of ``crossed_variance``; NaN where any resample has no score."""
        variances = {s: np.var(found, axis=0, ddof=1) for s, found in self.samples.items()}
        return np.asarray(np.sqrt(crossed_variance(variances, self.sizes)))

    @property
    def degrees_of_freedom(self) -> int:
        """One less than the size of the smallest factor, as published."""
        return min(self.sizes.values()) - 1

    def interval(self, level: float = 0.95) -> Array:
        """(2, ...) the score plus and minus Student's t times the standard error."""
        if not 0 < level < 1:
            raise ValueError(f"the level of an interval lies between 0 and 1; got {level}")
        half = stats.t.ppf((1 + level) / 2, self.degrees_of_freedom) * self.standard_error()
        return np.stack([self.observed - half, self.observed + half])

    def p_value(self) -> Array:
        """(...) two-sided p of a score of zero, by the same t; NaN where there is no score, or
        no spread by which to judge it."""
        error = self.standard_error()
        differ = error > 1e-13 * np.abs(self.observed)  # by more than rounding
        t = np.divide(np.abs(self.observed), error, out=np.full_like(error, np.nan), where=differ)
        return np.asarray(2 * stats.t.sf(t, self.degrees_of_freedom))

    def difference(self, a: int, b: int) -> CrossedBootstrap:
        """Model ``a`` less model ``b`` (first axis), resample by resample."""
        samples = {s: found[:, a] - found[:, b] for s, found in self.samples.items()}
        return CrossedBootstrap(self.observed[a] - self.observed[b], samples, self.sizes)


def bootstrap_crossed(
    models: Sequence[RDMInput],
    subject_rdms: RDMInput,
    method: str | Comparator = "spearman",
    *,
    over: Sequence[str] = FACTORS,
    n_samples: int = 1000,
    rng: np.random.Generator,
    pair_mask: ArrayLike | None = None,
) -> CrossedBootstrap:
    """Mean scores over seeds and subjects, and their spread over new stimuli, seeds, subjects.

    Args:
        models: for each model the RDMs of its seeds, (n_seeds, n_pairs). A seed is the same start
            for every model, so the models of a seed are drawn together.
        subject_rdms: (n_subjects, n_pairs); absent subjects (rows of NaN) are left out.
        over: what is resampled; each of it at least two.

    Returns:
        ``CrossedBootstrap`` of (n_models,) scores.

    Raises:
        ValueError: an unknown factor, or one of which there is only one; models that differ in
            their number of seeds.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> models, subjects = rng.random((2, 3, 45)), rng.random((4, 45))
        >>> found = bootstrap_crossed(list(models), subjects, n_samples=50, rng=rng)
        >>> found.difference(0, 1).interval().shape
        (2,)
    """
    check_rng(rng)
    check_count("n_samples", n_samples)
    if not over or set(over) - set(FACTORS):
        raise ValueError(
            f"over names what is resampled, of {', '.join(FACTORS)}; got {tuple(over)}"
        )
    check_same_stimuli(
        {"the brain RDMs": stimuli_of(subject_rdms, "brains")}
        | {f"model {i}": stimuli_of(rdms, "models") for i, rdms in enumerate(models)}
    )
    by_model = [as_rows(rdms, "models") for rdms in models]
    if len({len(rows) for rows in by_model}) != 1:
        raise ValueError(
            f"the models have {[len(rows) for rows in by_model]} seeds: give every model the RDMs "
            "of the same seeds, one model per entry"
        )
    pairs = common_pairs(np.concatenate(by_model), subject_rdms, pair_mask)
    if not pairs.x_present.all():
        silent = divmod(int(np.argmin(pairs.x_present)), len(by_model[0]))
        raise ValueError(f"model {silent[0]}, seed {silent[1]} has no pair at all; leave it out")
    rows, brains, pair_mask = pairs.x, pairs.y, pairs.used
    shape = (len(by_model), len(by_model[0]), len(brains))
    sizes = {"stimuli": n_stimuli_of(rows.shape[1]), "seeds": shape[1], "subjects": shape[2]}
    sizes = {name: sizes[name] for name in FACTORS if name in over}
    require_several(sizes)
    table = stimuli = None
    if "stimuli" in sizes:
        found = bootstrap_stimuli(
            rows, brains, method, n_samples=n_samples, rng=rng, pair_mask=pair_mask
        )
        table, stimuli = found.observed, found.samples.reshape(-1, *shape)
    else:
        table = compare_rdms(rows, brains, method, pair_mask)
    table = table.reshape(shape)
    shares: dict[str, Array] = {
        name: draw_shares(sizes[name], n_samples, rng)
        for name in ("seeds", "subjects")
        if name in sizes
    }
    samples = {}
    for drawn in subsets(sizes):
        scores = stimuli if "stimuli" in drawn and stimuli is not None else table[None]
        for axis, name in ((3, "subjects"), (2, "seeds")):
            scores = mean_of_drawn(scores, shares[name] if name in drawn else None, axis)
        samples[drawn] = scores
    return CrossedBootstrap(table.mean(axis=(1, 2)), samples, sizes)


def draw_shares(size: int, n_samples: int, rng: np.random.Generator) -> Array:
    """(n_samples, size) share of each item in a resample of ``size`` items; rows sum to 1."""
    return rng.multinomial(size, np.full(size, 1 / size), n_samples) / size


def mean_of_drawn(scores: Array, shares: Array | None, axis: int) -> Array:
    """Mean over an axis of (n_samples or 1, ...) scores: of all items alike, or by ``shares``."""
    if shares is None:
        return np.asarray(scores.mean(axis=axis))
    return np.einsum("r...j,rj->r...", np.moveaxis(scores, axis, -1), shares)
