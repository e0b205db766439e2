"""STDP between channel means: one spike train a channel, first spikes only, one change a channel
pair.

    rate = sigmoid(mean over space of the channel)           at both sides of a convolution
    spike in tick t with probability rate / n_ticks,  t = 0 .. n_ticks - 1
    T = the first tick with a spike, n_ticks + 1 for a silent channel
    dW[o, i, :, :] = clamp(mean over images of W(T_post[o] - T_pre[i]), +-limit)

(Leutenegger 2026, arXiv 2605.30556.) Every kernel tap of a channel pair receives the same
change, so no filter changes its shape. The postsynaptic side is the rectified current, before
normalisation. A tick has no length there; here it is 1 ms, so that tau = 20 ticks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from neurosim.dynamics import AbstractClocked, AbstractDynamics
from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Layer
from neurosim.models.network.normalisation import Statistics
from neurosim.models.published.windows import Window
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.pc_hybrid import RecognitionSynapse
from neurosim.naming.settings import require_count
from neurosim.plasticity import AbstractPlasticity, Changes
from neurosim.synapses import Conv2d
from neurosim.training import AbstractConstraint
from neurosim.types import Drive, LayerLike, LocalSignal, State


def convolutions(net: Network) -> list[Layer]:
    """The layers that spike: dense ones after them are a readout."""
    return [layer for layer in net.layers if isinstance(layer.synapse, Conv2d)]


@dataclass(frozen=True)
class SpikePoint:
    """One batch's spikes, drawn once.

    image: the input, as it came in. features: the output of the last convolution.
    spikes: a convolution each, (pre ``(time, batch, n_in)``, post ``(time, batch, n_out)``).
    swept: the convolutions, each with the statistics it normalised by.
    """

    image: Tensor
    features: Tensor
    spikes: tuple[tuple[Tensor, Tensor], ...]
    swept: tuple[tuple[Layer, Statistics], ...]


@final
@dataclass(frozen=True)
class ChannelMeanSpikes(AbstractClocked[Network, SpikePoint]):
    """Bernoulli spikes of channel means. State: ``pre`` and ``post``, one tensor a layer.

    Args:
        n_ticks_of_window: ``n_ticks`` above.
        hand_on_image: the output is the input itself, for a part that follows on the same
            network and sweeps it again; otherwise the features of the last convolution.
    """

    n_ticks_of_window: int = 10
    hand_on_image: bool = False

    def __post_init__(self) -> None:
        require_count("n_ticks_of_window", self.n_ticks_of_window)

    @property
    def dt_ms(self) -> float:
        return 1.0

    @property
    def offers(self) -> frozenset[str]:
        # Of a synapse's own sides it knows the means alone.
        return frozenset({"spikes of channel means", "dt"})

    def runs_on(self) -> type:
        return Network

    def check_network(self, net: Network) -> None:
        super().check_network(net)
        if not convolutions(net):
            raise ValueError(
                "channel means are of convolutions, and the network has none: give it one"
            )

    def passive(self) -> AbstractDynamics:
        # Spikes add nothing to the features that are handed on.
        return self if self.hand_on_image else FeedForward()

    def layers(self, net: Network) -> Sequence[LayerLike]:
        return [RecognitionSynapse(layer) for layer in convolutions(net)]

    def operating_point(self, net: Network, drive: Drive) -> SpikePoint:
        if drive.generator is None:
            raise ValueError(
                "channel means spike at random and need a generator: give "
                "Drive(..., generator=torch.Generator().manual_seed(0))"
            )
        x, spikes, swept = drive.x, [], []
        for layer in convolutions(net):
            current, statistics = layer.current(x), layer.statistics_in(drive)
            spikes.append((self._spikes(x, drive), self._spikes(current, drive)))
            x = layer.respond(current, statistics, drive.generator)
            swept.append((layer, statistics))
        return SpikePoint(drive.x, x, tuple(spikes), tuple(swept))

    def adapt(self, point: SpikePoint, state: State) -> None:
        for layer, statistics in point.swept:
            layer.adapt(statistics)

    def _spikes(self, activity: Tensor, drive: Drive) -> Tensor:
        rate = torch.sigmoid(activity.mean((2, 3)))
        assert drive.generator is not None
        draws = torch.rand(
            (self.n_ticks_of_window, *rate.shape),
            generator=drive.generator,
            device=drive.generator.device,
            dtype=rate.dtype,
        )
        return (draws.to(rate.device) < rate / self.n_ticks_of_window).to(rate)

    def initial_state(self, point: SpikePoint) -> State:
        return {
            "pre": tuple(torch.zeros_like(pre[0]) for pre, _ in point.spikes),
            "post": tuple(torch.zeros_like(post[0]) for _, post in point.spikes),
        }

    def n_ticks(self, point: SpikePoint) -> int:
        return self.n_ticks_of_window

    def tick(self, point: SpikePoint, state: State, index: int) -> State:
        return {
            "pre": tuple(pre[index] for pre, _ in point.spikes),
            "post": tuple(post[index] for _, post in point.spikes),
        }

    def local_signals(self, point: SpikePoint, state: State) -> Sequence[LocalSignal]:
        pairs = zip(state["pre"], state["post"], strict=True)
        return [
            LocalSignal(pre, post, {"spikes of channel means": post, "dt": self.dt_ms})
            for pre, post in pairs
        ]

    def output(self, point: SpikePoint, state: State) -> Tensor:
        return point.image if self.hand_on_image else point.features


@final
@dataclass(frozen=True)
class FirstSpikePairs(AbstractPlasticity[list[LocalSignal]]):
    """One pair of first spikes an image and channel pair, through a window.

    timing: the window.
    n_ticks: length of a presentation; a channel without a spike counts as one at n_ticks + 1.
    limit: bound of the mean change before the learning rate.
    """

    timing: Window
    n_ticks: int = 10
    limit: float = 0.002

    def __post_init__(self) -> None:
        require_count("n_ticks", self.n_ticks)

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"spikes of channel means", "dt"})

    def begin(self, layer: LayerLike) -> list[LocalSignal]:
        return []

    def observe(
        self, layer: LayerLike, memory: list[LocalSignal], signal: LocalSignal
    ) -> list[LocalSignal]:
        memory.append(signal)
        return memory

    def delta(self, layer: LayerLike, memory: list[LocalSignal]) -> Changes:
        pre, post = (torch.stack([getattr(s, side) for s in memory]) for side in ("pre", "post"))
        change = self.mean_change(self._first(pre), self._first(post), memory[0]["dt"])
        weight = layer.plastic_parameters()["weight"]
        change = change.clamp(-self.limit, self.limit).to(weight)
        return {"weight": change[..., None, None].expand_as(weight)}

    def _first(self, spikes: Tensor) -> Tensor:
        """``(time, batch, n)`` -> slot of the first spike, ``(batch, n)`` int64."""
        first = spikes.argmax(0)
        return torch.where(spikes.any(0), first, self._silent)

    @property
    def _silent(self) -> int:
        return self.n_ticks + 1

    def mean_change(self, first_pre: Tensor, first_post: Tensor, dt_ms: float) -> Tensor:
        """``mean_b W(T_post[b, o] - T_pre[b, i])``, ``(n_out, n_in)``.

        Written as one product over (image, slot), since T takes n_ticks + 2 values: the window
        from each postsynaptic time to every slot, times which slot the presynaptic time is.
        """
        slots = torch.arange(self.n_ticks + 2, device=first_pre.device)
        lags = (slots[:, None] - slots[None, :]).cpu().numpy() * dt_ms
        window = torch.from_numpy(self.timing.window(lags)).to(slots.device)
        reached = window[first_post]  # (batch, n_out, slot)
        chosen = (first_pre[..., None] == slots).to(window)  # (batch, n_in, slot)
        return torch.einsum("bos,bis->oi", reached, chosen) / len(first_pre)


@final
@dataclass(frozen=True)
class WeightsWithin(AbstractConstraint):
    """``|w| <= bound``."""

    bound: float = 1.0

    @torch.no_grad()
    def apply(self, net: Network) -> None:
        for layer in convolutions(net):
            layer.weight.clamp_(-self.bound, self.bound)
