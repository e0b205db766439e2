"""The network: layers as a directed acyclic graph, and what each of them is for.

Layers stand in topological order, so that a sweep goes through them once and errors come back in
the reverse order. Each reads one population (another layer's output, or the input) through its
synapse and may add the outputs of others to its current; a chain is what comes of leaving both out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from neurosim.models.network.layers import Layer, Linearised, Swept, fit_to
from neurosim.models.network.normalisation import (
    Running,
    StatisticsOf,
    require_features,
)
from neurosim.naming.choices import nearest
from neurosim.types import Drive

#: ``(layer, what it reads, sum of what it adds or None)`` -> its output.
Respond = Callable[[Layer, Tensor, Tensor | None], Tensor]
SweptT = TypeVar("SweptT", bound=Swept)
#: What a layer names that reads or adds the input of the network.
INPUT = "image"
#: The index of the input where a population is meant.
AT_INPUT = -1


@dataclass(frozen=True)
class Wire:
    """What one layer hears: indices of populations, ``AT_INPUT`` the input.

    source: read through the synapse. added: each through an identity projection.
    """

    source: int
    added: tuple[int, ...] = ()

    @property
    def populations(self) -> tuple[int, ...]:
        """All of them, each as often as it is heard."""
        return (self.source, *self.added)


def wire(layers: Sequence[Layer], input_name: str = INPUT) -> tuple[Wire, ...]:
    """The wiring of ``layers`` by the names they give.

    Raises:
        ValueError: a name that is not the input nor a layer that stands before.
    """
    known = {INPUT: AT_INPUT, input_name: AT_INPUT}
    wires = []
    for index, layer in enumerate(layers):

        def found(name: str, layer: Layer = layer) -> int:
            if name in known:
                return known[name]
            near = nearest(name, known)
            hint = f" (did you mean {near!r}?)" if near else ""
            raise ValueError(
                f"layer {layer.name} hears {name!r}{hint}, but before it stand only "
                f"{', '.join(known)}: put layers in the order in which activity passes, and cut a "
                "network only where one layer alone is heard further on"
            )

        source = index - 1 if layer.source is None else found(layer.source)
        wires.append(Wire(source, tuple(found(name) for name in layer.added)))
        known[layer.name] = index
    return tuple(wires)


@dataclass(frozen=True)
class Roles:
    """What the layers of a network are for, by name. A part of a network keeps the roles of all.

    scored: those whose activity is compared with a brain.
    body: those that local rules train, from the first on; the others are the readout, which is
        trained by backpropagation on top of it.
    headline: the scored layer that is spoken of first.
    """

    scored: tuple[str, ...]
    body: tuple[str, ...]
    headline: str

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> Roles:
        """All but the last are scored, the one before the last is the headline. The body ends
        before the first dense layer, or before the last one where the first is dense."""
        names = tuple(layer.name for layer in layers)
        dense = [index for index, layer in enumerate(layers) if layer.is_dense]
        before = dense[0] if dense and dense[0] > 0 else len(names) - 1
        scored = names[:-1] or names
        return cls(scored, names[:before], scored[-1])

    def check(self, names: Sequence[str]) -> None:
        """Refuse roles that do not fit the layers of a whole network.

        Raises:
            ValueError: a name of no layer, a headline that is not scored, a body that is not the
                first layers.
        """
        unknown = sorted({*self.scored, *self.body, self.headline} - set(names))
        if unknown:
            raise ValueError(
                f"roles name {', '.join(unknown)}, but the layers are {', '.join(names)}"
            )
        if self.headline not in self.scored:
            raise ValueError(
                f"the headline {self.headline} must be one of the scored layers, which are "
                f"{', '.join(self.scored)}"
            )
        if self.body != tuple(names[: len(self.body)]) or len(self.body) == len(names):
            raise ValueError(
                f"the body must be the first layers and leave at least one to read it out, got "
                f"{', '.join(self.body)} of {', '.join(names)}"
            )


class Network(nn.Module):
    """A directed acyclic graph of layers, in topological order; the last one is the output.

    Args:
        roles: what the layers are for; None: ``Roles.of(layers)``.
        input_name: a name of the input beside ``INPUT``: of the layer below, in a part.
    """

    def __init__(
        self, layers: Sequence[Layer], *, roles: Roles | None = None, input_name: str = INPUT
    ) -> None:
        super().__init__()
        names = [layer.name for layer in layers]
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"a network needs layers of different names, got {names}")
        if INPUT in names:
            raise ValueError(f"{INPUT!r} names the input: give the layer another name")
        self._layers = nn.ModuleList(layers)
        self.input_name, self.wiring = input_name, wire(layers, input_name)
        if roles is None:
            roles = Roles.of(layers)
            roles.check(names)
        self.roles = roles
        heard = {index for each in self.wiring for index in each.populations}
        unheard = [names[i] for i in range(len(names) - 1) if i not in heard]
        if unheard:
            raise ValueError(
                f"nothing reads or adds the output of {', '.join(unheard)}: a network has one "
                "output, its last layer"
            )

    @property
    def layers(self) -> Sequence[Layer]:
        return list(self._layers)  # type: ignore[arg-type]

    @property
    def is_chain(self) -> bool:
        """Whether each layer hears the one before it and nothing else."""
        return self.wiring == tuple(Wire(index - 1) for index in range(len(self._layers)))

    @property
    def above_input(self) -> list[int]:
        """The layers whose synapse reads a population: those that carry errors back."""
        return [i for i, each in enumerate(self.wiring) if each.source != AT_INPUT]

    def heard_by(self, index: int) -> list[tuple[int, bool]]:
        """The layers that hear population ``index``, and whether it is through their synapse.

        In the order in which errors come back: the last layer first, its shortcuts before its
        synapse, as autograd adds them up.
        """
        found = []
        for above, each in reversed([*enumerate(self.wiring)]):
            found += [(above, False) for added in each.added if added == index]
            found += [(above, True)] * (each.source == index)
        return found

    def levels(self) -> tuple[int, ...]:
        """Of each layer, the length of the longest path to the output: 0 for the output."""
        level = [0] * len(self._layers)
        for index in reversed(range(len(level))):
            for below in self.wiring[index].populations:
                if below != AT_INPUT:
                    level[below] = max(level[below], level[index] + 1)
        return tuple(level)

    def part(self, start: int | None, stop: int | None) -> Network:
        """The network of layers start to stop, sharing their weights.

        Raises:
            ValueError: a layer of it hears more than one of those before it.
        """
        first = slice(start, stop).indices(len(self._layers))[0]
        below = self.layers[first - 1].name if first else self.input_name
        return Network(self.layers[start:stop], roles=self.roles, input_name=below)

    def body(self) -> Network:
        """What local rules train, by the roles.

        Raises:
            ValueError: there is nothing but a readout.
        """
        if not self.roles.body:
            raise ValueError(
                f"the network {', '.join(layer.name for layer in self.layers)} is all readout: "
                "give it a layer before, or roles=Roles(..., body=(names,))"
            )
        return self.part(0, len(self.roles.body))

    def readout(self) -> Network:
        """What follows the body."""
        return self.part(len(self.roles.body), None)

    def named_weights(self) -> dict[str, Tensor]:
        """Every parameter and buffer by ``layer.parameter``, detached (not copied)."""
        named: dict[str, Tensor] = {}
        for layer in self.layers:
            for name, tensor in layer.plastic_parameters().items():
                named[f"{layer.name}.{name}"] = tensor.detach()
            if layer.norm is not None:
                for name, tensor in layer.norm.statistics().items():
                    named[f"{layer.name}.{name}"] = tensor
        return named

    def pass_on(self, x: Tensor, respond: Respond) -> list[Tensor]:
        """The output of every layer, in their order, from the input ``x``."""
        return pass_on(self.layers, self.wiring, x, respond)

    @torch.no_grad()
    def sweep(self, drive: Drive) -> tuple[Swept, ...]:
        """The feed-forward sweep.

        At evaluation images of another size than the training images reach a dense layer through
        adaptive average pooling to the size it was built for.
        """
        return self._sweep(drive, Swept)

    def linearise(self, drive: Drive) -> tuple[Linearised, ...]:
        """The same, each layer linearised once."""
        return self._sweep(drive, Linearised)

    def _sweep(self, drive: Drive, kind: type[SweptT]) -> tuple[SweptT, ...]:
        swept: list[SweptT] = []

        def respond(layer: Layer, pre: Tensor, added: Tensor | None) -> Tensor:
            read = pre if drive.learning else fit_to(layer.synapse, pre)
            swept.append(kind(layer, read, drive, added))
            return swept[-1].out

        self.pass_on(drive.x, respond)
        return tuple(swept)

    @torch.no_grad()
    def represent(self, x: Tensor, statistics: StatisticsOf = Running()) -> dict[str, Tensor]:  # noqa: B008
        """Layer name -> output of the sweep at evaluation, without any change of state.

        Raises:
            ValueError: for ``Batch`` statistics, which would make features depend on the batch.
        """
        require_features(statistics)
        swept = self.sweep(Drive(x, learning=False, statistics=statistics))
        return {layer.layer.name: layer.out for layer in swept}

    def forward(self, x: Tensor, statistics: StatisticsOf = Running()) -> Tensor:  # noqa: B008
        """The output of the last layer, ``(batch, n_classes)``."""
        return self.represent(x, statistics)[self.layers[-1].name]


def pass_on(
    layers: Sequence[Layer], wiring: Sequence[Wire], x: Tensor, respond: Respond
) -> list[Tensor]:
    """The output of every layer, in their order, from the input ``x``."""
    outputs: list[Tensor] = []
    for layer, each in zip(layers, wiring, strict=True):
        source, *added = (x if p == AT_INPUT else outputs[p] for p in each.populations)
        outputs.append(respond(layer, source, sum_of(added)))
    return outputs


def sum_of(added: Sequence[Tensor]) -> Tensor | None:
    """The sum of what a layer adds; None where that is nothing.

    Raises:
        ValueError: outputs of different shapes, which torch would spread over each other.
    """
    if not added:
        return None
    total, *others = added
    for other in others:
        if other.shape != total.shape:
            raise ValueError(
                f"a layer adds outputs of shapes {tuple(total.shape[1:])} and "
                f"{tuple(other.shape[1:])}: they must have one shape"
            )
        total = total + other
    return total
