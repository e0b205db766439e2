"""Unsupervised learning by competition: one layer of excitatory cells that inhibit each other.

    image -> encoder -> plastic all-to-all synapses -> excitatory cells <-> inhibitory cells

after Diehl & Cook 2015 (10.3389/fncom.2015.00099): every excitatory cell drives an inhibitory cell
of its own, which inhibits all the other excitatory cells; thresholds rise with every spike, so that
no cell wins always; synapses learn by spike timing and share a fixed sum for each cell. No label
takes part in learning: ``ClassOfCell`` names afterwards what each cell answers to.

Voltages are in mV above rest. The synapses are currents, not conductances as in the paper; the
membrane cannot fall below the inhibitory reversal potential.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from neurosim.arrays.images import require_images
from neurosim.arrays.targets import require_classes
from neurosim.arrays.tensors import plain, require_finite
from neurosim.dynamics import AbstractClocked
from neurosim.plasticity import Frozen
from neurosim.rule import LearningRule, represent
from neurosim.solvers import Ticks
from neurosim.spiking.cells.base import whole_ticks
from neurosim.spiking.cells.registry import ResetToZero, SnntorchLIF, VoltageCell
from neurosim.spiking.encoders.registry import AbstractEncoder, Poisson
from neurosim.spiking.population.homeostasis import rescaled
from neurosim.synapses import Dense
from neurosim.training import AbstractConstraint
from neurosim.types import Drive, LocalSignal, State


class CompetitiveLayer(nn.Module):
    """All-to-all synapses onto excitatory cells, each with its own rise of the threshold.

    Args:
        name: the name under which changes are reported.
        n_in, n_out: number of inputs and of excitatory cells.
        generator: source of the initial weights, ``U(0, 0.3)`` as in the paper.
    """

    raised: Tensor

    def __init__(
        self,
        name: str,
        n_in: int,
        n_out: int,
        *,
        generator: torch.Generator,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.name, self.synapse = name, Dense(n_in, n_out)
        draw = torch.rand((n_out, n_in), generator=generator, dtype=dtype, device=generator.device)
        self.weight = nn.Parameter((0.3 * draw).to(device), requires_grad=False)
        self.register_buffer("raised", torch.zeros(n_out, dtype=dtype, device=device))

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        """The weight; there is no bias."""
        return {"weight": self.weight}


@final
@dataclass(frozen=True)
class IncomingSum(AbstractConstraint):
    """Weights of a cell lie in [0, 1] and add up to ``share`` of its number of inputs.

        w <- min(c clip(w, 0, 1), 1),   c such that sum w = share n_in

    The synaptic scaling of Diehl & Cook 2015 (78.4 for 784 inputs) between its bounds: weights that
    reach 1 stay there and the others carry the rest. A cell with too few weights above 0 to carry
    the sum has them all at 1; one without any is left as it is.
    """

    share: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie between 0 and 1, got {self.share}")

    @torch.no_grad()
    def apply(self, net: CompetitiveNetwork) -> None:
        for layer in net.layers:
            require_finite(f"layer {layer.name}: the weight", layer.weight)
        for layer in net.layers:
            weight = layer.weight.clamp_(0, 1)
            target = self.share * weight.shape[1]
            full = torch.zeros_like(weight, dtype=torch.bool)
            while True:
                # At first all of them carry the sum; then those that are not full.
                free = weight.masked_fill(full, 0)
                total = free.sum(1, keepdim=True)
                scaled = rescaled(free, total, target - full.sum(1, keepdim=True))
                weight.copy_(torch.where(full, weight, scaled))
                over = weight > 1
                if not bool(over.any()):
                    break
                full |= over
                weight.clamp_(max=1)


#: Input spikes held at once at evaluation: bounds memory at any number of images.
_ELEMENTS = 1 << 23


@dataclass(frozen=True)
class CompetitionPoint:
    """What is held fixed during one presentation.

    spikes: the encoder's, ``(time, batch, n_in)``.
    currents: what they send through the synapses, ``(time, batch, n_out)``, in mV.
    """

    layer: CompetitiveLayer
    spikes: Tensor
    currents: Tensor
    learning: bool


@final
@dataclass(frozen=True)
class Competition(AbstractClocked["CompetitiveNetwork", CompetitionPoint]):
    """Excitatory and inhibitory cells under encoder spikes. State, each ``(batch, n_out)``:

        v <- max(integrate(I - inhibition sum_(j != i) h_j, v), floor),   silent while refractory
        s  = v > threshold + raised + rise_now;   of several, the one furthest above it
        h <- s of the tick before (an excitatory spike makes its inhibitory cell fire at once)
        rise_now <- rise_now + rise_mv s          in learning passes

    At the end of a learning pass ``raised`` decays by ``exp(-duration / tau_rise)`` for each
    image of the batch and takes up the rises of all of them.

    Args:
        cell: the membrane of the excitatory cells.
        encoder: from intensities in [0, 1] to spikes.
        threshold_mv: threshold above rest, before any rise.
        inhibition_mv: what one inhibitory spike takes from every other cell.
        floor_mv: the inhibitory reversal potential, below rest.
        rise_mv, tau_rise_ms: rise of the threshold by one spike, and how slowly it is forgotten.
        refractory_ms: silence after a spike, rounded up to whole ticks.
        duration_ms: length of a presentation.
    """

    cell: VoltageCell = field(default_factory=lambda: SnntorchLIF(tau_mem_ms=100.0, dt_ms=1.0))
    encoder: AbstractEncoder = field(default_factory=lambda: Poisson(max_rate_hz=63.75))
    threshold_mv: float = 13.0
    inhibition_mv: float = 17.0
    floor_mv: float = -35.0
    rise_mv: float = 0.05
    tau_rise_ms: float = 1e7
    refractory_ms: float = 5.0
    duration_ms: float = 350.0

    def __post_init__(self) -> None:
        for name in ("threshold_mv", "tau_rise_ms", "duration_ms"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} must be finite and positive, got {getattr(self, name)}")
        for name in ("inhibition_mv", "rise_mv", "refractory_ms"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(
                    f"{name} must be finite and not negative, got {getattr(self, name)}"
                )
        if not self.floor_mv <= 0:
            raise ValueError(f"floor_mv is relative to rest and at most 0, got {self.floor_mv}")
        ticks = self.duration_ms / self.dt_ms
        if round(ticks) < 1 or not math.isclose(ticks, round(ticks), rel_tol=1e-9):
            raise ValueError(
                f"duration_ms={self.duration_ms} is no whole number of ticks of {self.dt_ms} ms: "
                "change one of them"
            )

    @property
    def dt_ms(self) -> float:
        return self.cell.dt_ms

    @property
    def offers(self) -> frozenset[str]:
        return super().offers | {"spikes"}

    def runs_on(self) -> type:
        return CompetitiveNetwork

    def check_network(self, net: CompetitiveNetwork) -> None:
        super().check_network(net)
        if net.dynamics != self:
            raise ValueError(
                f"the rule's dynamics are {self!r} and the network's {net.dynamics!r}: build both "
                "with the same dynamics"
            )

    @property
    def refractory_ticks(self) -> int:
        """Ticks of silence after a spike."""
        return whole_ticks(self.refractory_ms, self.dt_ms)

    def n_ticks(self, point: CompetitionPoint | None = None) -> int:
        return round(self.duration_ms / self.dt_ms)

    def operating_point(self, net: CompetitiveNetwork, drive: Drive) -> CompetitionPoint:
        layer = net.layer
        if drive.x.flatten(1).shape[1] != layer.synapse.n_in:
            raise ValueError(
                f"layer {layer.name} has {layer.synapse.n_in} inputs, an image of shape "
                f"{tuple(drive.x.shape[1:])} has {drive.x[0].numel()}: build the network for it"
            )
        images = plain("images", drive.x, layer.weight).flatten(1)
        if drive.learning or drive.generator is not None:
            spikes = self._encode(images, drive.generator)
        else:
            # On the CPU: the same noise on every device, and for every image.
            seed = net.evaluation_seed
            alone = [self._encode(x, torch.Generator().manual_seed(seed)) for x in images.split(1)]
            spikes = torch.cat(alone, 1)
        return self.presentation(layer, spikes, drive.learning)

    def _encode(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.encoder.encode(images, self.n_ticks(), self.dt_ms, generator)

    def portions(self, x: Tensor) -> Sequence[Tensor]:
        return require_images(x).split(max(1, _ELEMENTS // (x[0].numel() * self.n_ticks())))

    def presentation(
        self, layer: CompetitiveLayer, spikes: Tensor, learning: bool
    ) -> CompetitionPoint:
        """The point for given spikes ``(time, batch, n_in)``."""
        # The weights hold still while a presentation runs: one product for all its ticks.
        if spikes.dim() != 3:
            raise ValueError(
                f"layer {layer.name} takes spikes (time, batch, {layer.synapse.n_in}), got "
                f"{tuple(spikes.shape)}"
            )
        spikes = plain("spikes", spikes, layer.weight)
        for name, tensor in (
            ("spikes", spikes),
            ("weight", layer.weight),
            ("raised", layer.raised),
        ):
            require_finite(f"layer {layer.name}: {name}", tensor)
        currents = layer.synapse.forward(spikes.flatten(0, 1), layer.weight, None)
        return CompetitionPoint(layer, spikes, currents.unflatten(0, spikes.shape[:2]), learning)

    def initial_state(self, point: CompetitionPoint) -> State:
        nothing = torch.zeros_like(point.currents[0])
        names = ("voltage", "wait", "inhibitory", "rise", "post", "counts")
        return {"pre": (point.spikes[0],), **dict.fromkeys(names, (nothing,))}

    def tick(self, point: CompetitionPoint, state: State, index: int) -> State:
        plain = self.cell.plain_decay is not None and isinstance(self.cell.reset, ResetToZero)
        if plain and point.currents.device.type == "cpu":
            return self._tick_on_cpu(point, state, index)
        return self._tick_anywhere(point, state, index)

    def adapt(self, point: CompetitionPoint, state: State) -> None:
        # As if the images had come one after the other.
        rise = state["rise"][0]
        kept = math.exp(-len(rise) * self.duration_ms / self.tau_rise_ms)
        point.layer.raised.mul_(kept).add_(rise.sum(0))

    def _tick_on_cpu(self, point: CompetitionPoint, state: State, index: int) -> State:
        """The numbers of ``_tick_anywhere`` from one compiled pass."""
        from neurosim.spiking.kernels.competition import one_winner

        names = ("voltage", "wait", "inhibitory", "rise", "counts")
        after = {name: torch.empty_like(state[name][0]) for name in names}
        current = point.currents[index].numpy()
        constants = (
            self.cell.plain_decay,
            self.threshold_mv,
            self.inhibition_mv,
            self.floor_mv,
            self.rise_mv if point.learning else 0.0,
            self.refractory_ticks,
        )
        one_winner(
            current,
            tuple(state[name][0].numpy() for name in names),
            point.layer.raised.numpy(),
            tuple(current.dtype.type(constant) for constant in constants),
            tuple(after[name].numpy() for name in names),
        )
        after |= {"pre": point.spikes[index], "post": after["inhibitory"]}
        return {name: (tensor,) for name, tensor in after.items()}

    def _tick_anywhere(self, point: CompetitionPoint, state: State, index: int) -> State:
        """A tick of any cell on any device, from torch operators."""
        v, wait, h, rise, counts = (
            state[name][0] for name in ("voltage", "wait", "inhibitory", "rise", "counts")
        )
        inhibited = self.inhibition_mv * (h.sum(1, keepdim=True) - h)
        awake = wait <= 0
        v = self.cell.integrate((point.currents[index] - inhibited) * awake, v)
        v = v.clamp(min=self.floor_mv)
        theta = self.threshold_mv + point.layer.raised + rise
        above = self.cell.fire(v, theta) * awake
        excess = torch.where(above > 0, v - theta, -torch.inf)
        s = above * torch.zeros_like(v).scatter_(1, excess.argmax(1, keepdim=True), 1.0)
        if point.learning:
            rise = rise + self.rise_mv * s
        after = {
            "pre": point.spikes[index],
            "voltage": self.cell.reset(v, s, theta),
            "wait": torch.where(s > 0, float(self.refractory_ticks), wait - 1),
            "inhibitory": s,
            "rise": rise,
            "post": s,
            "counts": counts + s,
        }
        return {name: (tensor,) for name, tensor in after.items()}

    def local_signals(self, point: CompetitionPoint, state: State) -> Sequence[LocalSignal]:
        pre, post = state["pre"][0], state["post"][0]
        return [LocalSignal(pre, post, {"spikes": post, "dt": self.dt_ms})]

    def activity(self, point: CompetitionPoint, state: State) -> dict[str, Tensor]:
        return {point.layer.name: state["counts"][0]}

    def output(self, point: CompetitionPoint, state: State) -> Tensor:
        return state["counts"][0]


class CompetitiveNetwork(nn.Module):
    """A competitive layer and the dynamics it runs under.

    Args:
        evaluation_seed: seed of the encoder's noise at evaluation; every image is coded with the
            same noise, so its counts are its own whatever batch it comes in.
    """

    def __init__(
        self, layer: CompetitiveLayer, dynamics: Competition, evaluation_seed: int = 0
    ) -> None:
        super().__init__()
        self.layer, self.dynamics, self.evaluation_seed = layer, dynamics, evaluation_seed

    @property
    def layers(self) -> Sequence[CompetitiveLayer]:
        return [self.layer]

    @torch.no_grad()
    def counts(self, x: Tensor) -> Tensor:
        """Spikes of each cell in one presentation, ``(n_images, n_out)``; no state changes.

        Raises:
            ValueError: no image, or values that are not finite.
        """
        rule = LearningRule("evaluation", self.dynamics, Ticks(), Frozen())
        return represent(rule, self, x)[self.layer.name]


@final
@dataclass(frozen=True)
class ClassOfCell:
    """Each cell stands for the class to which it fired most on labelled images.

    classes: ``(n_cells,)`` int64; -1 for a cell that never fired.
    """

    classes: Tensor
    n_classes: int

    @classmethod
    def of(cls, counts: Tensor, labels: Tensor, n_classes: int) -> ClassOfCell:
        """Read from spike counts ``(n_images, n_cells)`` and their labels ``(n_images,)``.

        Raises:
            ValueError: a class without an image, whose mean rate is unknown; labels that are not
                one class index per image; counts that are not finite.
        """
        counts = plain("counts", counts)
        require_finite("counts", counts)
        require_classes(labels, len(counts), n_classes, "labels")
        shown = torch.bincount(labels, minlength=n_classes)
        if (shown == 0).any():
            absent = torch.nonzero(shown == 0).flatten().tolist()
            raise ValueError(f"no labelled image of class {absent}: give some of every class")
        per_class = counts.new_zeros((n_classes, counts.shape[1])).index_add_(0, labels, counts)
        rates = per_class / shown.to(counts).unsqueeze(1)
        classes = torch.where(rates.sum(0) > 0, rates.argmax(0), -1)
        return cls(classes, n_classes)

    def predict(self, counts: Tensor) -> Tensor:
        """The class whose cells fire most on average, ``(n_images,)``; ties to the first."""
        if counts.dim() != 2 or counts.shape[1] != len(self.classes):
            raise ValueError(
                f"counts must be (n_images, {len(self.classes)}), one per cell, got "
                f"{tuple(counts.shape)}"
            )
        require_finite("counts", counts)
        cells = torch.stack([self.classes == k for k in range(self.n_classes)], 1).to(counts)
        return (counts @ cells / cells.sum(0).clamp(min=1)).argmax(1)
