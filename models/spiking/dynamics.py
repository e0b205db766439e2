"""The spiking network that STDP trains.

    image -> LGN (on/off) -> encoder -> layer -> layer -> ... -> spike counts

Each layer: convolution or dense synapse on the spikes of this tick, LIF membrane, competition
between maps, max-pooling. One tick carries a spike through all layers, so a presynaptic spike can
cause a postsynaptic one in the same tick; STDP here counts that pair as causal.

Thresholds, one a map, are the counterpart of batch-norm statistics: they adapt in learning
passes, also at learning rate 0, and are frozen at evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor

from neurosim.arrays.images import require_images
from neurosim.arrays.tensors import plain
from neurosim.dynamics import AbstractClocked
from neurosim.models.spiking.layer import (
    Homeostasis,
    SpikingLayer,
    SpikingPoint,
    require_thresholds,
)
from neurosim.models.spiking.network import SpikingNetwork
from neurosim.spiking.cells.membrane import Millivolts
from neurosim.spiking.cells.registry import AbstractCell, SnntorchLIF, per_map
from neurosim.spiking.encoders.lgn import LGN, AbstractFrontEnd
from neurosim.spiking.encoders.registry import AbstractEncoder, Current
from neurosim.spiking.population.competition import AbstractCompetition, WinnerTakeAll
from neurosim.types import Drive, LocalSignal, State, in_float64

__all__ = [
    "Homeostasis", "SpikingDynamics", "SpikingLayer", "SpikingNetwork", "SpikingPoint",
    "require_thresholds",
]  # fmt: skip


#: Pixels of the images represented at once: bounds memory at any size.
_PIXELS = 1 << 17


@final
@dataclass(frozen=True)
class SpikingDynamics(AbstractClocked[SpikingNetwork, SpikingPoint]):
    """LIF layers under encoder spikes. State, one tensor a layer:

    | name         | what it is                                                     |
    |--------------|----------------------------------------------------------------|
    | ``voltage``  | membranes, ``(batch, maps, height, width)``                    |
    | ``pre``      | spikes that arrive at the synapses in this tick                |
    | ``post``     | spikes of this tick, before pooling, uint8                     |
    | ``credited`` | the same where the synapse ends, see ``spiking.between``       |
    | ``counts``   | pooled spikes so far, as the layer above reads them            |
    | ``n_spikes`` | spikes a map so far over batch and space, ``(maps,)``          |

    and what the cell keeps beside its voltage, by its ``memory_names``. ``membrane`` hands each
    layer's voltage on to plasticity; None, it keeps to spikes.
    At the end of a learning pass homeostasis adapts the thresholds.
    """

    cell: AbstractCell = field(default_factory=lambda: SnntorchLIF(tau_mem_ms=20.0, dt_ms=5.0))
    encoder: AbstractEncoder = field(default_factory=Current)
    front_end: AbstractFrontEnd = field(default_factory=LGN)
    competition: AbstractCompetition = field(default_factory=WinnerTakeAll)
    homeostasis: Homeostasis = field(default_factory=Homeostasis)
    duration_ms: float = 60.0
    membrane: Millivolts | None = None

    def __post_init__(self) -> None:
        ticks = self.duration_ms / self.cell.dt_ms
        if round(ticks) < 1 or not math.isclose(ticks, round(ticks), rel_tol=1e-9):
            raise ValueError(
                f"duration_ms={self.duration_ms} is no whole number of ticks of "
                f"{self.cell.dt_ms} ms: change one of them"
            )

    @property
    def dt_ms(self) -> float:
        return self.cell.dt_ms

    @property
    def offers(self) -> frozenset[str]:
        also = {"spikes"} if self.membrane is None else {"spikes", "voltage"}
        return super().offers | also

    def runs_on(self) -> type:
        return SpikingNetwork

    def check_network(self, net: SpikingNetwork) -> None:
        super().check_network(net)
        other = [
            f"{name} {getattr(net.dynamics, name)!r}, not {getattr(self, name)!r}"
            for name in ("cell", "encoder", "front_end", "competition", "duration_ms")
            if getattr(net.dynamics, name) != getattr(self, name)
        ]
        if other:
            raise ValueError(
                f"the network's thresholds were set under other dynamics than the rule's ("
                f"{'; '.join(other)}): build both with the same dynamics"
            )
        for layer in net.layers:
            if self.membrane is not None and layer.between.pools:
                raise ValueError(_no_membrane(layer))

    def n_ticks(self, point: SpikingPoint | None = None) -> int:
        return round(self.duration_ms / self.dt_ms)

    def encode(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Images to spikes ``(time, batch, channels, height, width)``."""
        return self.encoder.encode(self.front_end(x), self.n_ticks(), self.dt_ms, generator)

    def portions(self, x: Tensor) -> Sequence[Tensor]:
        return require_images(x).split(max(1, _PIXELS // (x.shape[-1] * x.shape[-2])))

    def operating_point(self, net: SpikingNetwork, drive: Drive) -> SpikingPoint:
        """At evaluation without a generator each image is coded alone, under the same noise."""
        require_thresholds(net.layers)
        plain("images", drive.x, net.layers[0].weight)
        if drive.learning or drive.generator is not None:
            spikes = self.encode(drive.x, drive.generator)
        else:
            spikes = self.encode_alone(drive.x, net.evaluation_seed)
        return SpikingPoint(net.layers, spikes)

    def encode_alone(self, x: Tensor, seed: int) -> Tensor:
        """``encode`` with the noise of ``seed`` for each image: its spikes are its own whatever
        batch it comes in."""
        if not self.encoder.stochastic:
            return self.encode(x, None)
        # On the CPU: the same noise on every device.
        images = [
            self.encode(x[i : i + 1], torch.Generator().manual_seed(seed)) for i in range(len(x))
        ]
        return torch.cat(images, 1)

    def activity(self, point: SpikingPoint, state: State) -> dict[str, Tensor]:
        """Spike counts after pooling, ``(batch, maps, height, width)``, of a dense layer ``(batch,
        units)``."""
        return {layer.name: n for layer, n in zip(point.layers, state["counts"], strict=True)}

    def initial_state(self, point: SpikingPoint) -> State:
        nothing = point.spikes.new_zeros(())
        names = (
            "voltage",
            *self.cell.memory_names,
            "pre",
            "post",
            "credited",
            "counts",
            "n_spikes",
        )
        return {name: (nothing,) * len(point.layers) for name in names}

    def tick(self, point: SpikingPoint, state: State, index: int) -> State:
        arriving = point.spikes[index]
        after: dict[str, list[Tensor]] = {name: [] for name in state}
        for i, layer in enumerate(point.layers):
            arriving = layer.read(arriving)
            current = layer.current(arriving)
            memory = tuple(state[name][i] for name in self.cell.memory_names)
            arrived = layer.between.forward(current)
            fired, memory = self.competition.step(
                self.cell, arrived, state["voltage"][i], memory, layer.threshold, layer.pool
            )
            after["voltage"].append(fired.voltage)
            for name, tensor in zip(self.cell.memory_names, memory, strict=True):
                after[name].append(tensor)
            after["pre"].append(arriving)
            after["post"].append(fired.spikes)
            credited = layer.between.attribute(fired.spikes, current)
            after["credited"].append(layer.at_synapse(credited))
            arriving = layer.at_synapse(fired.pooled)
            after["counts"].append(state["counts"][i] + arriving)
            after["n_spikes"].append(state["n_spikes"][i] + fired.n_spikes)
        return {name: tuple(group) for name, group in after.items()}

    def adapt(self, point: SpikingPoint, state: State) -> None:
        for layer, rate in zip(point.layers, self.rates(state), strict=True):
            self.homeostasis.adapt(layer, rate)

    def local_signals(self, point: SpikingPoint, state: State) -> Sequence[LocalSignal]:
        signals = []
        for i, layer in enumerate(point.layers):
            pre, post = state["pre"][i], state["credited"][i]
            offered: dict[str, Any] = {"spikes": post, "dt": self.dt_ms}
            if self.membrane is not None:
                voltage, spikes = state["voltage"][i], state["post"][i]
                offered["voltage"] = self._millivolts(layer, voltage, spikes, post)
            signals.append(LocalSignal(pre, post, offered))
        return signals

    def _millivolts(
        self, layer: SpikingLayer, voltage: Tensor, spikes: Tensor, post: Tensor
    ) -> Tensor:
        assert self.membrane is not None
        if voltage.numel() != post.numel():
            raise ValueError(_no_membrane(layer))
        theta = per_map(layer.threshold, voltage)
        return layer.at_synapse(self.membrane.of(voltage, spikes, theta, self.dt_ms))

    def output(self, point: SpikingPoint, state: State) -> Tensor:
        return state["counts"][-1]

    def measurements(self, point: SpikingPoint, state: State) -> dict[str, dict[str, float]]:
        """``spikes_per_tick`` (mean over neurons) and ``dead_map_share`` (maps without a spike)."""
        rates = {
            layer.name: rate for layer, rate in zip(point.layers, self.rates(state), strict=True)
        }
        return {
            "spikes_per_tick": {name: float(rate.mean()) for name, rate in rates.items()},
            "dead_map_share": {
                name: float(in_float64(rate == 0).mean()) for name, rate in rates.items()
            },
        }

    def rates(self, state: State) -> list[Tensor]:
        """Spikes a neuron and tick of each map, ``(maps,)`` a layer, at the end of a window."""
        return [
            n / (post.numel() // post.shape[1] * self.n_ticks())
            for n, post in zip(state["n_spikes"], state["post"], strict=True)
        ]


def _no_membrane(layer: SpikingLayer) -> str:
    return (
        f"layer {layer.name}: with {layer.between!r} between synapse and neuron a synapse "
        "ends at no membrane of its own: use a timing of spikes, or pool after the neurons"
    )
