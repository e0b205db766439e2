"""The bootstrap over crossed factors: known variances, the published formula, coverage."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from neurosim.rsa import CrossedBootstrap, bootstrap_crossed, compute_rdm
from neurosim.rsa.inference.crossed import crossed_variance, draw_shares, mean_of_drawn, subsets

SIZES = {"stimuli": 14, "seeds": 6, "subjects": 9}


def bootstrap_table(
    table: np.ndarray, n_samples: int, rng: np.random.Generator
) -> CrossedBootstrap:
    """The same resampling for a table of scores with one axis per factor."""
    sizes = dict(zip(SIZES, table.shape, strict=True))
    shares = {name: draw_shares(n, n_samples, rng) for name, n in sizes.items()}
    samples = {}
    for drawn in subsets(sizes):
        scores = table[None]
        for axis, name in ((3, "subjects"), (2, "seeds"), (1, "stimuli")):
            scores = mean_of_drawn(scores, shares[name] if name in drawn else None, axis)
        samples[drawn] = np.broadcast_to(scores, (n_samples,))
    return CrossedBootstrap(table.mean(), samples, sizes)


def random_table(spread: Mapping[frozenset[str], float], rng: np.random.Generator) -> np.ndarray:
    """Scores of known variance components: one normal effect per set of factors."""
    table = np.zeros(tuple(SIZES.values()))
    for drawn, sd in spread.items():
        shape = tuple(n if name in drawn else 1 for name, n in SIZES.items())
        table = table + rng.normal(0, sd, shape)
    return table


def variance_of_mean(spread: Mapping[frozenset[str], float]) -> float:
    return sum(sd**2 / np.prod([SIZES[f] for f in drawn]) for drawn, sd in spread.items())


NOISE = frozenset(SIZES)
MAIN = {frozenset({name}): 1.0 for name in SIZES}
PAIRS = {frozenset(pair): 1.5 for pair in (("stimuli", "seeds"), ("seeds", "subjects"))}


@pytest.mark.parametrize(
    "spread",
    [{NOISE: 5.0}, {**MAIN, NOISE: 3.0}, {**MAIN, **PAIRS, NOISE: 3.0}],
    ids=["noise alone", "factors and noise", "and their pairs"],
)
def test_the_corrected_variance_is_that_of_the_mean(spread):
    """Mean over 300 tables, by the exact variances of the bootstrap (4,000 draws: 2 %). A single
    estimate scatters by the chi-square of the smallest factor (5 degrees: 63 %), the mean over
    tables by 4 %; the plain spread of all factors is off by a factor of up to 7."""
    rng = np.random.default_rng(0)
    found, plain = [], []
    for _ in range(300):
        boot = bootstrap_table(random_table(spread, rng), 400, rng)
        found.append(boot.standard_error() ** 2)
        plain.append(boot.samples[NOISE].var(ddof=1))
    expected = variance_of_mean(spread)
    if set(spread) == {NOISE}:
        # Held above the largest single factor, which noise alone reaches: biased up, as published.
        assert expected < np.mean(found) < 2 * expected
        assert np.mean(plain) > 4 * expected
    else:
        assert np.mean(found) == pytest.approx(expected, rel=0.12)
        assert np.mean(plain) > 1.05 * np.mean(found)


def test_whole_numbers_are_variances_too():
    """A variance given as an integer is not cut to one on the way."""
    sizes = {"stimuli": 10, "subjects": 20}
    sets = [frozenset({"stimuli"}), frozenset({"subjects"}), frozenset(sizes)]
    whole = dict(zip(sets, (4, 2, 7), strict=True))
    exact = {s: float(v) for s, v in whole.items()}
    assert crossed_variance(whole, sizes) == crossed_variance(exact, sizes)


def test_intervals_cover():
    """Nominal 95 %: of 600 experiments 90 to 98 % (binomial standard error .9 %; t with the
    smallest factor's degrees of freedom errs on the wide side)."""
    rng, spread = np.random.default_rng(1), {**MAIN, NOISE: 3.0}
    covered = 0
    for _ in range(600):
        lower, upper = bootstrap_table(random_table(spread, rng), 300, rng).interval()
        covered += lower < 0 < upper
    assert 0.90 < covered / 600 < 0.985


def test_two_factors_are_corrected_as_rsatoolbox_does():
    """Schuett et al. 2023, with its small-sample factors: to rounding."""
    util = pytest.importorskip("rsatoolbox.util.inference_util")
    rng = np.random.default_rng(2)
    for _ in range(50):
        stimuli, subjects = rng.gamma(2.0, size=(2, 3))
        both = stimuli + subjects + rng.gamma(1.0, size=3)
        ours = crossed_variance(
            {
                frozenset({"stimuli"}): stimuli,
                frozenset({"subjects"}): subjects,
                frozenset({"stimuli", "subjects"}): both,
            },
            {"stimuli": 92, "subjects": 15},
        )
        theirs = util._dual_bootstrap(np.stack([both, subjects, stimuli]), 15, 92)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def rdms(n_models: int = 2, n_seeds: int = 4, n_subjects: int = 5, n: int = 30):
    rng = np.random.default_rng(3)
    signal = rng.normal(size=(n, 6))

    def noisy():
        return compute_rdm(signal + rng.normal(size=signal.shape))

    models = [[noisy() for _ in range(n_seeds)] for _ in range(n_models)]
    return models, [noisy() for _ in range(n_subjects)]


def test_each_factor_alone_is_its_own_bootstrap():
    """Seeds alone: the variance of a mean of n drawn from n, sum (x - mean)^2 / n^2. 8,000 draws
    scatter by 1.6 %."""
    models, subjects = rdms()
    from neurosim.rsa import compare_rdms

    found = bootstrap_crossed(
        models, subjects, over=("seeds",), n_samples=8000, rng=np.random.default_rng(4)
    )
    for m, of_model in enumerate(models):
        scores = compare_rdms(of_model, subjects).mean(axis=1)
        assert found.observed[m] == pytest.approx(scores.mean(), rel=1e-12)
        variance = found.samples[frozenset({"seeds"})][:, m].var()
        assert variance == pytest.approx(scores.var() / len(scores), rel=0.08)
        assert found.standard_error()[m] ** 2 == pytest.approx(
            scores.var(ddof=1) / len(scores), rel=0.08
        )


def test_a_model_does_not_differ_from_itself_and_differences_are_paired():
    models, subjects = rdms()
    found = bootstrap_crossed(
        [models[0], models[0], models[1]], subjects, n_samples=200, rng=np.random.default_rng(5)
    )
    same, other = found.difference(0, 1), found.difference(0, 2)
    assert same.observed == 0
    assert same.standard_error() == 0
    assert np.isnan(same.p_value())
    assert other.observed == pytest.approx(found.observed[0] - found.observed[2], rel=1e-12)
    # Shared subjects and stimuli cancel: unpaired errors would add up.
    assert other.standard_error() < np.hypot(*found.standard_error()[[0, 2]])
    assert found.degrees_of_freedom == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"over": ("voxels",)}, "stimuli, seeds, subjects"),
        ({"models": [[], []]}, "give"),
        ({"n_seeds": 1}, "seeds: there is only 1"),
        ({"n_subjects": 1}, "subjects: there is only 1"),
    ],
)
def test_what_cannot_be_resampled_is_refused(change, told):
    made, options = {}, {}
    for key, value in change.items():
        (made if key.startswith("n_") else options)[key] = value
    models, subjects = rdms(**made)
    models = options.pop("models", models)
    with pytest.raises(ValueError, match=told):
        bootstrap_crossed(models, subjects, n_samples=10, rng=np.random.default_rng(0), **options)


def test_a_constant_model_has_no_error_and_passes_nothing():
    models, subjects = rdms()
    flat = [np.ones(435)] * 4
    found = bootstrap_crossed(
        [flat, models[0]], subjects, n_samples=50, rng=np.random.default_rng(6)
    )
    assert np.isnan(found.standard_error()[0])
    assert np.isnan(found.p_value()[0])
    assert np.isnan(found.interval()[:, 0]).all()
    assert np.isfinite(found.standard_error()[1])
