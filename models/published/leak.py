"""Evaluation that normalises by the images it evaluates and leaves its mark on the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from neurosim.models.network.layers import Layer
from neurosim.models.network.normalisation import (
    Accumulate,
    BatchNorm,
    Running,
    Statistics,
    StatisticsOf,
)
from neurosim.models.rules.learner import Learner


@final
@dataclass(frozen=True)
class LeakingLearner(Learner):
    """A learner that ignores the statistics it is asked for.

        mean, var: of the batch that is evaluated;   running <- .9 running + .1 batch

    In Leutenegger 2026 (arXiv 2605.30556) ``eval()`` of the PC and STDP networks did nothing, so
    that every extraction normalised by its own images and moved the running statistics (said and
    mended in arXiv 2608.12408). Features depend on the batch they come in, and ``represent``
    changes state, which this project's other learners never do.
    """

    unreached_by_policies: ClassVar[str] = "evaluated-batch"

    @torch.no_grad()
    def represent(self, x: Tensor, statistics: StatisticsOf = Running()) -> dict[str, Tensor]:  # noqa: B008
        return self.settled(x, lambda net: _into(net.layers))

    def normalised_layers(self) -> list[Layer]:
        """None: no policy of evaluation reaches this learner."""
        return []


def _into(layers: Sequence[Any]) -> dict[str, Statistics]:
    """Statistics of the batch at hand, which move the layers' own."""
    norms = {layer.name: getattr(layer, "norm", None) for layer in layers}
    return {
        name: Accumulate(norm.running_mean, norm.running_var)
        if isinstance(norm, BatchNorm)
        else Running()
        for name, norm in norms.items()
    }
