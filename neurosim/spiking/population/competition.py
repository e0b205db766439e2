"""Competition between the maps of a layer: who may spike where several would.

Without it every map learns the commonest pattern. It stands between a cell's ``integrate`` and
its ``reset``.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.tensors import plain, require_finite
from neurosim.spiking.cells.base import require_threshold
from neurosim.spiking.cells.registry import AbstractCell, Memory, per_map


@dataclass(frozen=True)
class Fired:
    """What one tick of one layer did.

    spikes: ``(batch, maps, height, width)``, uint8.
    pooled: the spikes under max-pooling, what the next layer receives; dtype of the voltage.
    voltage: the membranes after their reset.
    n_spikes: spikes per map, ``(maps,)`` int64.
    """

    spikes: Tensor
    pooled: Tensor
    voltage: Tensor
    n_spikes: Tensor


class AbstractCompetition(ABC):
    """Turns integrated membranes into spikes."""

    @final
    def fire(self, cell: AbstractCell, voltage: Tensor, threshold: Tensor, pool: int) -> Fired:
        """Spikes and resets.

        Args:
            voltage: integrated membranes, ``(batch, maps, height, width)``; may be overwritten.
            threshold: what a voltage has to exceed, positive: one a map, ``(maps,)``, or one a
                neuron, the shape of voltage, where cells adapt.
            pool: side of the max-pooling window, 1 for none.

        Raises:
            ValueError: shapes that do not fit each other, naming both, a window larger than the
                layer, membranes that are not finite, or a threshold that is not positive.
            TypeError: tensors that ``neurosim.arrays.tensors`` refuses.
        """
        voltage = plain("voltage", voltage)
        threshold = _thresholds(threshold, voltage)
        _require_pool(pool, voltage)
        require_finite("voltage", voltage)
        return self._fire(cell, voltage, threshold, pool)

    @abstractmethod
    def _fire(self, cell: AbstractCell, voltage: Tensor, threshold: Tensor, pool: int) -> Fired:
        """``fire`` after its input has been checked."""

    @final
    def step(
        self,
        cell: AbstractCell,
        current: Tensor,
        voltage: Tensor,
        memory: Memory,
        threshold: Tensor,
        pool: int,
    ) -> tuple[Fired, Memory]:
        """A whole tick of the layer: input, spikes, resets, and what the cells remember.

        Args:
            current: input of this tick, ``(batch, maps, height, width)``; may be overwritten.
            voltage, memory: the state one tick earlier; left as it is.
            threshold: one a map, ``(maps,)``.
            pool: side of the max-pooling window, 1 for none.

        Raises:
            ValueError, TypeError: as ``fire``.
        """
        current = plain("current", current)
        voltage = plain("voltage", voltage, current)
        # A state at rest may be a scalar.
        if voltage.dim() and voltage.shape != current.shape:
            raise ValueError(
                f"the current has shape {tuple(current.shape)} and the voltage "
                f"{tuple(voltage.shape)}: they must be those of one layer"
            )
        threshold = _thresholds(threshold, current)
        _require_pool(pool, current)
        names = ("current", "voltage", *cell.memory_names)
        for name, each in zip(names, (current, voltage, *memory), strict=True):
            require_finite(name, each)
        return self._step(cell, current, voltage, memory, threshold, pool)

    def _step(
        self,
        cell: AbstractCell,
        current: Tensor,
        voltage: Tensor,
        memory: Memory,
        threshold: Tensor,
        pool: int,
    ) -> tuple[Fired, Memory]:
        """``step`` after its input has been checked."""
        voltage, memory = cell.advance(current, voltage, memory, threshold)
        fired = self.fire(cell, voltage, cell.barrier(threshold, memory), pool)
        return fired, cell.remember(memory, fired.spikes, threshold)


def _thresholds(threshold: Tensor, voltage: Tensor) -> Tensor:
    """One per map, or as many as there are neurons; positive."""
    threshold = plain("threshold", threshold, voltage)
    require_threshold(threshold, "threshold")
    if voltage.dim() != 4:
        raise ValueError(
            f"a layer is (batch, maps, height, width), got the shape {tuple(voltage.shape)}"
        )
    if threshold.dim() > 1:
        if threshold.shape == voltage.shape:
            return threshold
        with suppress(RuntimeError):
            return torch.broadcast_to(threshold, voltage.shape)
    elif threshold.numel() == 1:
        return threshold.reshape(1).expand(voltage.shape[1])
    if threshold.shape != voltage.shape[1:2]:
        raise ValueError(
            f"thresholds of shape {tuple(threshold.shape)} do not fit a layer of shape "
            f"{tuple(voltage.shape)}: give one per map, ({voltage.shape[1]},), or one per neuron"
        )
    return threshold


def _require_pool(pool: int, voltage: Tensor) -> None:
    whole = isinstance(pool, numbers.Integral) and not isinstance(pool, bool)
    if not whole or not 1 <= pool <= min(voltage.shape[2:]):
        raise ValueError(
            f"pool must be a whole number from 1 to the side of the layer, got {pool!r} for the "
            f"shape {tuple(voltage.shape)}"
        )


@final
@dataclass(frozen=True)
class NoCompetition(AbstractCompetition):
    """Every neuron fires for itself: the cell's own ``fire`` and ``reset``."""

    def _fire(self, cell: AbstractCell, voltage: Tensor, threshold: Tensor, pool: int) -> Fired:
        theta = per_map(threshold, voltage)
        spikes = cell.fire(voltage, theta)
        pooled = F.max_pool2d(spikes, pool) if pool > 1 else spikes
        n_spikes = spikes.sum((0, 2, 3)).round().long()
        return Fired(spikes.byte(), pooled, cell.reset(voltage, spikes, theta), n_spikes)


@final
@dataclass(frozen=True)
class WinnerTakeAll(AbstractCompetition):
    """At each place the map with the largest ``v / theta`` fires, if it exceeds 1; the others
    are silent, and the spike resets all maps of that place to 0 (lateral inhibition as in
    Kheradpisheh et al. 2018, 10.1016/j.neunet.2017.12.005). Ties go to the first map.
    """

    def _step(
        self,
        cell: AbstractCell,
        current: Tensor,
        voltage: Tensor,
        memory: Memory,
        threshold: Tensor,
        pool: int,
    ) -> tuple[Fired, Memory]:
        decay = cell.plain_decay
        direct = decay is not None and threshold.dim() == 1 and current.device.type == "cpu"
        if direct and voltage.shape == current.shape:
            return self._fire_on_cpu(current, threshold, pool, voltage, decay), memory
        return super()._step(cell, current, voltage, memory, threshold, pool)

    def _fire(self, cell: AbstractCell, voltage: Tensor, threshold: Tensor, pool: int) -> Fired:
        if voltage.device.type != "cpu":
            return self._fire_anywhere(voltage, threshold, pool)
        return self._fire_on_cpu(voltage, threshold, pool)

    def _fire_on_cpu(
        self,
        voltage: Tensor,
        threshold: Tensor,
        pool: int,
        before: Tensor | None = None,
        decay: float | None = None,
    ) -> Fired:
        """One compiled pass; with ``before`` voltage is the input and the pass integrates too."""
        from neurosim.spiking.kernels.competition import winner_take_all

        v = _channels_last(voltage)
        batch, height, width, maps = v.shape
        earlier = v[:0] if before is None else _channels_last(before)
        inverse = 1 / threshold
        if threshold.dim() > 1:
            inverse = _channels_last(torch.broadcast_to(inverse, voltage.shape))
        spikes = torch.zeros(v.shape, dtype=torch.uint8)
        pooled = torch.zeros((batch, height // pool, width // pool, maps), dtype=v.dtype)
        n_spikes = torch.zeros(maps, dtype=torch.int64)
        winner_take_all(
            v.numpy(),
            earlier.numpy(),
            v.numpy().dtype.type(0.0 if decay is None else decay),
            inverse.reshape(-1, maps).numpy(),
            spikes.numpy(),
            pooled.numpy(),
            n_spikes.numpy(),
            pool,
        )
        return Fired(
            spikes.permute(0, 3, 1, 2), pooled.permute(0, 3, 1, 2), v.permute(0, 3, 1, 2), n_spikes
        )

    def _fire_anywhere(self, voltage: Tensor, threshold: Tensor, pool: int) -> Fired:
        """The same numbers from torch operators, for other devices."""
        strength, winner = (voltage * per_map(1 / threshold, voltage)).max(1, keepdim=True)
        fired = strength > 1
        spikes = torch.zeros_like(voltage).scatter_(1, winner, fired.to(voltage.dtype))
        pooled = F.max_pool2d(spikes, pool) if pool > 1 else spikes
        n_spikes = spikes.sum((0, 2, 3)).round().long()
        return Fired(spikes.byte(), pooled, voltage.masked_fill(fired, 0.0), n_spikes)


def _channels_last(x: Tensor) -> Tensor:
    """``(batch, height, width, maps)`` in one piece; no copy of images kept channels-last."""
    return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
