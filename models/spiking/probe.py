"""A linear probe: what a ridge classifier reads from a layer's activity.

The penalty is the one with the smallest leave-one-out error, which one eigendecomposition gives
for every penalty at once (Golub, Heath & Wahba 1979, 10.1080/00401706.1979.10489751).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.targets import require_classes
from neurosim.types import varies

#: Penalties in units of the mean eigenvalue of the Gram matrix.
PENALTIES = tuple(10.0**k for k in range(-4, 5))


@final
@dataclass(frozen=True)
class RidgeProbe:
    """A fitted probe: ``argmax_c (x - mean) / sd . weight_c + offset_c``.

    loo_error: mean squared leave-one-out error on one-hot targets, at the penalty chosen.
    """

    mean: Tensor
    sd: Tensor
    weight: Tensor
    offset: Tensor
    penalty: float
    loo_error: float

    @classmethod
    def fit(cls, x: Tensor, labels: Tensor, n_classes: int) -> RidgeProbe:
        """Fit on ``(n, n_features)`` activity of ``n`` images and their class indices.

        Features are standardised; one that does not vary has no say. Everything in float64.
        """
        if len(x) != len(labels) or len(x) < 2:
            raise ValueError(
                f"a probe needs at least two images and a label each, got {len(x)} images and "
                f"{len(labels)} labels"
            )
        x, mean = x.double(), x.double().mean(0)
        sd = torch.where(varies(x), x.std(0, correction=0), torch.inf)
        x = (x - mean) / sd
        target = F.one_hot(require_classes(labels, len(x), n_classes, "labels"), n_classes).double()
        offset = target.mean(0)
        # Features outnumber images: the dual problem is the small one.
        spectrum, basis = torch.linalg.eigh(x @ x.T)
        spectrum = spectrum.clamp(min=0)
        rotated = basis.T @ (target - offset)
        unit = float(spectrum.mean()) or 1.0
        errors = [
            _loo_error(basis, spectrum, rotated, target - offset, p * unit) for p in PENALTIES
        ]
        best = min(range(len(errors)), key=errors.__getitem__)
        penalty = PENALTIES[best] * unit
        weight = x.T @ (basis @ (rotated / (spectrum + penalty).unsqueeze(1)))
        return cls(mean, sd, weight, offset, penalty, errors[best])

    def scores(self, x: Tensor) -> Tensor:
        """One score a class, ``(n, n_classes)``."""
        return ((x.double() - self.mean) / self.sd) @ self.weight + self.offset

    def accuracy(self, x: Tensor, labels: Tensor) -> float:
        """Share of images whose largest score is their class."""
        scores = self.scores(x)
        known = require_classes(labels, len(x), scores.shape[1], "labels")
        return float((scores.argmax(1) == known).double().mean())


def _loo_error(
    basis: Tensor, spectrum: Tensor, rotated: Tensor, centred: Tensor, penalty: float
) -> float:
    """Residuals over one minus leverage; the mean takes 1 / n of every image's leverage."""
    shrink = (spectrum / (spectrum + penalty)).unsqueeze(1)
    residual = centred - basis @ (shrink * rotated)
    leverage = 1 / len(basis) + basis.square() @ shrink
    return float((residual / (1 - leverage).clamp(min=1e-12)).square().mean())
