"""Batch normalisation whose statistics are an argument, never a hidden mode.

    y = gamma (a - mean) / sqrt(var + eps) + beta          (Ioffe & Szegedy 2015, arXiv 1502.03167)

Where mean and var come from decides much of a network's representational geometry, so the
caller always says: ``Batch`` (and accumulate), ``Running`` (as accumulated) or ``Fixed``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """Statistics of the batch at hand; the running statistics move by ``momentum``."""


@dataclass(frozen=True)
class Running:
    """The accumulated statistics; (0, 1) in a network that has seen no batch."""


@dataclass(frozen=True)
class Fixed:
    """Given statistics, ``(channels,)`` each; nothing is read from or written to the layer."""

    mean: Tensor
    var: Tensor


Statistics = Batch | Running | Fixed
#: One source for all layers, or one a layer by name.
StatisticsOf = Statistics | Mapping[str, Statistics]


def statistics_for(layer_name: str, statistics: StatisticsOf) -> Statistics:
    """The source of statistics for one layer."""
    return statistics[layer_name] if isinstance(statistics, Mapping) else statistics


class BatchNorm(nn.Module):
    """Normalisation over batch and space, one mean and variance a channel."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        n_channels: int,
        *,
        momentum: float = 0.1,
        eps: float = 1e-5,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        kw: dict[str, Any] = {"device": device, "dtype": dtype}
        self.gamma = nn.Parameter(torch.ones(n_channels, **kw))
        self.beta = nn.Parameter(torch.zeros(n_channels, **kw))
        self.register_buffer("running_mean", torch.zeros(n_channels, **kw))
        self.register_buffer("running_var", torch.ones(n_channels, **kw))

    def forward(self, a: Tensor, statistics: Statistics) -> Tensor:
        match statistics:
            case Batch():
                mean, var = self.running_mean, self.running_var
            case Running():
                mean, var = self.running_mean, self.running_var
            case Fixed():
                mean, var = statistics.mean, statistics.var
            case _:
                raise TypeError(f"statistics must be Batch, Running or Fixed, got {statistics!r}")
        return F.batch_norm(
            a, mean, var, self.gamma, self.beta,
            training=isinstance(statistics, Batch), momentum=self.momentum, eps=self.eps,
        )  # fmt: skip


def identity_statistics(norm: BatchNorm) -> Fixed:
    """Mean 0 and variance 1: normalisation switched off but for gamma and beta."""
    return Fixed(torch.zeros_like(norm.running_mean), torch.ones_like(norm.running_var))
