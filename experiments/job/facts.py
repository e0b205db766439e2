"""What ran, in words, read off the objects that ran it: no sentence can differ from the run.

A learner says what its layers are, what it starts from, what learns them, and what passes without
learning move; an object without words of its own is shown as ``Name(field=value)``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import singledispatch
from typing import Any

from neurosim.experiments.results.words import counted
from neurosim.models.network.layers import Layer
from neurosim.models.rules.learner import Learner
from neurosim.models.spiking.dynamics import SpikingLayer
from neurosim.synapses import Conv2d

#: What passes at learning rate 0 move, as the table of a job names it.
STATISTICS, THRESHOLDS, NOTHING = "running statistics", "thresholds", "nothing"


@dataclass(frozen=True)
class RuleFacts:
    """One part of a rule in words: what learns which layers, and how."""

    rule: str
    layers: str
    dynamics: str
    solver: str
    plasticity: str
    constraint: str
    optimiser: str

    def __str__(self) -> str:
        if self.plasticity == "Frozen":
            return f"{self.rule}: nothing learns in {self.layers}"
        held = "" if self.constraint == "none" else f", constrained by {self.constraint}"
        return (
            f"{self.rule}: {self.layers} by {self.plasticity} on {self.dynamics}, settled by "
            f"{self.solver}{held}, steps by {self.optimiser}"
        )


@dataclass(frozen=True)
class LearnerFacts:
    """One learner in words.

    parts: what learns. layers: name -> what the layer is. starts: name -> digest of the weights it
    starts from. seed: of these weights. moves: what passes without learning move. policies: whether
    policies of normalisation reach it, and if not, the word of the table's normalisation column.
    schedules: of the learning rates of what learns. spikes: whether any layer spikes.
    """

    rule: str
    seed: int
    parts: tuple[RuleFacts, ...]
    layers: dict[str, str]
    starts: dict[str, str]
    moves: str
    is_reached: bool
    unreached: str
    schedules: tuple[str, ...]
    spikes: bool

    @classmethod
    def of(cls, rule: str, seed: int, learner: Learner) -> LearnerFacts:
        """Read a learner as it starts."""
        layers = list(_layers(learner))
        learning = [part for part in learner.parts if part.rule.parameters(part.net)]
        return cls(
            rule,
            seed,
            tuple(_part_facts(rule, learner)),
            {layer.name: layer_in_words(layer) for layer in layers},
            {layer.name: _digest(layer) for layer in layers},
            moved_without_learning(learner),
            bool(learner.normalised_layers()),
            learner.unreached_by_policies,
            tuple(dict.fromkeys(part.optimiser.schedule for part in learning)),
            any(isinstance(layer, SpikingLayer) for layer in layers),
        )


def _layers(learner: Learner) -> Iterator[Any]:
    seen = set()
    for net in learner.networks():
        for layer in net.layers:
            if layer.name not in seen:
                seen.add(layer.name)
                yield layer


def moved_without_learning(learner: Learner) -> str:
    """What passes at learning rate 0 move: statistics of normalisation, thresholds, or nothing."""
    layers = list(_layers(learner))
    kept = any(getattr(getattr(layer, "norm", None), "keeps_statistics", False) for layer in layers)
    found = [STATISTICS] * kept
    found += [THRESHOLDS] * any(isinstance(layer, SpikingLayer) for layer in layers)
    return " and ".join(found) or NOTHING


def _part_facts(rule: str, learner: Learner) -> Iterator[RuleFacts]:
    for part in learner.parts:
        learned = part.rule.parameters(part.net)
        yield RuleFacts(
            rule,
            span([layer.name for layer in part.net.layers]),
            in_words(part.rule.dynamics),
            in_words(part.rule.solver),
            in_words(part.rule.plasticity),
            "none" if part.constraint is None else in_words(part.constraint),
            in_words(part.optimiser) if learned else "none: nothing learns here",
        )


@singledispatch
def layer_in_words(layer: Any) -> str:
    """What a layer is, without its name; one of a class of its own is named by it."""
    return type(layer).__name__


@layer_in_words.register
def _(layer: Layer) -> str:
    told = [_synapse(layer.synapse), "with biases" if layer.bias is not None else "without biases"]
    if type(layer) is not Layer:
        told.insert(0, type(layer).__name__)
    told.append("no normalisation" if layer.norm is None else _norm(layer.norm))
    told.append(getattr(layer.activation, "__name__", type(layer.activation).__name__))
    told += [f"max-pooled by {layer.pool}"] * (layer.pool > 1)
    told += [f"dropout {layer.dropout:g}"] * bool(layer.dropout)
    return ", ".join(told)


@layer_in_words.register
def _(layer: SpikingLayer) -> str:
    return ", ".join(
        [
            _synapse(layer.synapse),
            "spiking cells with a firing threshold per map and no normalisation",
            *([f"max-pooled by {layer.pool}"] if layer.pool > 1 else []),
            *([] if type(layer.between).__name__ == "Directly" else [in_words(layer.between)]),
        ]
    )


def _synapse(synapse: Any) -> str:
    if isinstance(synapse, Conv2d):
        return f"{synapse.kernel} x {synapse.kernel} convolution to {synapse.n_out} maps"
    return f"{type(synapse).__name__.lower()} to {synapse.weight_shape[0]} units"


def _norm(norm: Any) -> str:
    groups = getattr(norm, "n_groups", None)
    return type(norm).__name__ + (f" of {counted(groups, 'group')}" if groups else "")


def _digest(layer: Any) -> str:
    return hashlib.sha256(layer.weight.detach().cpu().contiguous().numpy().tobytes()).hexdigest()


def in_words(thing: Any) -> str:
    """An object in its own words (``says``), else a frozen one as ``Name(field=value)``."""
    says = getattr(thing, "says", None)
    if isinstance(says, str):
        return says
    name = type(thing).__name__
    if not hasattr(thing, "__dataclass_fields__"):
        return getattr(thing, "__name__", name)
    shown = []
    for field in fields(thing):
        value = _value(getattr(thing, field.name))
        if value:
            shown.append(f"{field.name}={value}")
    return f"{name}({', '.join(shown)})" if shown else name


def _value(value: Any) -> str:
    """A simple value, one with fields, or several of these; empty for what has no words."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool | int | str):
        return str(value)
    if hasattr(value, "__dataclass_fields__"):
        return in_words(value)
    if isinstance(value, tuple) and value and all(map(_value, value)):
        return f"({', '.join(map(_value, value))})"
    return ""


def span(names: Sequence[str]) -> str:
    """``Conv1``, or ``Conv1 to head``."""
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
