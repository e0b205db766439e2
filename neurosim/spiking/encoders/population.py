"""Population coding: several units for each input, each tuned to an intensity of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from neurosim.arrays.tensors import plain
from neurosim.naming.settings import require_count
from neurosim.spiking.encoders.base import AbstractEncoder
from neurosim.spiking.encoders.temporal import Latency


@final
@dataclass(frozen=True)
class Population(AbstractEncoder):
    """``n_units`` units for each input with Gaussian tuning, whose responses another code turns
    into spikes (Bohte, Kok & La Poutre 2002, 10.1016/S0925-2312(01)00658-0).

        r_k = exp(-(x - mu_k)^2 / (2 sigma^2)),  mu_k = k / (n_units - 1),  k = 0 .. n_units - 1
        sigma = 1 / (overlap (n_units - 1))

    A response below ``silent_below`` is 0. Unlike Bohte's, the outer centres are the ends of
    the range, not beyond them. An input of 0 is an intensity like any other: the unit that
    prefers it answers most.

    Channels are multiplied: ``(batch, c, ...)`` becomes ``(batch, n_units c, ...)``, the
    channels of unit 0 first.
    """

    n_units: int = 4
    overlap: float = 1.5
    silent_below: float = 0.1
    code: AbstractEncoder = field(default_factory=Latency)

    def __post_init__(self) -> None:
        require_count("n_units", self.n_units, 2)
        if not self.overlap > 0:
            raise ValueError(f"overlap must be positive, got {self.overlap}")
        if not 0 <= self.silent_below < 1:
            raise ValueError(f"silent_below must lie in [0, 1), got {self.silent_below}")
        if len(self.code.preferred) > 1:
            raise ValueError("the code of a population must have one unit an input")

    @property
    def stochastic(self) -> bool:
        return self.code.stochastic

    @property
    def preferred(self) -> tuple[float, ...]:
        return tuple(k / (self.n_units - 1) for k in range(self.n_units))

    def responses(self, x: Tensor) -> Tensor:
        """Tuned responses in [0, 1], ``(batch, n_units c, ...)``."""
        x = plain("intensities", x)
        if x.dim() < 2:
            raise ValueError(
                f"a population codes (batch, channels, ...), got {tuple(x.shape)}: unsqueeze(0) "
                "makes a batch of one"
            )
        sharpness = (self.overlap * (self.n_units - 1)) ** 2 / 2
        tuned = [torch.exp(-sharpness * (x - mu).square()) for mu in self.preferred]
        response = torch.cat(tuned, 1)
        return response.masked_fill_(response < self.silent_below, 0.0)

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        return self.code.encode(self.responses(x), n_ticks, dt_ms, generator)
