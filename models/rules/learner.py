"""A learner: a named chain of parts that share one start and are represented as one network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.models.network.builders import NETWORKS, NetworkContext
from neurosim.models.network.graph import Network, Roles
from neurosim.models.network.layers import Layer
from neurosim.models.network.normalisation import Running, StatisticsOf, require_features
from neurosim.naming.made import made
from neurosim.rule import represent
from neurosim.training import Part


@dataclass(frozen=True)
class SharedStart:
    """What all rules of one seed begin with: the same weights, drawn from the same stream.

    seed: names every random stream of the learner.
    n_channels: of the images.
    architecture: the network, a text of ``NETWORKS``.
    cell, encoder, timing, weight_dependence: names of the spiking cell, the encoder, the spike
        timing and how its changes depend on the weight, for rules that spike.
    norm: name of the convolutions' normalisation (``NORMS``); spiking layers have none.
    """

    seed: int
    image_px: int = 32
    n_classes: int = 10
    n_channels: int = 3
    architecture: str = "conv3"
    cell: str = "snntorch-lif"
    encoder: str = "current"
    timing: str = "all-pairs"
    weight_dependence: str = "additive"
    norm: str = "batch"
    device: torch.device | None = None
    dtype: torch.dtype | None = None

    def network(self) -> Network:
        """A fresh network with the initial weights of this seed."""
        context = NetworkContext(
            self.stream("init"),
            self.image_px,
            self.n_classes,
            self.n_channels,
            self.norm,
            self.device,
            self.dtype,
        )
        return made(NETWORKS, self.architecture, context)

    def stream(self, name: str) -> torch.Generator:
        """A generator of this seed for one purpose."""
        return generator(self.seed, name)


@dataclass(frozen=True)
class Learner:
    """A chain of parts under one name."""

    #: Normalisation column of a learner that has no layers for a policy to reach.
    unreached_by_policies: ClassVar[str] = "none"

    name: str
    parts: tuple[Part, ...]

    @property
    def roles(self) -> Roles:
        """What the layers are for. The networks of all parts carry the roles of the whole."""
        return self.networks()[0].roles

    @property
    def output_layer(self) -> str:
        """The layer whose activity is one score per class."""
        return str(self.networks()[-1].layers[-1].name)

    @torch.no_grad()
    def represent(self, x: Tensor, statistics: StatisticsOf = Running()) -> dict[str, Tensor]:  # noqa: B008
        """Layer name -> activity to the images ``x``; nothing in the learner changes."""
        require_features(statistics)
        return self.settled(x, lambda net: statistics)

    def settled(self, x: Tensor, statistics: Callable[[Any], StatisticsOf]) -> dict[str, Tensor]:
        """Layer name -> activity under the statistics of each network."""
        activity: dict[str, Tensor] = {}
        # Of two parts that share a network the last one says what it hands on.
        rules = {part.net: part.rule for part in self.parts}
        for net, rule in rules.items():
            activity |= represent(rule, net, x, statistics(net))
            x = activity[net.layers[-1].name]
        return activity

    def networks(self) -> list[Any]:
        """The chain that represents an image: each network once, though two parts may share it."""
        return list(dict.fromkeys(part.net for part in self.parts))

    def normalised_layers(self) -> list[Layer]:
        """The chain of layers up to the head where statistics matter; empty where none do."""
        layers = [layer for net in self.networks() for layer in net.layers]
        norms = [getattr(layer, "norm", None) for layer in layers]
        return layers if any(norm and norm.keeps_statistics for norm in norms) else []

    def rule_of(self, layer_name: str) -> str:
        """The rule that changes a layer; "none" where its synapses are frozen."""
        for part in self.parts:
            if f"{layer_name}.weight" in part.rule.parameters(part.net):
                return part.rule.name
        return "none"

    def tensors(self) -> dict[str, Tensor]:
        """Every weight, statistic and auxiliary tensor by name: the whole state of the learner."""
        named: dict[str, Tensor] = {}
        for part in self.parts:
            named |= part.net.named_weights()
            for layer in part.rule.dynamics.layers(part.net):
                for key, tensor in layer.plastic_parameters().items():
                    named.setdefault(f"{layer.name}.{key}", tensor.detach())
        return named

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Any]) -> None:
        """Take up the state that ``tensors`` gave, after a round through a file."""
        own = self.tensors()
        if set(own) != set(tensors):
            raise ValueError(
                f"learner {self.name!r}: stored tensors do not fit: missing "
                f"{sorted(set(own) - set(tensors))}, unknown {sorted(set(tensors) - set(own))}"
            )
        given = {name: np.shape(array) for name, array in tensors.items()}
        other = [name for name, tensor in own.items() if tuple(tensor.shape) != given[name]]
        if other:
            raise ValueError(
                f"learner {self.name!r}: stored tensors do not fit: "
                + "; ".join(f"{n} is {given[n]}, not {tuple(own[n].shape)}" for n in other)
            )
        for name, tensor in own.items():
            tensor.copy_(torch.as_tensor(np.asarray(tensors[name])))

    def fingerprint(self) -> str:
        """SHA-256 over every tensor: equal before and after anything that may not change state."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.tensors().items()):
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def called(self, name: str) -> Learner:
        """The same learner by another name; so are the parts that bore its own."""
        if name == self.name:
            return self
        parts = (
            replace(part, rule=replace(part.rule, name=name))
            if part.rule.name == self.name
            else part
            for part in self.parts
        )
        return replace(self, name=name, parts=tuple(parts))

    def with_schedule(self, schedule: str) -> Learner:
        """The same learner, the learning rates on this schedule but for those held constant."""
        parts = (
            part
            if part.optimiser.schedule == "constant"
            else replace(part, optimiser=replace(part.optimiser, schedule=schedule))
            for part in self.parts
        )
        return replace(self, parts=tuple(parts))

    def without_learning(self) -> Learner:
        """The same passes at learning rate 0.

        Under frozen synapses a layered network only sweeps forward: what its errors would
        have relaxed to moves no statistic, and is not computed. Clocked dynamics are run.
        """
        parts = (replace(part, rule=part.rule.passive()) for part in self.parts)
        return replace(self, parts=tuple(parts))


LearnerBuilder = Callable[[SharedStart], Learner]
