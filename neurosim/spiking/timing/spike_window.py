"""The spikes of one presentation at one layer, and the clock they were taken by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from neurosim.arrays.tensors import plain, real
from neurosim.naming.settings import require_time, unmasked
from neurosim.spiking.timing.abstract_timing import AbstractTiming
from neurosim.synapses import AbstractSynapse


@dataclass(frozen=True)
class SpikeWindow:
    """The spikes of one presentation at one layer.

    pre: ``(time, batch, *in_features)``, 0 and 1, float32 or float64 (its dtype is the change's).
    post: ``(time, batch, *out_features)``, 0 and 1, any real dtype.
    ticks: the tick of each frame where silent ones were left out, rising; None for all ticks.
    reward: the third factor at each frame and image, ``(time, batch)``; None where there is none.
    voltage: the postsynaptic membrane in mV at each frame, the shape of post; None where only
        its spikes are known.
    """

    pre: Tensor
    post: Tensor
    ticks: np.ndarray | None = None
    reward: Tensor | None = None
    voltage: Tensor | None = None

    def __post_init__(self) -> None:
        def take(name: str, tensor: Tensor) -> None:
            # What is kept carries no graph; a frozen dataclass is set this way.
            object.__setattr__(self, name, tensor)

        take("pre", plain("presynaptic spikes", self.pre))
        take("post", real("postsynaptic spikes", self.post))
        if self.reward is not None:
            take("reward", real("reward", self.reward))
        if self.voltage is not None:
            take("voltage", plain("voltage", self.voltage))
        if self.post.device != self.pre.device:
            raise TypeError(
                f"presynaptic spikes are on {self.pre.device}, postsynaptic ones on "
                f"{self.post.device}: move one of them with .to(...)"
            )
        shapes = f"pre {tuple(self.pre.shape)} and post {tuple(self.post.shape)}"
        if self.pre.dim() < 3 or self.post.dim() < 3 or self.pre.shape[:2] != self.post.shape[:2]:
            raise ValueError(
                f"spikes must be (time, batch, *features) with the same time and batch on both "
                f"sides, got {shapes}"
            )
        n_frames = len(self.pre)
        if not n_frames:
            raise ValueError(f"a window needs at least one frame, got {shapes}")
        if self.ticks is not None:
            ticks = unmasked("ticks", self.ticks)
            whole = ticks.dtype.kind in "iu" and ticks.shape == (n_frames,)
            if not whole or not (np.diff(ticks.astype(np.int64)) > 0).all():
                raise ValueError(
                    f"ticks must be whole numbers that rise, one for each of the {n_frames} frames"
                )
            object.__setattr__(self, "ticks", ticks.astype(np.int64))
        if self.reward is not None and self.reward.shape != self.pre.shape[:2]:
            raise ValueError(
                f"reward must be (time, batch) = {tuple(self.pre.shape[:2])}, "
                f"got {tuple(self.reward.shape)}"
            )
        if self.voltage is not None and self.voltage.shape != self.post.shape:
            raise ValueError(
                f"voltage must have the shape of post, {tuple(self.post.shape)}, "
                f"got {tuple(self.voltage.shape)}"
            )

    def check(self, synapse: AbstractSynapse, timing: AbstractTiming, dt_ms: float) -> None:
        """Refuse spikes that are not 0 and 1, or that the synapse does not join.

        Raises:
            ValueError: naming the side and a value that is neither, or the shapes of both sides.
            TypeError: what is not a synapse or a timing.
        """
        require_time("dt_ms", dt_ms)
        for name, given, kind in (
            ("synapse", synapse, AbstractSynapse),
            ("timing", timing, AbstractTiming),
        ):
            if not isinstance(given, kind):
                example = "Dense(10, 5)" if kind is AbstractSynapse else "AllPairs()"
                raise TypeError(f"{name} must be an object such as {example}, got {given!r}")
        synapse.check_sides(tuple(self.pre.shape[2:]), tuple(self.post.shape[2:]))
        for name, side in (("pre", self.pre), ("post", self.post)):
            if not _binary(side):
                odd = side[(side != 0) & (side != 1)]
                raise ValueError(
                    f"spikes are 0 or 1, but {name} holds {odd[0].item():g}: give spikes, not "
                    "rates or currents (an encoder makes them)"
                )

    @cached_property
    def n_spikes(self) -> Tensor:
        """Postsynaptic spikes of each unit or map, ``(n_out,)`` int64."""
        post = self.post.to(torch.uint8)
        if post.device.type != "cpu":
            return post.sum([axis for axis in range(post.dim()) if axis != 2], dtype=torch.int64)
        from neurosim.spiking.kernels.trace import count

        units = (
            post.permute(0, 1, *range(3, post.dim()), 2) if post.dim() > 3 else post
        ).contiguous()
        total = torch.zeros(post.shape[2], dtype=torch.int64)
        count(units.reshape(-1, post.shape[2]).numpy(), total.numpy())
        return total

    @property
    def density(self) -> float:
        """Share of postsynaptic places and ticks with a spike."""
        return int(self.n_spikes.sum()) / max(1, self.post.numel())

    def clock(self, dt_ms: float) -> Clock:
        """When the frames were."""
        ticks = np.arange(len(self.pre)) if self.ticks is None else self.ticks
        return Clock(ticks, dt_ms)


@dataclass(frozen=True)
class Clock:
    """The tick of each frame, and the length of a tick."""

    ticks: np.ndarray
    dt_ms: float

    def __len__(self) -> int:
        return len(self.ticks)

    def keep(self, tau_ms: float, lag: int = 1) -> np.ndarray:
        """What an exponential of ``tau_ms`` keeps from ``lag`` frames before to each frame; 1
        at the first ``lag``. ``(time,)`` float64."""
        kept = np.ones(len(self))
        gaps = self.ticks[lag:] - self.ticks[: len(self) - lag]
        # exp of Python's math: numpy's vector exp may differ in the last bit.
        if len(gaps) and (gaps == gaps[0]).all():
            kept[lag:] = math.exp(-float(gaps[0]) * self.dt_ms / tau_ms)
        else:
            kept[lag:] = [math.exp(-gap * self.dt_ms / tau_ms) for gap in gaps.tolist()]
        return kept

    def between(self, tau_ms: float, earlier: int, later: int) -> float:
        """What is kept from one frame to another."""
        return math.exp(-float(self.ticks[later] - self.ticks[earlier]) * self.dt_ms / tau_ms)


def _binary(spikes: Tensor) -> bool:
    if spikes.dtype == torch.bool:
        return True
    if spikes.device.type != "cpu" or spikes.dtype not in (
        torch.float32, torch.float64, torch.uint8
    ):  # fmt: skip
        return bool(((spikes == 0) | (spikes == 1)).all())
    from neurosim.spiking.kernels.trace import all_binary

    # A view in the order of memory, whatever the axes: the values are all that counts.
    axes = sorted(range(spikes.dim()), key=spikes.stride, reverse=True)
    flat = spikes.permute(axes).contiguous().view(-1).numpy()
    return all_binary(flat) if spikes.is_floating_point() else int(flat.max(initial=0)) <= 1


def words(spikes: np.ndarray) -> np.ndarray:
    """The same bytes as words of eight units where they divide so: silent ones are skipped."""
    return spikes.view(np.uint64) if spikes.shape[-1] % 8 == 0 else spikes
