"""The convolutional spiking network that STDP trains.

    image -> LGN (on/off) -> encoder -> Conv1 -> Conv2 -> Conv3 -> spike counts

Each layer: convolution of the spikes of this tick, LIF membrane, competition between maps,
max-pooling by 2. One tick carries a spike through all three layers, so a presynaptic spike can
cause a postsynaptic one in the same tick; STDP here counts that pair as causal.

Thresholds, one a map, are the counterpart of batch-norm statistics: they adapt in learning
passes, also at learning rate 0, and are frozen at evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from neurosim.dynamics import AbstractClocked
from neurosim.models.normalisation import Running, StatisticsOf, of_the_batch, statistics_for
from neurosim.solvers import Ticks
from neurosim.spiking._tensors import plain
from neurosim.spiking.between import AbstractBetween, Directly
from neurosim.spiking.cell_base import require_threshold
from neurosim.spiking.competition import AbstractCompetition, WinnerTakeAll
from neurosim.spiking.encoders import AbstractEncoder, Current
from neurosim.spiking.lgn import LGN, AbstractFrontEnd
from neurosim.spiking.membrane import Millivolts
from neurosim.spiking.neurons import AbstractCell, SnntorchLIF, per_map
from neurosim.synapses import Conv2d
from neurosim.types import Drive, LocalSignal, Settled, State, in_float64


class SpikingLayer(nn.Module):
    """One convolution onto LIF cells, one threshold a map.

    Args:
        name: the name under which activity and changes are reported.
        synapse: geometry of the convolution.
        weight: initial weight, in the synapse's shape; copied.
        pool: side of the max-pooling window, 1 for none.
        target_rate: spikes a neuron and tick that homeostasis aims at.
        between: what stands between the convolution and its cells.
    """

    threshold: Tensor

    def __init__(
        self,
        name: str,
        synapse: Conv2d,
        weight: Tensor,
        *,
        pool: int = 2,
        target_rate: float,
        between: AbstractBetween = Directly(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        weight = plain(f"layer {name}: the weight", weight)
        if tuple(weight.shape) != synapse.weight_shape:
            raise ValueError(
                f"layer {name}: the weight must have shape {synapse.weight_shape}, "
                f"got {tuple(weight.shape)}"
            )
        if not 0 < target_rate < 1:
            raise ValueError(
                f"layer {name}: target_rate must lie between 0 and 1 spikes a tick, "
                f"got {target_rate}"
            )
        self.name, self.synapse, self.pool, self.target_rate = name, synapse, pool, target_rate
        self.between = between
        self.weight = nn.Parameter(weight.clone(), requires_grad=False)
        self.register_buffer("threshold", torch.ones(synapse.n_out).to(weight))

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        """The weight; a spiking layer has no bias and no gain."""
        return {"weight": self.weight}


def require_thresholds(layers: Sequence[SpikingLayer]) -> None:
    """Refuse thresholds that are not positive and weights that are no numbers, once a
    presentation: a NaN reaches no threshold, and its neuron would be silent without a word."""
    for layer in layers:
        if not bool(layer.weight.isfinite().all()):
            raise ValueError(f"layer {layer.name}: the weight holds NaN or infinity: load another")
        require_threshold(layer.threshold, f"layer {layer.name}: the threshold")


@final
@dataclass(frozen=True)
class Homeostasis:
    """``theta <- theta exp(gain clip(rate / target - 1, -1, 2))`` after each learning batch.

    A map that fires too much becomes harder to excite (Diehl & Cook 2015,
    10.3389/fncom.2015.00099, adapt thresholds spike by spike; here once a batch).
    """

    gain: float = 0.1

    @torch.no_grad()
    def adapt(self, layer: SpikingLayer, rate: Tensor) -> None:
        """Move the thresholds of ``layer`` by its maps' rates (spikes a neuron and tick)."""
        excess = (rate / layer.target_rate - 1).clamp(-1, 2)
        layer.threshold.mul_(torch.exp(self.gain * excess).to(layer.threshold))


@dataclass(frozen=True)
class SpikingPoint:
    """What is held fixed during one presentation.

    spikes: the encoder's, ``(time, batch, channels, height, width)``.
    """

    layers: Sequence[SpikingLayer]
    spikes: Tensor
    learning: bool


@final
@dataclass(frozen=True)
class SpikingDynamics(AbstractClocked):
    """LIF layers under encoder spikes. State, one tensor a layer:

    | name         | what it is                                                     |
    |--------------|----------------------------------------------------------------|
    | ``voltage``  | membranes, ``(batch, maps, height, width)``                    |
    | ``pre``      | spikes that arrive at the synapses in this tick                |
    | ``post``     | spikes of this tick, before pooling, uint8                     |
    | ``credited`` | the same where the convolution ends, see ``spiking.between``   |
    | ``counts``   | pooled spikes so far, ``(batch, maps, height / 2, width / 2)`` |
    | ``n_spikes`` | spikes a map so far over batch and space, ``(maps,)``          |

    and what the cell keeps beside its voltage, by its ``memory_names``. ``membrane`` hands each
    layer's voltage on to plasticity; None, it keeps to spikes.
    On the last tick of a learning pass homeostasis adapts the thresholds.
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
        if net.dynamics.dt_ms != self.dt_ms:
            raise ValueError(
                f"the rule's dynamics tick every {self.dt_ms} ms, the network's every "
                f"{net.dynamics.dt_ms} ms: build both with the same dynamics"
            )
        for layer in net.layers:
            if self.membrane is not None and layer.between.pools:
                raise ValueError(_no_membrane(layer))

    def n_ticks(self, point: SpikingPoint | None = None) -> int:
        return round(self.duration_ms / self.dt_ms)

    def encode(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Images to spikes ``(time, batch, channels, height, width)``."""
        return self.encoder.encode(self.front_end(x), self.n_ticks(), self.dt_ms, generator)

    def operating_point(self, net: SpikingNetwork, drive: Drive) -> SpikingPoint:
        require_thresholds(net.layers)
        plain("images", drive.x, net.layers[0].weight)
        return SpikingPoint(net.layers, self.encode(drive.x, drive.generator), drive.learning)

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
            current = layer.synapse.forward(arriving, layer.weight, None)
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
            after["credited"].append(layer.between.attribute(fired.spikes, current))
            after["counts"].append(state["counts"][i] + fired.pooled)
            after["n_spikes"].append(state["n_spikes"][i] + fired.n_spikes)
            arriving = fired.pooled
        done = {name: tuple(group) for name, group in after.items()}
        if point.learning and index == self.n_ticks() - 1:
            for layer, rate in zip(point.layers, self.rates(done), strict=True):
                self.homeostasis.adapt(layer, rate)
        return done

    def local_signals(self, point: SpikingPoint, state: State) -> Sequence[LocalSignal]:
        pairs = zip(state["pre"], state["credited"], strict=True)
        if self.membrane is None:
            return [LocalSignal(pre, post) for pre, post in pairs]
        membranes = zip(point.layers, state["voltage"], state["post"], strict=True)
        return [
            LocalSignal(pre, post, voltage=self._millivolts(layer, voltage, spikes, post))
            for (pre, post), (layer, voltage, spikes) in zip(pairs, membranes, strict=True)
        ]

    def _millivolts(
        self, layer: SpikingLayer, voltage: Tensor, spikes: Tensor, post: Tensor
    ) -> Tensor:
        assert self.membrane is not None
        if voltage.shape != post.shape:
            raise ValueError(_no_membrane(layer))
        theta = per_map(layer.threshold, voltage)
        return self.membrane.of(voltage, spikes, theta, self.dt_ms)

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


#: Gains of homeostasis at the start (``SpikingNetwork.calibrate`` says why they fall).
CALIBRATION_GAINS = (0.5,) * 3 + (0.1,) * 12


def _no_membrane(layer: SpikingLayer) -> str:
    return (
        f"layer {layer.name}: with {layer.between!r} between synapse and neuron a synapse "
        "ends at no membrane of its own: use a timing of spikes, or pool after the neurons"
    )


class SpikingNetwork(nn.Module):
    """A chain of spiking layers and the dynamics they run under.

    Args:
        layers: from the front end upwards.
        dynamics: cells, encoder, competition.
        evaluation_seed: seed of the encoder's noise at evaluation: every image is coded with
            the same noise, so its activity is its own whatever batch it comes in.
    """

    #: Pixels of one evaluation chunk: bounds memory at any image size.
    _PIXELS = 1 << 17

    def __init__(
        self, layers: Sequence[SpikingLayer], dynamics: SpikingDynamics, evaluation_seed: int = 0
    ) -> None:
        super().__init__()
        self._layers = nn.ModuleList(layers)
        self.dynamics, self.evaluation_seed = dynamics, evaluation_seed

    @property
    def layers(self) -> Sequence[SpikingLayer]:
        return list(self._layers)  # type: ignore[arg-type]

    def named_weights(self) -> dict[str, Tensor]:
        """Weights and thresholds by ``layer.parameter``, detached (not copied)."""
        named: dict[str, Tensor] = {}
        for layer in self.layers:
            named[f"{layer.name}.weight"] = layer.weight.detach()
            named[f"{layer.name}.threshold"] = layer.threshold
        return named

    def represent(self, x: Tensor, statistics: StatisticsOf = Running()) -> dict[str, Tensor]:  # noqa: B008
        """Layer name -> spike counts after pooling, ``(batch, maps, height, width)``.

        Images of any size the front end takes; no state changes. A spiking layer has no
        normalisation statistics: its thresholds do their work and are used as they stand
        under every policy.

        Raises:
            ValueError: for ``Batch`` statistics, as the other networks do.
        """
        for layer in self.layers:
            if of_the_batch(statistics_for(layer.name, statistics)):
                raise ValueError(
                    "represent() refuses Batch statistics: thresholds adapt only in learning "
                    "passes; use Running()"
                )
        chunks = [settled.state["counts"] for settled in self._settle(x)]
        return {
            layer.name: torch.cat([chunk[i] for chunk in chunks])
            for i, layer in enumerate(self.layers)
        }

    def rates(self, x: Tensor) -> dict[str, Tensor]:
        """Layer name -> spikes a neuron and tick of each map, ``(maps,)``, over the images."""
        total = {layer.name: torch.zeros(layer.synapse.n_out) for layer in self.layers}
        for settled in self._settle(x):
            share = len(settled.state["post"][0]) / len(x)
            for layer, rate in zip(self.layers, self.dynamics.rates(settled.state), strict=True):
                total[layer.name] += share * rate.cpu()
        return total

    @torch.no_grad()
    def _settle(self, x: Tensor) -> Iterator[Settled]:
        """The end of a presentation at evaluation, chunk by chunk."""
        for chunk in self.chunks(x):
            yield Ticks().end(self.dynamics, self.evaluation_point(chunk))

    def chunks(self, x: Tensor) -> Sequence[Tensor]:
        """The images in pieces of bounded size.

        Raises:
            ValueError: there is no image.
            TypeError: images of another dtype than the weights.
        """
        if not x.numel():
            raise ValueError(f"images of shape {tuple(x.shape)} hold no image: give at least one")
        if x.is_floating_point() and x.dtype != self.layers[0].weight.dtype:
            dtype = self.layers[0].weight.dtype
            raise TypeError(f"images are {x.dtype}, the network {dtype}: give images.to({dtype})")
        return x.split(max(1, self._PIXELS // (x.shape[-1] * x.shape[-2])))

    @torch.no_grad()
    def evaluation_point(self, x: Tensor) -> SpikingPoint:
        """The operating point of a presentation at evaluation, each image coded alone."""
        require_thresholds(self.layers)
        return SpikingPoint(self.layers, self._encode_alone(x), learning=False)

    def _encode_alone(self, x: Tensor) -> Tensor:
        """Spikes of each image under the same evaluation noise."""
        plain("images", x, self.layers[0].weight)
        if not self.dynamics.encoder.stochastic:
            return self.dynamics.encode(x, None)
        images = []
        for image in x.split(1):
            # On the CPU: the same noise on every device.
            noise = torch.Generator().manual_seed(self.evaluation_seed)
            images.append(self.dynamics.encode(image, noise))
        return torch.cat(images, 1)

    @torch.no_grad()
    def calibrate(self, images: Tensor, gains: Sequence[float] = CALIBRATION_GAINS) -> None:
        """Start the thresholds where the rates are near their targets.

        From the first layer up, the threshold of a map becomes the ``1 - target_rate`` quantile
        of its free membrane over images, places and ticks; then homeostasis makes a round for each
        of ``gains`` on the same images, with competition.

        Under winner-take-all the elasticity of a map's rate ``r`` to its own threshold,
        ``e = d log r / d log theta``, is -4.6, -5.4 and -5.9 in Conv1 to Conv3 (measured): near
        the target a round of gain ``g`` multiplies a relative error of the rate by ``1 + e g``.
        It shrinks for ``g < 2 / |e|`` = .34 only. A gain of .5 alone multiplies it by -1.3 to -2:
        rates swing apart and rounding of the images is blown up to another network. Hence a few
        large gains from far away, then ``g`` = .1, which takes half of the error in each round.

        A copy of the network is calibrated on the CPU in float64, where a spike that rounding
        tips over is a matter of 1e-16: the start is the same on every device. The thresholds are
        set when all has gone well.
        """
        if not images.numel():
            raise ValueError(
                f"calibration images of shape {tuple(images.shape)} hold no image: give some"
            )
        double = deepcopy(self).cpu().double()
        spikes = double._encode_alone(plain("images", images).cpu().double())
        double._start_free(spikes)
        point = SpikingPoint(double.layers, spikes, learning=False)
        for gain in gains:
            settled = Ticks().end(self.dynamics, point)
            rates = self.dynamics.rates(settled.state)
            for layer, rate in zip(double.layers, rates, strict=True):
                Homeostasis(gain).adapt(layer, rate)
        require_thresholds(double.layers)
        for layer, calibrated in zip(self.layers, double.layers, strict=True):
            layer.threshold.copy_(calibrated.threshold)

    def _start_free(self, spikes: Tensor) -> None:
        """Thresholds at the quantiles of the free membranes."""
        for i, layer in enumerate(self.layers):
            # An infinite threshold leaves the membrane free.
            layer.threshold.fill_(torch.inf)
            below = SpikingPoint(self.layers[: i + 1], spikes, learning=False)
            free = [s.state["voltage"][i] for s in Ticks().settle(self.dynamics, below)]
            membranes = torch.stack([v.permute(1, 0, 2, 3).flatten(1) for v in free], 2).flatten(1)
            stride = max(1, membranes.shape[1] // _MAX_SAMPLES)
            quantile = torch.quantile(membranes[:, ::stride], 1 - layer.target_rate, dim=1)
            # A map whose membrane hardly ever rises would get a threshold it exceeds by noise.
            layer.threshold.copy_(quantile.clamp(min=float(quantile.median()) / 10))


_MAX_SAMPLES = 50_000
