"""Second-order comparisons on data whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.rsa import (
    BrainRDMs,
    alignment_patterns,
    compute_rdm,
    generalised_procrustes,
    halves_by_dispersion,
)

N = 40
RNG = np.random.default_rng(0)
ROIS = ("A", "B", "C", "D", "E", "F")


def chain_brain() -> tuple[BrainRDMs, list[np.ndarray]]:
    """Six ROIs along a chain, each a mix of the two latent codes; three noisy subjects."""
    early, late = RNG.normal(size=(2, N, 30))
    codes = [np.cos(t) * early + np.sin(t) * late for t in np.linspace(0, np.pi / 2, 6)]
    rdms = [
        [compute_rdm(c + 0.7 * RNG.normal(size=c.shape)).dissimilarities for c in codes]
        for _ in range(3)
    ]
    names = tuple(f"s{i}" for i in range(N))
    return BrainRDMs(np.array(rdms), ("x", "y", "z"), ROIS, names), codes


def test_the_code_of_a_region_reproduces_its_pattern_and_another_does_not() -> None:
    brain, codes = chain_brain()
    models = [compute_rdm(codes[0]), compute_rdm(codes[5])]
    found = alignment_patterns(models, brain)
    assert found.profiles.shape == (3, 6, 6)
    assert (found.ceiling > 0.8).all()
    assert found.scores[0, 0] > 0.8  # model of A with A
    assert found.scores[1, 5] > 0.8
    assert found.scores[0, 5] < 0  # A's neighbours are F's strangers
    assert found.n_others == 5
    table = found.table(["early", "late"])
    assert len(table) == 12
    assert (table.n_other_rois == 5).all()


def test_scale_of_the_profile_does_not_matter_but_its_shape_does() -> None:
    brain, codes = chain_brain()
    noisy = compute_rdm(codes[0] + 1.5 * RNG.normal(size=codes[0].shape))
    found = alignment_patterns([compute_rdm(codes[0]), noisy], brain)
    assert found.model_profiles[1, 0] < 0.7 * found.model_profiles[0, 0]
    assert found.scores[1, 0] > 0.7


def test_too_few_regions_or_subjects_are_refused() -> None:
    brain, codes = chain_brain()
    with pytest.raises(ValueError, match="4 ROIs"):
        alignment_patterns(compute_rdm(codes[0]), brain.select(rois=["A", "B", "C"]))
    with pytest.raises(ValueError, match="2 subjects"):
        alignment_patterns(compute_rdm(codes[0]), brain.select(subjects=["x"]))


def test_rotated_copies_agree_perfectly_and_the_loss_never_rises() -> None:
    x = RNG.normal(size=(N, 5))
    copies = []
    for scale, d in [(1.0, 5), (3.0, 8), (0.2, 70)]:
        q, _ = np.linalg.qr(RNG.normal(size=(d, d)))
        copies.append(scale * np.pad(x, ((0, 0), (0, d - 5))) @ q + 4.0)
    found = generalised_procrustes(copies)
    assert found.converged
    assert found.losses[-1] < 1e-20
    np.testing.assert_array_equal(found.dispersion(), 0.0)
    noisy = generalised_procrustes([x + RNG.normal(size=x.shape) for _ in range(4)])
    assert (np.diff(noisy.losses) <= 1e-12).all()
    # Two models: the consensus loss is half the squared Procrustes distance.
    y = RNG.normal(size=(N, 5))
    a, b = (v - v.mean(0) for v in (x, y))
    overlap = np.linalg.svd(a.T @ b, compute_uv=False).sum()
    overlap /= np.linalg.norm(a) * np.linalg.norm(b)
    assert generalised_procrustes([x, y]).losses[-1] == pytest.approx(1 - overlap, abs=1e-9)


def test_the_stimuli_that_models_disagree_on_are_found() -> None:
    x = RNG.normal(size=(N, 6))
    unstable = np.arange(N) % 4 == 0
    spread = np.where(unstable, 1.5, 0.1)[:, None]
    models = [x + spread * RNG.normal(size=x.shape) for _ in range(5)]
    dispersion = generalised_procrustes(models).dispersion()
    assert dispersion.mean() == pytest.approx(1.0)
    assert set(np.argsort(dispersion)[-unstable.sum() :]) == set(np.flatnonzero(unstable))
    brain = compute_rdm(x)
    scored = compute_rdm(x + spread * RNG.normal(size=x.shape))
    halves = halves_by_dispersion(dispersion, scored, brain)
    assert halves.low[0, 0] > halves.high[0, 0] + 0.1
