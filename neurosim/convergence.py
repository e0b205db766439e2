"""When to stop a relaxation. A criterion always says why it stopped.

Each criterion has a horizon: no solve runs for ever, and a solve that met its horizon says so
instead of passing for settled.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from neurosim.dynamics import AbstractDynamics, AbstractEnergy, AbstractFlow
from neurosim.types import State, rms


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be positive, got {value}")


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
        _positive("max_steps", self.max_steps)

    def reason(self, n_steps, state, velocity, energies) -> str | None:
        return self.horizon(n_steps)


@dataclass(frozen=True)
class Steady(AbstractCriterion):
    """Stops when the root mean square of d state / dt falls to atol + rtol rms(state)."""

    rtol: float = 1e-4
    atol: float = 1e-9
    max_steps: int = 1000

    def __post_init__(self) -> None:
        _positive("max_steps", self.max_steps)
        if self.rtol < 0 or self.atol < 0 or self.rtol + self.atol == 0:
            raise ValueError(
                f"rtol and atol must be non-negative and not both 0, got {self.rtol}, {self.atol}"
            )

    def reason(self, n_steps, state, velocity, energies) -> str | None:
        speed = rms(velocity)
        if speed <= self.atol + self.rtol * rms(state):
            return f"steady: rms velocity {speed:.2g} after {n_steps} steps"
        return self.horizon(n_steps)


@dataclass(frozen=True)
class EnergyPlateau(AbstractCriterion):
    """Stops when one step lowers the energy by no more than rtol of its value."""

    needs: ClassVar[type[AbstractDynamics]] = AbstractEnergy

    rtol: float = 1e-6
    max_steps: int = 1000

    def __post_init__(self) -> None:
        _positive("max_steps", self.max_steps)
        _positive("rtol", self.rtol)

    def reason(self, n_steps, state, velocity, energies) -> str | None:
        if len(energies) > 1:
            before, now = energies[-2:]
            if before - now <= self.rtol * abs(before):
                return f"plateau: energy {now:.6g} after {n_steps} steps"
        return self.horizon(n_steps)
