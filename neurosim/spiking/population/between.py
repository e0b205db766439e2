"""What may stand between a synapse and its neurons: normalisation, pooling.

Plasticity needs the postsynaptic spike where the synapse ends. ``attribute`` is the way back:
it credits a spike to the outputs of the synapse that fed the neuron.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.tensors import real
from neurosim.naming.settings import require_count


class AbstractBetween(ABC):
    """From the current of a synapse to the input of its neurons, and back for spikes."""

    @property
    def pools(self) -> bool:
        """Whether several outputs of the synapse share a neuron."""
        return False

    @abstractmethod
    def forward(self, current: Tensor) -> Tensor:
        """``(batch, maps, height, width)`` to what the neurons receive."""

    @abstractmethod
    def attribute(self, spikes: Tensor, current: Tensor) -> Tensor:
        """The spikes of the neurons at the outputs of the synapse that gave ``current``: 0 and 1
        in the shape of ``current``."""


@final
@dataclass(frozen=True)
class Directly(AbstractBetween):
    """Nothing in between."""

    def forward(self, current: Tensor) -> Tensor:
        return current

    def attribute(self, spikes: Tensor, current: Tensor) -> Tensor:
        return spikes


@final
@dataclass(frozen=True)
class ChannelNorm(AbstractBetween):
    """``gain (current - mean) / deviation + offset`` of each map, statistics fixed beforehand.

    A normalised neuron sits where its synapse ends: spikes go back as they are. Each argument
    is one number or a tensor of one number a map.
    """

    mean: Tensor | float = 0.0
    deviation: Tensor | float = 1.0
    gain: Tensor | float = 1.0
    offset: Tensor | float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = real(each.name, torch.as_tensor(getattr(self, each.name)))
            if value.dim() > 1 or not bool(value.isfinite().all()):
                raise ValueError(
                    f"{each.name} must be one finite number, or one per map, got {value}"
                )
        if not bool((torch.as_tensor(self.deviation) > 0).all()):
            raise ValueError("the deviation of every map must be positive")

    def forward(self, current: Tensor) -> Tensor:
        def spread(value: Tensor | float) -> Tensor:
            given = torch.as_tensor(value).detach().to(current)
            if given.numel() not in (1, current.shape[1]):
                raise ValueError(
                    f"{self!r} holds {given.numel()} numbers for the {current.shape[1]} maps of a "
                    f"current of shape {tuple(current.shape)}: give one number, or one per map"
                )
            return given.view(-1, *(1,) * (current.dim() - 2))

        scaled = (current - spread(self.mean)) / spread(self.deviation)
        return spread(self.gain) * scaled + spread(self.offset)

    def attribute(self, spikes: Tensor, current: Tensor) -> Tensor:
        return spikes


@final
@dataclass(frozen=True)
class MaxPooling(AbstractBetween):
    """The largest current of each ``size x size`` window; its place takes the credit."""

    size: int = 2

    @property
    def pools(self) -> bool:
        return self.size > 1

    def __post_init__(self) -> None:
        _require_side(self.size)

    def forward(self, current: Tensor) -> Tensor:
        _require_window(self, self.size, current)
        return F.max_pool2d(current, self.size)

    def attribute(self, spikes: Tensor, current: Tensor) -> Tensor:
        _, place = F.max_pool2d(current, self.size, return_indices=True)
        out = spikes.new_zeros(current.shape)
        out.flatten(2).scatter_(2, place.flatten(2), spikes.flatten(2))
        return out


@final
@dataclass(frozen=True)
class AveragePooling(AbstractBetween):
    """The mean current of each window; all its places take the credit, each of them whole: the
    constant share ``1 / size^2`` is left to the learning rate, and spikes stay spikes."""

    size: int = 2

    @property
    def pools(self) -> bool:
        return self.size > 1

    def __post_init__(self) -> None:
        _require_side(self.size)

    def forward(self, current: Tensor) -> Tensor:
        _require_window(self, self.size, current)
        return F.avg_pool2d(current, self.size)

    def attribute(self, spikes: Tensor, current: Tensor) -> Tensor:
        wide = spikes.repeat_interleave(self.size, -1).repeat_interleave(self.size, -2)
        # Rows and columns that fill no window feed no neuron.
        out = spikes.new_zeros(current.shape)
        out[..., : wide.shape[-2], : wide.shape[-1]] = wide
        return out


@final
@dataclass(frozen=True)
class InTurn(AbstractBetween):
    """Several, the first next to the synapse."""

    parts: tuple[AbstractBetween, ...]

    @property
    def pools(self) -> bool:
        return any(part.pools for part in self.parts)

    def forward(self, current: Tensor) -> Tensor:
        for part in self.parts:
            current = part.forward(current)
        return current

    def attribute(self, spikes: Tensor, current: Tensor) -> Tensor:
        currents = [current]
        for part in self.parts[:-1]:
            currents.append(part.forward(currents[-1]))
        for part, before in zip(reversed(self.parts), reversed(currents), strict=False):
            spikes = part.attribute(spikes, before)
        return spikes


def _require_side(size: int) -> None:
    require_count("the side of a pooling window", size)


def _require_window(pooling: AbstractBetween, size: int, current: Tensor) -> None:
    if min(current.shape[-2:]) < size:
        raise ValueError(
            f"{pooling!r} leaves nothing of a current of shape {tuple(current.shape)}: use a "
            "smaller window or larger images"
        )
