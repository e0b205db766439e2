"""Training: parts chained by clamped outputs, an optimiser for each, and what moved.

A learner is a chain of parts. Each part has its own rule and sees the detached output of the
part before it; an error of a later part cannot reach an earlier one, by construction.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from neurosim.arrays.targets import read_off
from neurosim.arrays.undo import statistics_of, unchanged_on_error
from neurosim.convergence import Diverged
from neurosim.naming.choices import Choices
from neurosim.naming.settings import require_count
from neurosim.plasticity import Frozen
from neurosim.rule import LearningRule, Outcome, run_batch
from neurosim.types import Drive, NetworkLike, in_float64

#: Optimisers of torch by name. ``adam`` couples weight decay with the gradient, ``adamw`` does
#: not: only there does decay leave a local rule's change alone.
OPTIMISERS: Choices[type[torch.optim.Optimizer]] = Choices(
    "optimiser", {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
)


def cosine(progress: float) -> float:
    """``(1 + cos(pi progress)) / 2``: 1 at the start, 0 at the end."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0


SCHEDULES = Choices("schedule", {"cosine": cosine, "constant": constant})


@dataclass(frozen=True)
class Optimiser:
    """How changes become steps.

    The learning rate at step t of n is ``lr_end + (lr - lr_end) schedule(t / n)``.

    clip_norm: all changes of a part are scaled down together to this Euclidean norm; None: not.
    """

    kind: str = "adam"
    lr: float = 1e-3
    lr_end: float = 0.0
    weight_decay: float = 0.0
    momentum: float = 0.0
    schedule: str = "cosine"
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        OPTIMISERS[self.kind]
        SCHEDULES[self.schedule]
        for name in ("lr", "lr_end", "weight_decay", "momentum"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and not negative, got {value}")
        if self.momentum and self.kind != "sgd":
            raise ValueError(f"momentum is an option of sgd, not of {self.kind}: leave it at 0")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm must be positive or None, got {self.clip_norm}")

    def lr_at(self, step: int, n_steps: int) -> float:
        """Learning rate of a step, counted from 0."""
        shape = SCHEDULES[self.schedule](step / n_steps)
        return self.lr_end + (self.lr - self.lr_end) * shape

    def build(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        """The torch optimiser over these tensors."""
        options: dict[str, Any] = {"lr": self.lr, "weight_decay": self.weight_decay}
        if self.momentum:
            options["momentum"] = self.momentum
        return OPTIMISERS[self.kind](parameters, **options)


#: The same as objects with their settings, ``sgd(lr=0.1, momentum=0.9)``.
OPTIMISER_SETTINGS: Choices[Optimiser] = Choices(
    "optimiser", {name: Optimiser(name) for name in OPTIMISERS}, base=Optimiser
)


class AbstractConstraint(ABC):
    """Where weights may lie; applied after each step."""

    @abstractmethod
    def apply(self, net: Any) -> None:
        """Move the weights of ``net`` in place to the nearest allowed ones."""


@dataclass(frozen=True)
class Part:
    """One rule on one stretch of layers."""

    rule: LearningRule
    net: Any
    optimiser: Optimiser = field(default_factory=Optimiser)
    constraint: AbstractConstraint | None = None

    def __post_init__(self) -> None:
        self.rule.dynamics.check_network(self.net)


@dataclass(frozen=True)
class BatchLog:
    """What the last part says of one batch, and the outcome of every part."""

    loss: float
    n_correct: int
    n_images: int
    outcomes: tuple[Outcome, ...]


class Trainer:
    """Steps a chain of parts through batches.

    Args:
        parts: the chain; the last one classifies.
        n_steps: number of batches of the whole training, for the schedules.
    """

    def __init__(self, parts: Iterable[Part], n_steps: int) -> None:
        require_count("n_steps", n_steps)
        self.parts, self.n_steps, self.step_index = tuple(parts), n_steps, 0
        self._parameters = [part.rule.parameters(part.net) for part in self.parts]
        self._optimisers = [
            part.optimiser.build(list(named.values())) if named else None
            for part, named in zip(self.parts, self._parameters, strict=True)
        ]

    @torch.no_grad()
    def step(self, x: Tensor, target: Tensor, generator: torch.Generator) -> BatchLog:
        """One batch: settle, observe, change the weights.

        Raises:
            ArithmeticError: a change is not finite, or activity diverged while it settled (see
                ``Diverged``). Whatever is raised: weights, statistics and the optimisers of all
                parts are left as they were.
        """
        # The part that refuses has moved no weight, unless its constraint did; those before have.
        last = len(self.parts) - 1
        at_risk = [i for i, part in enumerate(self.parts) if i < last or part.constraint]
        moments = [
            (optimiser, deepcopy(optimiser.state_dict()))
            for i in at_risk
            if (optimiser := self._optimisers[i]) is not None
        ]
        moved = [tensor for i in at_risk for tensor in self._parameters[i].values()]
        try:
            with unchanged_on_error([*moved, *_statistics(self.parts)]):
                return self._step(x, target, generator)
        except BaseException:
            for optimiser, before in moments:
                optimiser.load_state_dict(before)
            raise

    def _step(self, x: Tensor, target: Tensor, generator: torch.Generator) -> BatchLog:
        outcomes = []
        for part, named, optimiser in zip(
            self.parts, self._parameters, self._optimisers, strict=True
        ):
            outcome = run_batch(part.rule, part.net, Drive(x, target, generator))
            if outcome.settled.climbed:
                first, last = (outcome.settled.energies[i] for i in (0, -1))
                raise Diverged(
                    f"rule {part.rule.name!r}, step {self.step_index}: the energy rose from "
                    f"{first:.6g} to {last:.6g}",
                    outcome.settled.n_steps,
                )
            outcomes.append(outcome)
            if len(outcomes) == len(self.parts):
                # Read before the last weights move: an output that names no class is refused.
                log = _log(outcomes, target)
            if optimiser is not None:
                self._apply(part, named, optimiser, outcome.changes)
            x = outcome.output
        self.step_index += 1
        return log

    def _apply(
        self,
        part: Part,
        named: Mapping[str, Tensor],
        optimiser: torch.optim.Optimizer,
        changes: Mapping[str, Tensor],
    ) -> None:
        for name, parameter in named.items():
            # torch descends gradients; plasticity says where to go.
            parameter.grad = changes[name].neg() if name in changes else None
        norm = torch.nn.utils.get_total_norm([p.grad for p in named.values() if p.grad is not None])
        if not math.isfinite(norm):
            raise ArithmeticError(
                f"rule {part.rule.name!r}: a weight change is not finite at step "
                f"{self.step_index}: lower the learning rate ({part.optimiser.lr}) or dt"
            )
        if part.optimiser.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(
                list(named.values()), part.optimiser.clip_norm, norm
            )
        for group in optimiser.param_groups:
            group["lr"] = part.optimiser.lr_at(self.step_index, self.n_steps)
        optimiser.step()
        for parameter in named.values():
            parameter.grad = None
        if part.constraint is not None:
            part.constraint.apply(part.net)

    def state(self) -> dict[str, Any]:
        """All that a resumed trainer needs beside the weights: a tree of arrays."""
        tree: dict[str, Any] = {"step_index": self.step_index}
        for index, (named, optimiser) in enumerate(
            zip(self._parameters, self._optimisers, strict=True)
        ):
            if optimiser is not None:
                tree[f"part{index}"] = {
                    name: {key: torch.as_tensor(value) for key, value in kept.items()}
                    for name, parameter in named.items()
                    if (kept := optimiser.state.get(parameter))
                }
        return tree

    def load_state(self, tree: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave, after a round through a file.

        Raises:
            ValueError: a tree of another learner, naming what does not fit; nothing has changed.
        """
        trained = {
            f"part{index}": (part, named, optimiser)
            for index, (part, named, optimiser) in enumerate(
                zip(self.parts, self._parameters, self._optimisers, strict=True)
            )
            if optimiser is not None
        }
        _require_names("the state of a trainer", tree, {"step_index", *trained})
        step_index = int(tree["step_index"])
        if step_index < 0:
            raise ValueError(f"step_index counts batches from 0, got {step_index}")
        moments = {}
        for name, (part, named, optimiser) in trained.items():
            unknown = sorted(set(tree[name]) - set(named))
            if unknown:
                raise ValueError(f"{name} learns {sorted(named)}, but the state holds {unknown}")
            moments[optimiser] = {
                named[key]: _moments(f"{name}.{key}", kept, named[key], part.optimiser)
                for key, kept in tree[name].items()
            }
        self.step_index = step_index
        for optimiser, kept in moments.items():
            optimiser.state.clear()
            optimiser.state.update(kept)


def _require_names(what: str, given: Mapping[str, Any], expected: set[str]) -> None:
    if set(given) != expected:
        raise ValueError(
            f"{what} does not fit: missing {sorted(expected - set(given))}, unknown "
            f"{sorted(set(given) - expected)}"
        )


def _moments(
    name: str, kept: Mapping[str, Any], parameter: Tensor, optimiser: Optimiser
) -> dict[str, Tensor]:
    """What an optimiser keeps of a parameter, of its own kind, shape and dtype."""
    # A step of nothing tells what this kind of optimiser keeps.
    trial = torch.zeros(1)
    trial.grad = torch.zeros(1)
    twin = optimiser.build([trial])
    twin.step()
    _require_names(f"the {optimiser.kind} state of {name}", kept, set(twin.state[trial]))
    found = {}
    for key, value in kept.items():
        # Counters stay float32 scalars on the CPU, as torch keeps them.
        like = torch.empty(()) if key == "step" else parameter
        moment = torch.as_tensor(value)
        if moment.shape != like.shape or not bool(moment.isfinite().all()):
            raise ValueError(
                f"{key} of {name} must be finite of shape {tuple(like.shape)}, got shape "
                f"{tuple(moment.shape)}"
            )
        found[key] = moment.to(like, copy=True)
    return found


def _statistics(parts: Iterable[Part]) -> list[Tensor]:
    return [tensor for part in parts for tensor in statistics_of(part.net)]


def without_learning(part: Part) -> Part:
    """The same passes with every weight held: only statistics and thresholds move."""
    return replace(part, rule=replace(part.rule, plasticity=Frozen()))


def _log(outcomes: list[Outcome], target: Tensor) -> BatchLog:
    loss, n_correct = read_off(outcomes[-1].output, target)
    return BatchLog(loss, n_correct, len(target), tuple(outcomes))


@dataclass(frozen=True)
class Movement:
    """How far a weight went.

    displacement: ``|W - W0| / |W0|`` (Frobenius); infinite from zero. Weight decay alone raises it.
    direction_change: ``1 - cos(W, W0)``, blind to a mere change of length; NaN from or to zero.
    """

    displacement: float
    direction_change: float


def movement(initial: Tensor, current: Tensor) -> Movement:
    """Displacement and direction change of one weight, in float64."""
    before, after = in_float64(initial).flatten(), in_float64(current).flatten()
    length = before.norm() * after.norm()
    moved = float((after - before).norm())
    # From zero no distance has a scale: any is infinitely far, none is none.
    displacement = float(moved / before.norm()) if moved else 0.0
    if not length > 0:  # zero has no direction
        return Movement(displacement, math.nan if moved else 0.0)
    return Movement(displacement, max(0.0, 1 - float(before.dot(after) / length)))


def initial_weights(net: NetworkLike) -> dict[str, Tensor]:
    """Layer name -> a copy of its weight, to measure movement from."""
    return {
        layer.name: layer.plastic_parameters()["weight"].detach().clone() for layer in net.layers
    }
