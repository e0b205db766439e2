"""Solvers: from the initial state of a dynamics to the states that plasticity sees.

The explicit solvers integrate ``d state / dt = flow(state)`` (Hairer, Norsett & Wanner 1993,
doi:10.1007/978-3-540-78862-1) and hand on one state, the last. ``Direct`` hands on the closed
form, ``Ticks`` every tick.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, final

from neurosim.convergence import AbstractCriterion, Diverged, Horizon, Steady
from neurosim.dynamics import (
    AbstractClocked,
    AbstractClosedForm,
    AbstractDynamics,
    AbstractEnergy,
    AbstractFlow,
)
from neurosim.types import Settled, State, map_state, rms

#: The kind of dynamics that a solver runs.
DynamicsT = TypeVar("DynamicsT", bound=AbstractDynamics[Any, Any])


class AbstractSolver(ABC, Generic[DynamicsT]):
    """Yields the settled states of one presentation."""

    needs: ClassVar[type[AbstractDynamics]]

    @abstractmethod
    def settle(self, dynamics: DynamicsT, point: Any) -> Iterator[Settled]:
        """Yield one or several settled states; the last says why the solve ended."""

    @final
    def end(self, dynamics: DynamicsT, point: Any) -> Settled:
        """The last settled state alone: a presentation of many ticks is not held in memory."""
        return deque(self.settle(dynamics, point), maxlen=1).pop()

    def check(self, dynamics: AbstractDynamics) -> None:
        """Raise TypeError, with the remedy, if this solver cannot run these dynamics."""
        if not isinstance(dynamics, self.needs):
            raise TypeError(
                f"{type(self).__name__} needs {_PLAIN_WORDS[self.needs]}; "
                f"{type(dynamics).__name__} has none: {dynamics.remedy}"
            )


_PLAIN_WORDS: dict[type, str] = {
    AbstractClosedForm: "a closed-form equilibrium",
    AbstractFlow: "a flow d state / dt",
    AbstractEnergy: "an energy",
    AbstractClocked: "a clock",
}


@final
@dataclass(frozen=True)
class Direct(AbstractSolver[AbstractClosedForm[Any, Any]]):
    """The equilibrium at once, from its closed form."""

    needs: ClassVar[type[AbstractDynamics]] = AbstractClosedForm

    def settle(self, dynamics: AbstractClosedForm, point: Any) -> Iterator[Settled]:
        state = dynamics.equilibrium(point)
        require_finite(state, 0)
        yield Settled(state, 0, "direct: closed form")


@final
@dataclass(frozen=True)
class Ticks(AbstractSolver[AbstractClocked[Any, Any]]):
    """One state a clock tick, until the presentation is over."""

    needs: ClassVar[type[AbstractDynamics]] = AbstractClocked

    def settle(self, dynamics: AbstractClocked, point: Any) -> Iterator[Settled]:
        state, n_ticks = dynamics.initial_state(point), dynamics.n_ticks(point)
        for index in range(n_ticks):
            state = dynamics.tick(point, state, index)
            if index + 1 == n_ticks:  # once: what is not finite stays so from tick to tick
                require_finite(state, n_ticks)
            yield Settled(state, index + 1, f"tick {index + 1} of {n_ticks}")


@dataclass(frozen=True)
class _Explicit(AbstractSolver[AbstractFlow[Any, Any]]):
    """The common loop; a method is its ``_step``."""

    needs: ClassVar[type[AbstractDynamics]] = AbstractFlow

    dt: float = 0.1
    until: AbstractCriterion = field(default_factory=Horizon)

    def __post_init__(self) -> None:
        if not self.dt > 0:
            raise ValueError(f"dt must be positive (in units of tau), got {self.dt}")

    def check(self, dynamics: AbstractDynamics) -> None:
        super().check(dynamics)
        if not isinstance(dynamics, self.until.needs):
            raise TypeError(
                f"{type(self.until).__name__} needs {_PLAIN_WORDS[self.until.needs]}; "
                f"{type(dynamics).__name__} has none: use Steady(...) or Horizon(...)"
            )

    def settle(self, dynamics: AbstractFlow, point: Any) -> Iterator[Settled]:
        state, dt, n_steps = dynamics.initial_state(point), self.dt, 0
        energies: tuple[float, ...] = ()
        while True:
            if isinstance(dynamics, AbstractEnergy):
                energies += (float(dynamics.energy(point, state)),)
                if not math.isfinite(energies[-1]):
                    raise Diverged(f"the energy is {energies[-1]}", n_steps)
            if n_steps >= self.until.max_steps:
                # The last state's velocity is not asked for: a horizon needs none.
                reason = self.until.horizon(n_steps)
            else:
                velocity = dynamics.flow(point, state)
                reason = self.until.reason(n_steps, state, velocity, energies)
            if reason is not None:
                require_finite(state, n_steps)
                yield Settled(state, n_steps, reason, energies)
                return
            state, dt = self._step(dynamics, point, state, velocity, dt)
            n_steps += 1

    @abstractmethod
    def _step(
        self, dynamics: AbstractFlow, point: Any, state: State, velocity: State, dt: float
    ) -> tuple[State, float]:
        """The state after one step from ``state``, and the length of the next step."""


def require_finite(state: State, n_steps: int) -> None:
    """Refuse to hand on a state that is not finite.

    Raises:
        Diverged: naming the part of the state.
    """
    for name, group in state.items():
        if not all(bool(tensor.isfinite().all()) for tensor in group):
            raise Diverged(f"the state {name!r} holds values that are not finite", n_steps)


def _along(state: State, dt: float, velocity: State) -> State:
    return map_state(lambda s, v: s + dt * v, state, velocity)


@final
@dataclass(frozen=True)
class Euler(_Explicit):
    """Explicit Euler, order 1: ``s + dt k1``."""

    def _step(self, dynamics, point, state, velocity, dt):
        return _along(state, dt, velocity), dt


@final
@dataclass(frozen=True)
class Heun(_Explicit):
    """Heun's trapezoid, order 2: ``s + dt (k1 + k2) / 2``."""

    def _step(self, dynamics, point, state, velocity, dt):
        end = dynamics.flow(point, _along(state, dt, velocity))
        return map_state(lambda s, a, b: s + dt / 2 * (a + b), state, velocity, end), dt


@final
@dataclass(frozen=True)
class RK4(_Explicit):
    """The classical Runge-Kutta method, order 4."""

    def _step(self, dynamics, point, state, velocity, dt):
        k2 = dynamics.flow(point, _along(state, dt / 2, velocity))
        k3 = dynamics.flow(point, _along(state, dt / 2, k2))
        k4 = dynamics.flow(point, _along(state, dt, k3))
        return map_state(
            lambda s, a, b, c, d: s + dt / 6 * (a + 2 * b + 2 * c + d), state, velocity, k2, k3, k4
        ), dt


@final
@dataclass(frozen=True)
class AdaptiveHeun(_Explicit):
    """Heun with Euler embedded: a step is retried until its error is within tolerance.

    The error estimate ``dt (k2 - k1) / 2`` is held to ``atol + rtol rms(state)``; steps grow and
    shrink by at most ``max_factor``. ``dt`` is the first step.
    """

    rtol: float = 1e-3
    atol: float = 1e-9
    max_factor: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rtol < 0 or self.atol < 0 or self.rtol + self.atol == 0:
            raise ValueError(
                f"rtol and atol must be non-negative and not both 0, got {self.rtol}, {self.atol}"
            )
        if isinstance(self.until, Steady) and self.until.rtol < self.rtol:
            # Near a fixed point the step grows to the edge of stability, where the velocity
            # hovers at about the tolerance.
            raise ValueError(
                f"AdaptiveHeun(rtol={self.rtol}) cannot reach Steady(rtol={self.until.rtol}): "
                "the solver's rtol must not exceed the criterion's"
            )

    def _step(self, dynamics, point, state, velocity, dt):
        allowed = self.atol + self.rtol * rms(state)
        for _ in range(_MAX_TRIES):
            end = dynamics.flow(point, _along(state, dt, velocity))
            error = dt / 2 * rms(map_state(lambda a, b: b - a, velocity, end))
            # Order of the embedded error is 2; .9 is the customary safety factor.
            factor = 0.9 * (allowed / error) ** 0.5 if error > 0 else self.max_factor
            factor = min(self.max_factor, max(1 / self.max_factor, factor))
            if error <= allowed:
                step = map_state(lambda s, a, b, h=dt: s + h / 2 * (a + b), state, velocity, end)
                return step, dt * factor
            dt *= min(factor, 0.9)
        raise ArithmeticError(
            f"AdaptiveHeun found no step within rtol={self.rtol}, atol={self.atol} in "
            f"{_MAX_TRIES} tries (last dt {dt:.2g}): loosen the tolerance, or look for a "
            "flow that is not finite"
        )


_MAX_TRIES = 50
