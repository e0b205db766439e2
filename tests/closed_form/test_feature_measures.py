"""Participation ratio and reconstruction error where they are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurosim.models.spiking.feature_measures import participation_ratio, unexplained_variance


@pytest.mark.parametrize("shape", [(400, 6), (5, 40)])
def test_participation_ratio_is_that_of_the_eigenvalues(shape):
    """Both Gram matrices, more stimuli than features and fewer; 1e-10: one eigensolve."""
    x = np.random.default_rng(0).normal(size=shape) * np.arange(1, shape[1] + 1)
    values = np.linalg.eigvalsh(np.cov(x, rowvar=False))
    expected = values.sum() ** 2 / np.square(values).sum()
    assert participation_ratio(torch.from_numpy(x)) == pytest.approx(expected, rel=1e-10)


def test_participation_ratio_counts_dimensions():
    """1 for a line; n for n orthogonal directions of equal length: exact."""
    line = torch.linspace(-1, 1, 9).unsqueeze(1) * torch.ones(1, 5)
    assert participation_ratio(line) == pytest.approx(1.0, rel=1e-6)
    cross = torch.cat([torch.eye(4), -torch.eye(4)])
    assert participation_ratio(cross) == pytest.approx(4.0, rel=1e-12)


def test_unexplained_variance_is_0_for_a_copy_and_1_for_the_mean():
    images = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert unexplained_variance(images, images) == 0
    assert unexplained_variance(images, images.mean(0)) == pytest.approx(1.0, rel=1e-12)
