"""What the output is held against."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.targets import require_classes, require_same_shape, require_scores
from neurosim.synapses import AbstractSynapse


class AbstractLoss(ABC):
    """A loss; the output error is its negative gradient, the mean over the batch taken."""

    @abstractmethod
    def value(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar: mean over the batch.

        Raises:
            ValueError, TypeError: a target that does not fit the output, instead of broadcasting.
        """

    def check(self, last: AbstractSynapse) -> None:  # noqa: B027 (a default)
        """Refuse a last synapse whose output this loss cannot judge; any, unless it says so."""

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """``-d loss / d output``, the shape of output."""
        leaf = output.detach().requires_grad_()
        with torch.enable_grad():
            value = self.value(leaf, target)
        return -torch.autograd.grad(value, leaf)[0]


@final
@dataclass(frozen=True)
class CrossEntropy(AbstractLoss):
    """Softmax cross-entropy with class indices ``(batch,)``."""

    def check(self, last: AbstractSynapse) -> None:
        if len(last.weight_shape) != 2:
            raise ValueError(
                f"cross-entropy judges one score per class, (batch, n_classes), and the network "
                f"ends with {last!r}: end it with a dense layer"
            )

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        scores = require_scores(output)
        return F.cross_entropy(scores, require_classes(target, len(scores), scores.shape[1]))


@final
@dataclass(frozen=True)
class SquaredError(AbstractLoss):
    """``1/2 sum_i (y_i - t_i)^2``, targets in the shape of the output."""

    def value(self, output: Tensor, target: Tensor) -> Tensor:
        return 0.5 * (output - require_same_shape(target, output)).square().sum() / len(output)
