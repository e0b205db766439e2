"""When to stop a relaxation. A criterion always says why it stopped.

Each criterion has a horizon: no solve runs for ever, and a solve that met its horizon says so
instead of passing for settled. No criterion is met by a state that is not finite, nor by a step
that raises an energy which the flow descends: those are ``Diverged``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from neurosim.dynamics import AbstractDynamics, AbstractEnergy, AbstractFlow
from neurosim.naming.settings import require_count
from neurosim.types import State, rms


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be positive, got {value}")


class Diverged(ArithmeticError):
    """A relaxation that runs away from its fixed point."""

    def __init__(self, what: str, n_steps: int) -> None:
        super().__init__(
            f"diverged: {what} after {n_steps} steps: use a smaller dt, or look for an input, a "
            "weight or a precision that is too large or not finite"
        )


class AbstractCriterion(ABC):
    """Decides, after each step, whether a solve is over."""

    needs: ClassVar[type[AbstractDynamics]] = AbstractFlow

    max_steps: int

    @abstractmethod
    def reason(
        self, n_steps: int, state: State, velocity: State, energies: tuple[float, ...]
    ) -> str | None:
        """Why the solve is over in this state, or None to go on."""

    def horizon(self, n_steps: int) -> str | None:
        """The reason once max_steps is reached, else None."""
        return f"horizon: {self.max_steps} steps" if n_steps >= self.max_steps else None


@dataclass(frozen=True)
class Horizon(AbstractCriterion):
    """A fixed number of steps."""

    max_steps: int = 10

    def __post_init__(self) -> None:
        require_count("max_steps", self.max_steps)

    def reason(self, n_steps, state, velocity, energies) -> str | None:
        return self.horizon(n_steps)


@dataclass(frozen=True)
class Steady(AbstractCriterion):
    """Stops when the root mean square of d state / dt falls to atol + rtol rms(state)."""

    rtol: float = 1e-4
    atol: float = 1e-9
    max_steps: int = 1000

    def __post_init__(self) -> None:
        require_count("max_steps", self.max_steps)
        if self.rtol < 0 or self.atol < 0 or self.rtol + self.atol == 0:
            raise ValueError(
                f"rtol and atol must be non-negative and not both 0, got {self.rtol}, {self.atol}"
            )

    def reason(self, n_steps, state, velocity, energies) -> str | None:
        speed = rms(velocity)
        if not math.isfinite(speed):
            # Infinity would be steady where the state is infinite too.
            raise Diverged(f"the rms velocity is {speed}", n_steps)
        if speed <= self.atol + self.rtol * rms(state):
            return f"steady: rms velocity {speed:.2g} after {n_steps} steps"
        return self.horizon(n_steps)


@dataclass(frozen=True)
class EnergyPlateau(AbstractCriterion):
    """Stops when one step changes the energy by no more than rtol of its value.

    A step that raises it by more than that is too long for the flow, which only descends.

    Raises:
        Diverged: the energy rose.
    """

    needs: ClassVar[type[AbstractDynamics]] = AbstractEnergy

    rtol: float = 1e-6
    max_steps: int = 1000

    def __post_init__(self) -> None:
        require_count("max_steps", self.max_steps)
        _positive("rtol", self.rtol)

    def reason(self, n_steps, state, velocity, energies) -> str | None:
        if len(energies) > 1:
            before, now = energies[-2:]
            if now - before > self.rtol * abs(before):
                raise Diverged(f"the energy rose from {before:.6g} to {now:.6g}", n_steps)
            if before - now <= self.rtol * abs(before):
                return f"plateau: energy {now:.6g} after {n_steps} steps"
        return self.horizon(n_steps)
