"""One engine for every learning rule.

``run_batch`` is the whole story: the solver settles the activity, plasticity observes each
settled state, and at the end it returns weight changes for a torch optimiser to apply; a learning
pass then moves running statistics and thresholds (``dynamics.adapt``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from neurosim.arrays.images import require_images
from neurosim.arrays.undo import statistics_of, unchanged_on_error
from neurosim.dynamics import AbstractDynamics
from neurosim.plasticity import AbstractPlasticity, Frozen
from neurosim.solvers import AbstractSolver, Direct
from neurosim.types import Drive, NetworkLike, Settled


@final
@dataclass(frozen=True)
class LearningRule:
    """Dynamics, the solver that settles them, and the plasticity that reads what is left.

    Raises:
        TypeError: the solver or its criterion cannot run these dynamics, or they do not offer
            what the plasticity needs; the message says what can.
    """

    name: str
    dynamics: AbstractDynamics[Any, Any]
    solver: AbstractSolver[Any]
    plasticity: AbstractPlasticity[Any]

    def __post_init__(self) -> None:
        for part, kind in (
            (self.dynamics, AbstractDynamics),
            (self.solver, AbstractSolver),
            (self.plasticity, AbstractPlasticity),
        ):
            if not isinstance(part, kind):
                raise TypeError(
                    f"rule {self.name!r}: {part!r} is no {kind.__name__}: give an object such as "
                    "LearningRule(name, ErrorCircuit(Transpose()), Direct(), ErrorTimesPre())"
                )
        self.solver.check(self.dynamics)
        self.plasticity.check(self.dynamics)

    def passive(self) -> LearningRule:
        """The passes of this rule with every synapse held, less what adds nothing to the activity
        that is handed on and moves no statistic."""
        dynamics = self.dynamics.passive()
        solver = self.solver if dynamics is self.dynamics else Direct()
        return LearningRule(self.name, dynamics, solver, Frozen())

    def parameters(self, net: NetworkLike) -> dict[str, Tensor]:
        """Every tensor this rule changes, by ``layer.parameter``; none under Frozen."""
        if isinstance(self.plasticity, Frozen):
            return {}
        return {
            f"{layer.name}.{name}": tensor
            for layer in self.dynamics.layers(net)
            for name, tensor in layer.plastic_parameters().items()
        }


@dataclass(frozen=True)
class Outcome:
    """What one batch left behind.

    changes: ``layer.parameter`` -> change (to be scaled by a learning rate and ADDED).
    output: what the network hands on, ``(batch, *features)``.
    settled: the last settled state, with the reason the solve stopped.
    point: the operating point, for measurements (alignment angles, rates).
    """

    changes: Mapping[str, Tensor]
    output: Tensor
    settled: Settled
    point: Any


@torch.no_grad()
def run_batch(rule: LearningRule, net: NetworkLike, drive: Drive) -> Outcome:
    """Settle one batch and return the weight changes that plasticity asks for.

    Raises:
        ValueError: the batch is empty or holds NaN or infinity.
        ArithmeticError: a statistic
            overflowed. Whatever is raised, here or further in: statistics and thresholds of
            ``net`` are then as they were.
    """
    require_images(drive.x, f"rule {rule.name!r}: the images of a batch")
    statistics = statistics_of(net)
    n_finite = _n_finite(statistics)
    with unchanged_on_error(statistics):
        outcome = _run(rule, net, drive)
        if _n_finite(statistics) < n_finite:
            raise ArithmeticError(
                f"rule {rule.name!r}: a statistic of the network is not finite after the batch, "
                f"whose values reach {float(drive.x.abs().max()):.3g}: normalise the images"
            )
        return outcome


@torch.no_grad()
def represent(
    rule: LearningRule, net: NetworkLike, x: Tensor, statistics: Any = None
) -> dict[str, Tensor]:
    """Layer name -> activity to the images ``x``: what the dynamics settle to without learning.

    Nothing in the network changes.

    Args:
        statistics: of normalisation, see ``Drive``.
    """
    passive = rule.passive()
    dynamics, found = passive.dynamics, dict[str, list[Tensor]]()
    dynamics.check_network(net)
    for portion in dynamics.portions(x):
        point = dynamics.operating_point(net, Drive(portion, learning=False, statistics=statistics))
        state = passive.solver.end(dynamics, point).state
        for name, activity in dynamics.activity(point, state).items():
            found.setdefault(name, []).append(activity)
    return {
        name: parts[0] if len(parts) == 1 else torch.cat(parts) for name, parts in found.items()
    }


def _n_finite(tensors: Iterable[Tensor]) -> int:
    """Finite values of all tensors: an infinite threshold, which never fires, may stay."""
    return sum(int(tensor.isfinite().sum()) for tensor in tensors)


def _run(rule: LearningRule, net: NetworkLike, drive: Drive) -> Outcome:
    dynamics, plasticity = rule.dynamics, rule.plasticity
    dynamics.check_network(net)
    layers = dynamics.layers(net)
    point = dynamics.operating_point(net, drive)
    memories = [plasticity.begin(layer) for layer in layers]
    settled = None
    for settled in rule.solver.settle(dynamics, point):
        if isinstance(plasticity, Frozen):
            continue
        signals = dynamics.local_signals(point, settled.state)
        memories = [
            plasticity.observe(layer, memory, signal)
            for layer, memory, signal in zip(layers, memories, signals, strict=True)
        ]
    assert settled is not None, f"{type(rule.solver).__name__} yielded no state"
    changes = {
        f"{layer.name}.{name}": change
        for layer, memory in zip(layers, memories, strict=True)
        for name, change in plasticity.delta(layer, memory).items()
    }
    output = dynamics.output(point, settled.state)
    if drive.learning:
        dynamics.adapt(point, settled.state)
    return Outcome(changes, output, settled, point)
