"""Equal to rsatoolbox, pingouin, mne-rsa, scikit-learn and statsmodels-style formulas, 1e-10."""

from __future__ import annotations

import needs
import numpy as np
import pytest
from scipy.stats import rankdata

from neurosim.rsa import (
    BrainRDMs,
    cohens_d,
    compare_rdms,
    compute_rdm,
    noise_ceiling,
    noise_precision,
    partial_correlation,
    semipartial_correlation,
)

RNG = np.random.default_rng(0)
N, D = 14, 9
PATTERNS = RNG.gamma(2.0, size=(N, D))
A = np.stack([compute_rdm(RNG.normal(size=(N, D))).dissimilarities for _ in range(3)])
B = np.round(np.stack([compute_rdm(RNG.normal(size=(N, D))).dissimilarities for _ in range(4)]), 2)


def rsatoolbox_dataset(patterns: np.ndarray, **descriptors: object):  # type: ignore[no-untyped-def]
    rsatoolbox = needs.extra("dev", "rsatoolbox")
    given = {"stimulus": np.arange(len(patterns)), **descriptors}
    return rsatoolbox.data.Dataset(patterns, obs_descriptors=given)


@pytest.mark.parametrize(
    ("ours", "theirs", "per_feature"),
    [
        ("correlation", "correlation", False),
        ("sqeuclidean", "euclidean", True),
        ("poisson-kl", "poisson", True),
        ("mahalanobis", "mahalanobis", True),
    ],
)
def test_rsatoolbox_dissimilarities(ours: str, theirs: str, per_feature: bool) -> None:
    """rsatoolbox divides its distances by the number of channels; ours are the plain sums."""
    rsatoolbox = needs.extra("dev", "rsatoolbox")
    options, noise = {}, None
    if ours == "mahalanobis":
        noise = noise_precision(RNG.normal(size=(40, D)))
        options = {"precision": noise}
    rdm = rsatoolbox.rdm.calc_rdm(
        rsatoolbox_dataset(PATTERNS), method=theirs, descriptor="stimulus", noise=noise
    )
    expected = rdm.get_vectors()[0] * (D if per_feature else 1)
    ours_rdm = compute_rdm(PATTERNS, ours, **options).dissimilarities
    np.testing.assert_allclose(ours_rdm, expected, atol=1e-10)


def test_rsatoolbox_crossnobis() -> None:
    rsatoolbox = needs.extra("dev", "rsatoolbox")
    folds = RNG.normal(size=(N, 3, D))
    precision = noise_precision(RNG.normal(size=(40, D)))
    data = rsatoolbox_dataset(
        folds.transpose(1, 0, 2).reshape(-1, D),
        stimulus=np.tile(np.arange(N), 3),
        run=np.repeat(np.arange(3), N),
    )
    rdm = rsatoolbox.rdm.calc_rdm(
        data, method="crossnobis", descriptor="stimulus", cv_descriptor="run", noise=precision
    )
    ours = compute_rdm(folds, "crossnobis", precision=precision).dissimilarities
    np.testing.assert_allclose(ours, rdm.get_vectors()[0] * D, atol=1e-10)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("spearman", "spearman"),
        ("rho-a", "rho-a"),
        ("pearson", "corr"),
        ("cosine", "cosine"),
        ("kendall-tau-a", "tau-a"),
        ("kendall-tau-b", "tau-b"),
        ("whitened-cosine", "cosine_cov"),
        ("whitened-correlation", "corr_cov"),
    ],
)
def test_rsatoolbox_comparisons(ours: str, theirs: str) -> None:
    rsatoolbox = needs.extra("dev", "rsatoolbox")
    a, b = rsatoolbox.rdm.RDMs(A), rsatoolbox.rdm.RDMs(B)
    np.testing.assert_allclose(
        compare_rdms(A, B, ours), rsatoolbox.rdm.compare(a, b, method=theirs), atol=1e-10
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("spearman", "spearman"), ("rho-a", "rho-a"), ("pearson", "corr"), ("cosine", "cosine")],
)
def test_rsatoolbox_noise_ceiling(ours: str, theirs: str) -> None:
    rsatoolbox = needs.extra("dev", "rsatoolbox")
    rows = A[0] + 0.3 * RNG.normal(size=(6, A.shape[1]))
    expected = rsatoolbox.inference.boot_noise_ceiling(rsatoolbox.rdm.RDMs(rows), method=theirs)
    np.testing.assert_allclose(noise_ceiling(rows, ours), expected, atol=1e-10)


def test_rsatoolbox_objects_there_and_back() -> None:
    needs.extra("dev", "rsatoolbox")
    from neurosim.rsa.io.interop import brain_from_rsatoolbox, rdms_from_rsatoolbox, to_rsatoolbox

    rdms = RNG.gamma(2.0, size=(2, 3, N * (N - 1) // 2)).astype(np.float32)
    rdms[1, 2] = np.nan
    names = tuple(f"s{i}" for i in range(N))
    brain = BrainRDMs(rdms, ("x", "y"), ("V1", "V2", "IT"), names, source="ours")
    there = to_rsatoolbox(brain)
    assert there.n_rdm == 5
    back = brain_from_rsatoolbox(there, source="ours")
    np.testing.assert_array_equal(back.rdms, brain.rdms)
    assert (back.subjects, back.rois, back.stimuli) == (brain.subjects, brain.rois, brain.stimuli)
    one = compute_rdm(PATTERNS, stimuli=names)
    (again,) = rdms_from_rsatoolbox(to_rsatoolbox(one))
    np.testing.assert_array_equal(again.dissimilarities, one.dissimilarities)
    assert (again.stimuli, again.metric) == (one.stimuli, one.metric)
    with pytest.raises(ValueError, match="'region'"):
        brain_from_rsatoolbox(there, roi="region")


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_pingouin_partial_correlations(method: str) -> None:
    pingouin = needs.extra("dev", "pingouin")
    import pandas as pd

    rows = np.concatenate([A[:2], B[:2]])
    frame = pd.DataFrame(rows.T, columns=["x", "y", "p", "q"])

    def theirs(**names: object) -> float:
        result = pingouin.partial_corr(frame, x="x", y="y", method=method, **names)
        return float(result["r"].iloc[0])

    ours = partial_correlation(rows[0], rows[1], rows[2:], method)[0, 0]
    # pingouin rounds its table in some versions
    assert ours == pytest.approx(theirs(covar=["p", "q"]), abs=1e-10)
    semi = semipartial_correlation(rows[0], rows[1], rows[2:], method)[0, 0]
    assert semi == pytest.approx(theirs(x_covar=["p", "q"]), abs=1e-10)


def test_pingouin_effect_sizes() -> None:
    pingouin = needs.extra("dev", "pingouin")
    a, b = RNG.normal(0.5, 1, 9), RNG.normal(0.0, 2, 9)
    assert cohens_d(a, b, "pooled") == pytest.approx(
        pingouin.compute_effsize(a, b, eftype="cohen"), abs=1e-10
    )
    d_z = float(np.mean(a - b) / np.std(a - b, ddof=1))
    assert cohens_d(a, b) == pytest.approx(d_z, abs=1e-12)
    # pingouin takes the approximate factor 1 - 3 / (4 m - 1), ours is the exact one: m = 16.
    approximate = pingouin.compute_effsize(a, b, eftype="hedges")
    assert cohens_d(a, b, "hedges") == pytest.approx(approximate, rel=2e-4)


@pytest.mark.parametrize("method", ["spearman", "pearson", "kendall-tau-a"])
def test_mne_rsa_scores(method: str) -> None:
    mne_rsa = needs.extra("dev", "mne_rsa")
    for row in B:
        theirs = mne_rsa.rsa(A[0], row, metric=method)
        assert compare_rdms(A[0], row, method)[0, 0] == pytest.approx(theirs, abs=1e-10)


@pytest.mark.parametrize(
    ("method", "theirs"), [("pearson", "partial"), ("spearman", "partial-spearman")]
)
def test_mne_rsa_partial_scores(method: str, theirs: str) -> None:
    mne_rsa = needs.extra("dev", "mne_rsa")
    expected = mne_rsa.rsa(A[0], [B[0], B[1]], metric=theirs)
    ours = [
        partial_correlation(A[0], B[0], B[1], method)[0, 0],
        partial_correlation(A[0], B[1], B[0], method)[0, 0],
    ]
    np.testing.assert_allclose(ours, expected, atol=1e-10)


def test_scikit_learn_ledoit_wolf() -> None:
    covariance = needs.extra("encoding", "sklearn.covariance")
    residuals = RNG.normal(size=(30, D)) @ RNG.normal(size=(D, D))
    expected = np.linalg.inv(covariance.LedoitWolf().fit(residuals).covariance_)
    np.testing.assert_allclose(noise_precision(residuals), expected, rtol=1e-8)


def test_spearman_is_pearson_of_scipy_ranks_for_masked_pairs() -> None:
    mask = RNG.random(A.shape[1]) < 0.6
    expected = np.corrcoef(rankdata(A[0][mask]), rankdata(B[0][mask]))[0, 1]
    assert compare_rdms(A[0], B[0], pair_mask=mask)[0, 0] == pytest.approx(expected, abs=1e-13)
