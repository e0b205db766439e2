"""Normalisation whose statistics are an argument, never a hidden mode.

    y = gamma (a - mean) / sqrt(var + eps) + beta

Batch normalisation (Ioffe & Szegedy 2015, arXiv 1502.03167) takes mean and var from other images
than the one at hand. Where they come from decides much of a network's representational geometry,
so the caller always says: ``Batch``, ``Running`` (as accumulated), ``Fixed`` (given) or
``Accumulate`` (as ``Batch``, and move tensors of one's own). None of them moves the layer's own
running statistics: a learning pass notes what becomes of them (``of_batch``) and has the layer take
it up at its end (``take_up``).

Group normalisation (Wu & He 2018, doi:10.1007/978-3-030-01261-8_1) and layer normalisation over a
map (Ba, Kiros & Hinton 2016, arXiv 1607.06450) take them from the image itself: they keep no
statistics, and every source gives the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurosim.naming.choices import Choices, shown
from neurosim.naming.made import bound
from neurosim.naming.settings import require_count


@dataclass(frozen=True)
class Running:
    """The accumulated statistics; (0, 1) in a network that has seen no batch."""


@dataclass(frozen=True)
class Fixed:
    """Given statistics, ``(channels,)`` each; nothing is read from or written to the layer."""

    mean: Tensor
    var: Tensor


@dataclass(frozen=True)
class Accumulate:
    """Statistics of the batch at hand; these tensors, not the layer's, move by ``momentum``."""

    mean: Tensor
    var: Tensor


@dataclass(frozen=True)
class Batch:
    """Statistics of the batch at hand, under which dropout acts: what a learning pass uses.

    note: tensors that move by ``momentum``; None: none.
    """

    note: Accumulate | None = None


Statistics = Batch | Running | Fixed | Accumulate
#: One source for all layers, or one a layer by name.
StatisticsOf = Statistics | Mapping[str, Statistics]


def statistics_for(layer_name: str, statistics: StatisticsOf) -> Statistics:
    """The source of statistics for one layer."""
    return statistics[layer_name] if isinstance(statistics, Mapping) else statistics


def of_the_batch(statistics: Statistics) -> bool:
    """Whether features under this source depend on the batch they come in."""
    return isinstance(statistics, Batch | Accumulate)


def require_features(statistics: StatisticsOf) -> None:
    """Refuse statistics of the batch, which would make features depend on it.

    Raises:
        ValueError: naming what can be used.
    """
    sources = statistics.values() if isinstance(statistics, Mapping) else (statistics,)
    if any(map(of_the_batch, sources)):
        raise ValueError(
            "represent() refuses Batch statistics: features would depend on the batch "
            "they came in; use Running() or Fixed(mean, var)"
        )


class AbstractNorm(nn.Module, ABC):
    """A standardisation, then a gain ``gamma`` and an offset ``beta`` a channel.

    keeps_statistics: whether mean and var come from other images than the one at hand; if so,
        a constant added to a channel is cancelled, and a bias before it has no effect.
    """

    keeps_statistics: ClassVar[bool]

    def __init__(
        self,
        n_channels: int,
        *,
        eps: float = 1e-5,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.eps = eps
        kw: dict[str, Any] = {"device": device, "dtype": dtype}
        self.gamma = nn.Parameter(torch.ones(n_channels, **kw))
        self.beta = nn.Parameter(torch.zeros(n_channels, **kw))

    @abstractmethod
    def forward(self, a: Tensor, statistics: Statistics) -> Tensor:
        """``y`` for currents ``(batch, channels, height, width)``."""

    def of_batch(self) -> Batch:
        """Statistics of the batch at hand, with a note of what becomes of the running ones."""
        return Batch()

    def take_up(self, note: Accumulate) -> None:
        """Move the running statistics, where there are any, to those of a note."""

    def accumulate(self, a: Tensor) -> None:
        """Move the running statistics, where there are any, by those of the batch ``a``."""

    def statistics(self) -> dict[str, Tensor]:
        """The running statistics by name (not copied)."""
        return {}


@final
class BatchNorm(AbstractNorm):
    """Over batch and space, one mean and variance a channel."""

    keeps_statistics = True
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        n_channels: int,
        *,
        momentum: float = 0.1,
        eps: float = 1e-5,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(n_channels, eps=eps, device=device, dtype=dtype)
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros_like(self.gamma.detach()))
        self.register_buffer("running_var", torch.ones_like(self.gamma.detach()))

    def forward(self, a: Tensor, statistics: Statistics) -> Tensor:
        mean: Tensor | None
        var: Tensor | None
        match statistics:
            case Running():
                mean, var = self.running_mean, self.running_var
            case Batch(None):
                mean, var = None, None
            case Batch(Accumulate(mean, var)):
                pass
            case Fixed() | Accumulate():
                mean, var = statistics.mean, statistics.var
            case _:
                raise TypeError(
                    f"statistics must be Batch, Running, Fixed or Accumulate, got {statistics!r}"
                )
        return F.batch_norm(
            a, mean, var, self.gamma, self.beta,
            training=of_the_batch(statistics), momentum=self.momentum, eps=self.eps,
        )  # fmt: skip

    def of_batch(self) -> Batch:
        return Batch(Accumulate(self.running_mean.clone(), self.running_var.clone()))

    def take_up(self, note: Accumulate) -> None:
        self.running_mean.copy_(note.mean)
        self.running_var.copy_(note.var)

    def accumulate(self, a: Tensor) -> None:
        if not a.numel():
            raise ValueError(f"there are no statistics of a batch of shape {tuple(a.shape)}")
        torch.batch_norm_update_stats(a, self.running_mean, self.running_var, self.momentum)

    def statistics(self) -> dict[str, Tensor]:
        return {"running_mean": self.running_mean, "running_var": self.running_var}


@final
class GroupNorm(AbstractNorm):
    """Over space and groups of channels, one mean and variance an image and group.

    Args:
        n_groups: must divide ``n_channels``; 1: layer normalisation over the map.
    """

    keeps_statistics = False

    def __init__(self, n_channels: int, n_groups: int, **options: Any) -> None:
        super().__init__(n_channels, **options)
        require_count("n_groups", n_groups)
        if n_channels % n_groups:
            raise ValueError(
                f"{n_channels} channels cannot be split into {n_groups} groups: "
                "give a number that divides them"
            )
        self.n_groups = n_groups

    def forward(self, a: Tensor, statistics: Statistics) -> Tensor:
        return F.group_norm(a, self.n_groups, self.gamma, self.beta, self.eps)


#: Channels of one group: the second of the two settings that Wu & He 2018 recommend (the first,
#: 32 groups, would give every channel of Conv1 a group of its own).
CHANNELS_A_GROUP = 16


def group_norm(
    n_channels: int, *, n_groups: int | None = None, eps: float = 1e-5, **where: Any
) -> GroupNorm:
    """``GroupNorm``, by default of groups of ``CHANNELS_A_GROUP`` channels."""
    groups = max(1, n_channels // CHANNELS_A_GROUP) if n_groups is None else n_groups
    return GroupNorm(n_channels, groups, eps=eps, **where)


def layer_norm(n_channels: int, *, eps: float = 1e-5, **where: Any) -> GroupNorm:
    """Layer normalisation over the map: one group of all channels."""
    return GroupNorm(n_channels, 1, eps=eps, **where)


def no_norm(n_channels: int, **where: Any) -> None:
    """None: currents go to the activation as they are."""


#: Name -> builder of a convolution's normalisation from its number of channels and its settings;
#: it takes ``device`` and ``dtype`` too.
NORMS: Choices[Callable[..., AbstractNorm | None]] = Choices(
    "normalisation of the architecture",
    {"batch": BatchNorm, "group": group_norm, "layer": layer_norm, "none": no_norm},
    group="neurosim.norms",
)


def norm_of(what: Any, n_channels: int, **where: Any) -> AbstractNorm | None:
    """The normalisation of one layer, from a name, text with settings, class or function.

    Raises:
        ValueError: there is none of this name, or it makes something else.
    """
    found = bound(NORMS, what)
    norm = found.build(n_channels, **where)
    if norm is None or isinstance(norm, AbstractNorm):
        return norm
    raise ValueError(f"{found.name} makes {shown(norm)}: it has to be an AbstractNorm, or None")


def identity_statistics(norm: BatchNorm) -> Fixed:
    """Mean 0 and variance 1: normalisation switched off but for gamma and beta."""
    return Fixed(torch.zeros_like(norm.running_mean), torch.ones_like(norm.running_var))
