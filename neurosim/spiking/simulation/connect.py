"""Which neurons a projection joins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import ArrayLike

from neurosim.naming.settings import KnownSettings, require_count, unmasked
from neurosim.synapses import AbstractSynapse

Pairs = tuple[np.ndarray, np.ndarray]


class AbstractConnector(ABC):
    """A rule that lists the pairs (presynaptic, postsynaptic), one synapse each."""

    @abstractmethod
    def pairs(self, n_pre: int, n_post: int, generator: torch.Generator) -> Pairs:
        """Indices within both populations, int64, one entry per synapse."""


@final
@dataclass(frozen=True)
class AllToAll(AbstractConnector):
    """Every neuron with every other; sorted by presynaptic, then postsynaptic neuron.

    to_itself: whether a neuron of a recurrent projection may reach itself.
    """

    to_itself: bool = True

    def pairs(self, n_pre: int, n_post: int, generator: torch.Generator) -> Pairs:
        pre, post = np.divmod(np.arange(n_pre * n_post), n_post)
        return (pre, post) if self.to_itself else _apart(pre, post)


@final
@dataclass(frozen=True)
class OneToOne(AbstractConnector):
    """The i-th neuron with the i-th."""

    def pairs(self, n_pre: int, n_post: int, generator: torch.Generator) -> Pairs:
        if n_pre != n_post:
            raise ValueError(
                f"OneToOne joins populations of one size, got {n_pre} and {n_post}: use "
                "PairList(pre, post) to name the pairs"
            )
        return np.arange(n_pre), np.arange(n_pre)


@final
@dataclass(frozen=True)
class FixedProbability(KnownSettings, AbstractConnector):
    """Each pair with probability ``p``, independently (pairwise Bernoulli)."""

    p: float
    to_itself: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"p must lie between 0 and 1, got {self.p}")

    def pairs(self, n_pre: int, n_post: int, generator: torch.Generator) -> Pairs:
        rows = [
            np.flatnonzero(
                torch.rand(n_post, generator=generator, dtype=torch.float64).numpy() < self.p
            )
            for _ in range(n_pre)
        ]
        pre = np.repeat(np.arange(n_pre), [len(row) for row in rows])
        post = np.concatenate(rows)
        return (pre, post) if self.to_itself else _apart(pre, post)


@final
@dataclass(frozen=True)
class FixedInDegree(KnownSettings, AbstractConnector):
    """Exactly ``k`` different presynaptic neurons for every postsynaptic one."""

    k: int
    to_itself: bool = True

    def __post_init__(self) -> None:
        require_count("k", self.k)

    def pairs(self, n_pre: int, n_post: int, generator: torch.Generator) -> Pairs:
        free = n_pre if self.to_itself else n_pre - 1
        if self.k > free:
            raise ValueError(f"k={self.k} inputs per neuron were asked for, but there are {free}")
        chosen = [
            torch.randperm(free, generator=generator)[: self.k].numpy() for _ in range(n_post)
        ]
        post = np.repeat(np.arange(n_post), self.k)
        pre = np.concatenate(chosen)
        return (pre if self.to_itself else pre + (pre >= post)), post


@final
class PairList(AbstractConnector):
    """The pairs listed; one that stands there twice has two synapses.

    pre, post: indices within the two populations, one entry per synapse.
    """

    def __init__(self, pre: ArrayLike, post: ArrayLike) -> None:
        self.pre, self.post = _indices("pre", pre), _indices("post", post)
        if len(self.pre) != len(self.post):
            raise ValueError(
                f"pre and post must name one neuron each per synapse, got {len(self.pre)} and "
                f"{len(self.post)}"
            )

    def pairs(self, n_pre: int, n_post: int, generator: torch.Generator) -> Pairs:
        for name, given, n in (("pre", self.pre, n_pre), ("post", self.post, n_post)):
            if given.size and not (given.min() >= 0 and given.max() < n):
                odd = given[(given < 0) | (given >= n)][0]
                raise ValueError(f"{name} names neuron {odd} of a population of {n}")
        return self.pre, self.post


@final
class Geometry(AbstractConnector):
    """The pairs that a synapse of ``neurosim.synapses`` joins (convolutions, local patches), each
    a synapse of its own: weights are not shared.

    synapse: for example ``Conv2d(1, 4, 3)``. in_features: the shape of the presynaptic side.
    """

    def __init__(self, synapse: AbstractSynapse, in_features: tuple[int, ...]) -> None:
        if not isinstance(synapse, AbstractSynapse):
            raise TypeError(f"synapse must be an object such as Conv2d(1, 4, 3), got {synapse!r}")
        self.synapse, self.in_features = synapse, tuple(in_features)
        self.out_features = synapse.out_features(self.in_features)
        n_in, n_out = (int(np.prod(side)) for side in (self.in_features, self.out_features))
        weights = torch.zeros(synapse.weight_shape, dtype=torch.float64)
        pre, post, tap = [], [], []
        ones = torch.arange(1, weights.numel() + 1, dtype=torch.float64).view(weights.shape)
        for first in range(0, n_in, _AT_ONCE):
            which = range(first, min(first + _AT_ONCE, n_in))
            x = torch.zeros(len(which), n_in, dtype=torch.float64)
            x[range(len(which)), which] = 1
            out = synapse.forward(x.view(-1, *self.in_features), ones, None).reshape(len(which), -1)
            at, to = out.numpy().nonzero()
            pre.append(first + at)
            post.append(to)
            tap.append(out.numpy()[at, to].round().astype(np.int64) - 1)
        self.pre, self.post = np.concatenate(pre), np.concatenate(post)
        #: The entry of the flattened weight that each synapse has in the geometry.
        self.tap = np.concatenate(tap)
        self._sizes = n_in, n_out

    def spread(self, weight: Any) -> np.ndarray:
        """One weight per synapse from a shared one, ``synapse.weight_shape``."""
        given = torch.as_tensor(weight, dtype=torch.float64)
        self.synapse.check_weight(given)
        return given.reshape(-1).numpy()[self.tap]

    def pairs(self, n_pre: int, n_post: int, generator: torch.Generator) -> Pairs:
        if (n_pre, n_post) != self._sizes:
            raise ValueError(
                f"{self.synapse} on {self.in_features} joins {self._sizes[0]} neurons to "
                f"{self._sizes[1]}, but the populations have {n_pre} and {n_post}"
            )
        return self.pre, self.post


#: Inputs that are sent through a geometry at once.
_AT_ONCE = 256


def _apart(pre: np.ndarray, post: np.ndarray) -> Pairs:
    return pre[pre != post], post[pre != post]


def _indices(name: str, given: ArrayLike) -> np.ndarray:
    values = np.atleast_1d(unmasked(name, given))
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise TypeError(f"{name} must be whole numbers, one per synapse, got {given!r}")
    return values.astype(np.int64)
