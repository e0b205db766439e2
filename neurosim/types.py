"""The words of the abstraction: what evolves, what is clamped, what a synapse sees.

Axes are ``(batch, *features)``; spiking activity adds a leading ``time``. A state maps a
name ("errors", "values", "voltage") to one tensor a layer, in the order of the network's
layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from neurosim.synapses import AbstractSynapse

State = Mapping[str, tuple[Tensor, ...]]


@dataclass(frozen=True)
class Drive:
    """What is held fixed while the activity settles.

    x: input, ``(batch, *features)``.
    target: class indices, ``(batch,)`` int64, or what the loss of the dynamics takes; None where
        nothing is clamped at the output.
    generator: source of dropout masks and spikes; None draws nothing and refuses to.
    learning: True for the training-time response (batch statistics, dropout), False for the
        evaluation-time response (running statistics, no dropout).
    statistics: at evaluation, where normalisation takes mean and variance from, as the network
        names its sources; None: as accumulated.
    """

    x: Tensor
    target: Tensor | None = None
    generator: torch.Generator | None = None
    learning: bool = True
    statistics: Any = None

    def __post_init__(self) -> None:
        if self.target is not None and len(self.target) != len(self.x):
            raise ValueError(
                f"the drive has {len(self.x)} inputs but {len(self.target)} targets: "
                "give one target per input"
            )
        if self.learning and self.statistics is not None:
            raise ValueError(
                "a learning pass normalises by its own batch: give statistics with learning=False"
            )


@dataclass(frozen=True)
class LocalSignal:
    """All that one layer's synapses may see: their own two sides.

    pre: presynaptic activity, ``(batch, *in_features)``.
    post: the postsynaptic factor at the synapse's output, ``(batch, *out_features)``.
    offered: what else there is, by the words of ``AbstractDynamics.offers``.
    """

    pre: Tensor
    post: Tensor
    offered: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, word: str) -> Any:
        """What a plasticity needs, by its word.

        Raises:
            LookupError: nothing of that name was offered.
        """
        if word not in self.offered:
            raise LookupError(
                f"this local signal offers {', '.join(('pre', 'post', *self.offered))} and no "
                f"{word}: name it in needs, and let the dynamics offer it, "
                f"LocalSignal(pre, post, {{{word!r}: ...}})"
            )
        return self.offered[word]


@dataclass(frozen=True)
class Settled:
    """A state a solver hands to plasticity, and why it stopped there.

    energies holds the energy after each step (the initial state first) where the dynamics
    has one, summed over the batch; it is empty otherwise.
    """

    state: State
    n_steps: int
    reason: str
    energies: tuple[float, ...] = ()

    @property
    def climbed(self) -> bool:
        """Whether the solve ended above the energy it began with, which a flow only descends: its
        steps were too long. By more than .1 %, which no float32 sum over a batch errs by."""
        return len(self.energies) > 1 and not (
            self.energies[-1] <= self.energies[0] + 1e-3 * abs(self.energies[0])
        )


@runtime_checkable
class LayerLike(Protocol):
    """One synapse with its parameters: what plasticity changes."""

    @property
    def name(self) -> str:
        """The name under which changes are reported."""
        ...

    @property
    def synapse(self) -> AbstractSynapse:
        """The geometry of its linear map."""
        ...

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        """Parameter name -> tensor; "weight" and, where present, "bias" and gains."""
        ...


class NetworkLike(Protocol):
    """A chain of layers."""

    @property
    def layers(self) -> Sequence[LayerLike]: ...


def map_state(function, *states: State) -> dict[str, tuple[Tensor, ...]]:
    """Apply function to the matching tensors of one or several states."""
    return {
        name: tuple(function(*tensors) for tensors in zip(*(s[name] for s in states), strict=True))
        for name in states[0]
    }


def tensors(state: State) -> Iterator[Tensor]:
    """Every tensor of a state."""
    for group in state.values():
        yield from group


def in_float64(tensor: Tensor) -> Tensor:
    """For sums that must not lose digits. On the CPU where the device may lack float64, as MPS."""
    return (tensor if tensor.device.type in ("cpu", "cuda") else tensor.cpu()).double()


def varies(x: Tensor) -> Tensor:
    """Which columns of ``(n, m)`` differ between rows by more than what float32 rounds by,
    ``(m,)`` bool: the mean of equal numbers is off by rounding, which no division may blow up."""
    low, high = x.aminmax(dim=0)
    return high - low > 1e-6 * torch.maximum(low.abs(), high.abs())


def rms(state: State) -> float:
    """Root mean square over all elements of a state; 0.0 for an empty one."""
    total, count = 0.0, 0
    for tensor in tensors(state):
        total += float(in_float64(tensor).square().sum())
        count += tensor.numel()
    return (total / count) ** 0.5 if count else 0.0
