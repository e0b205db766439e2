"""The ridge probe against refitting by hand and against scikit-learn."""

from __future__ import annotations

import needs
import pytest
import torch

from neurosim.models.spiking import probe as module
from neurosim.models.spiking.probe import PENALTIES, RidgeProbe


def data(n: int = 24, n_features: int = 40, n_classes: int = 3):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % n_classes
    x = torch.randn((n, n_features), generator=generator, dtype=torch.float64)
    x[:, 0] = 2.0  # a feature that does not vary
    x[:, :3] += labels.unsqueeze(1)
    return x, labels


@pytest.mark.parametrize("penalty", PENALTIES[::3])
def test_leave_one_out_errors_are_those_of_refitting(penalty, monkeypatch):
    """Each image predicted by a ridge with intercept on the others; 1e-8: float64, 24 solves.

    Features stay standardised as by all images, which is what the closed form supposes.
    """
    monkeypatch.setattr(module, "PENALTIES", (penalty,))
    x, labels = data()
    fitted = RidgeProbe.fit(x, labels, 3)
    z = (x - fitted.mean) / fitted.sd
    target = torch.nn.functional.one_hot(labels, 3).double()
    errors = []
    for i in range(len(z)):
        rest = torch.arange(len(z)) != i
        centre, level = z[rest].mean(0), target[rest].mean(0)
        gram = (z[rest] - centre).T @ (z[rest] - centre)
        cross = (z[rest] - centre).T @ (target[rest] - level)
        weight = torch.linalg.solve(gram + fitted.penalty * torch.eye(len(gram)).double(), cross)
        errors.append((target[i] - level - (z[i] - centre) @ weight).square())
    assert fitted.loo_error == pytest.approx(float(torch.stack(errors).mean()), rel=1e-8)


def test_scores_are_scikit_learns():
    """sklearn's Ridge at the penalty chosen, on features it never saw; 1e-8: float64 solves."""
    linear_model = needs.extra("encoding", "sklearn.linear_model")
    x, labels = data()
    fitted = RidgeProbe.fit(x[:18], labels[:18], 3)
    z = ((x - fitted.mean) / fitted.sd).numpy()
    target = torch.nn.functional.one_hot(labels, 3).double().numpy()
    theirs = linear_model.Ridge(alpha=fitted.penalty).fit(z[:18], target[:18]).predict(z[18:])
    assert abs(fitted.scores(x[18:]).numpy() - theirs).max() < 1e-8
    assert fitted.accuracy(x[:18], labels[:18]) > 0.8


def test_silent_layers_are_read_as_chance():
    """Activity that does not vary gives every image the commonest class, not NaN."""
    labels = torch.tensor([0, 1, 1, 2])
    fitted = RidgeProbe.fit(torch.zeros(4, 5), labels, 3)
    assert fitted.accuracy(torch.zeros(4, 5), labels) == 0.5
    with pytest.raises(ValueError, match="at least two images"):
        RidgeProbe.fit(torch.zeros(4, 5), labels[:3], 3)
