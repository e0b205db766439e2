"""Synapse geometries: the three linear maps that every learning rule is made of.

A synapse carries activity forward, ``a = W x + b``; carries an error back through a weight of
the same shape, ``V^T d`` (``V`` is ``W`` for backpropagation, a fixed random tensor for
feedback alignment); and correlates its two sides into the shape of the weight,
``sum_batch d x^T``. Convolutional geometries keep one value per (out, in, tap).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

from neurosim.naming.settings import require_count


class AbstractSynapse(ABC):
    """A linear map with a weight; stateless, so that weights can be exchanged.

    Sizes that do not fit raise a ``ValueError`` that names both, before any of the three maps runs.
    """

    def __post_init__(self) -> None:
        for each in (f for f in fields(self) if f.type in (int, "int")):  # type: ignore[arg-type]
            least = 0 if each.name == "padding" else 1
            require_count(f"{type(self).__name__}: {each.name}", getattr(self, each.name), least)

    @property
    @abstractmethod
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight, output axis first."""

    @property
    @abstractmethod
    def fan_in(self) -> int:
        """Number of inputs that one output unit sums."""

    @abstractmethod
    def out_features(self, in_features: Sequence[int]) -> tuple[int, ...]:
        """Axes of the output of one image from those of its input.

        Raises:
            ValueError: inputs that this synapse does not take.
        """

    def check_sides(self, pre: Sequence[int], post: Sequence[int]) -> None:
        """Refuse presynaptic and postsynaptic axes (batch left out) that it does not join."""
        try:
            gives = f"gives {self.out_features(pre)} for that input"
            fits = self.out_features(pre) == tuple(post)
        except ValueError:
            gives, fits = "does not take that input", False
        if not fits:
            raise ValueError(
                f"a presynaptic side of {tuple(pre)} and a postsynaptic side of {tuple(post)} do "
                f"not fit {self!r}, which {gives}: check which side is which, or build another "
                "synapse"
            )

    def check_forward(self, x: Tensor, weight: Tensor) -> None:
        """Refuse an input or a weight of another shape, and two that do not share a dtype."""
        if x.dtype != weight.dtype or x.layout is not torch.strided:
            raise TypeError(
                f"the input is {x.dtype} ({x.layout}) and the weight {weight.dtype}: give a dense "
                f"input of that dtype, for example x.to({weight.dtype})"
            )
        self.out_features(x.shape[1:])
        self.check_weight(weight)

    def check_weight(self, weight: Tensor) -> None:
        """Refuse a weight of another shape."""
        if tuple(weight.shape) != self.weight_shape:
            raise ValueError(
                f"{self!r} has a weight of shape {self.weight_shape}, got {tuple(weight.shape)}"
            )

    def _refuse_inputs(self, allowed: str, in_features: Sequence[int]) -> ValueError:
        return ValueError(
            f"{self!r} takes inputs of {allowed}, got {tuple(in_features)}: build one for that size"
        )

    @abstractmethod
    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Current ``a = W x + b`` at the postsynaptic side."""

    @abstractmethod
    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        """``V^T post`` in the shape of ``like`` (the presynaptic activity)."""

    @abstractmethod
    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        """``(sum post pre^T, sum post)`` over batch and space: shapes of weight and bias.

        The dtype of pre is that of the sums: spikes may come as bytes.
        """


@dataclass(frozen=True)
class AbstractDense(AbstractSynapse):
    """Every input with every output, whatever an input is: weight ``(n_out, n_in)``."""

    n_in: int
    n_out: int

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_out, self.n_in)

    @property
    def fan_in(self) -> int:
        return self.n_in


@dataclass(frozen=True)
class Dense(AbstractDense):
    """All-to-all: ``a = x W^T + b`` on the flattened input. Weight ``(n_out, n_in)``."""

    def out_features(self, in_features: Sequence[int]) -> tuple[int, ...]:
        if math.prod(in_features) != self.n_in:
            raise self._refuse_inputs(f"{self.n_in} units", in_features)
        return (self.n_out,)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        self.check_forward(x, weight)
        return F.linear(x.flatten(1), weight, bias)

    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        self.check_sides(like.shape[1:], post.shape[1:])
        return post.mm(weight).view_as(like)

    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        post = post.to(pre.dtype)
        self.check_sides(pre.shape[1:], post.shape[1:])
        return post.t().mm(pre.flatten(1)), post.sum(0)


@dataclass(frozen=True)
class _Convolution(AbstractSynapse):
    """Cross-correlation along ``n_axes``; weight ``(n_out, n_in / groups, kernel, ...)``."""

    n_axes: ClassVar[int]

    n_in: int
    n_out: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_in % self.groups or self.n_out % self.groups:
            raise ValueError(
                f"groups must divide n_in and n_out, got {self.groups} of {self.n_in} and "
                f"{self.n_out}"
            )

    def out_features(self, in_features: Sequence[int]) -> tuple[int, ...]:
        reach = self.dilation * (self.kernel - 1) + 1 - 2 * self.padding
        space = tuple((size - reach) // self.stride + 1 for size in in_features[1:])
        fits = len(in_features) == 1 + self.n_axes and in_features[0] == self.n_in
        if not fits or any(size < 1 for size in space):
            axes = f", at least {max(1, reach)}" * self.n_axes
            raise self._refuse_inputs(f"({self.n_in}{axes})", in_features)
        return self.n_out, *space

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_out, self.n_in // self.groups, *(self.kernel,) * self.n_axes)

    @property
    def fan_in(self) -> int:
        return self.n_in // self.groups * self.kernel**self.n_axes

    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        return self._backward(post, like, weight, (True, False, False))[0]

    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        post = post.to(pre.dtype)
        # The operator asks for a weight only to read its shape here.
        shape_only = post.new_empty(1).expand(self.weight_shape)
        _, weight, bias = self._backward(post, pre, shape_only, (False, True, True))
        return weight, bias

    def _backward(
        self, post: Tensor, pre: Tensor, weight: Tensor, mask: tuple[bool, bool, bool]
    ) -> tuple[Tensor, Tensor, Tensor]:
        self.check_sides(pre.shape[1:], post.shape[1:])
        # The very operator that autograd calls, so that the two agree to the bit.
        return torch.ops.aten.convolution_backward(
            post,
            pre,
            weight,
            [self.n_out],
            [self.stride] * self.n_axes,
            [self.padding] * self.n_axes,
            [self.dilation] * self.n_axes,
            False,
            [0] * self.n_axes,
            self.groups,
            list(mask),
        )


@dataclass(frozen=True)
class Conv2d(_Convolution):
    """2-D cross-correlation. Weight ``(n_out, n_in / groups, kernel, kernel)``."""

    n_axes: ClassVar[int] = 2

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        self.check_forward(x, weight)
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


@dataclass(frozen=True)
class Conv1d(_Convolution):
    """1-D cross-correlation. Weight ``(n_out, n_in / groups, kernel)``."""

    n_axes: ClassVar[int] = 1

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        self.check_forward(x, weight)
        return F.conv1d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


@dataclass(frozen=True)
class LocallyConnected2d(AbstractSynapse):
    """A convolution whose weights are not shared: every place has its own filters.

    Weight ``(n_out, out_height, out_width, n_in, kernel, kernel)``, bias
    ``(n_out, out_height, out_width)``.

    Args:
        height, width: of the input, which fixes the number of places.
    """

    n_in: int
    n_out: int
    height: int
    width: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0

    @property
    def places(self) -> tuple[int, int]:
        """``(out_height, out_width)``."""
        reach = 2 * self.padding - self.kernel
        return (self.height + reach) // self.stride + 1, (self.width + reach) // self.stride + 1

    def out_features(self, in_features: Sequence[int]) -> tuple[int, ...]:
        own = (self.n_in, self.height, self.width)
        if tuple(in_features) != own:
            raise self._refuse_inputs(f"{own}", in_features)
        return self.n_out, *self.places

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_out, *self.places, self.n_in, self.kernel, self.kernel)

    @property
    def fan_in(self) -> int:
        return self.n_in * self.kernel**2

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        self.check_forward(x, weight)
        own = weight.reshape(self.n_out, -1, self.fan_in)
        out = torch.einsum("bfp,opf->bop", self._patches(x), own).unflatten(2, self.places)
        return out if bias is None else out + bias

    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        self.check_sides(like.shape[1:], post.shape[1:])
        own = weight.reshape(self.n_out, -1, self.fan_in)
        patches = torch.einsum("bop,opf->bfp", post.flatten(2), own)
        size = (self.height, self.width)
        return F.fold(patches, size, self.kernel, padding=self.padding, stride=self.stride)

    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        post = post.to(pre.dtype)
        self.check_sides(pre.shape[1:], post.shape[1:])
        weight = torch.einsum("bop,bfp->opf", post.flatten(2), self._patches(pre))
        return weight.reshape(self.weight_shape), post.sum(0)

    def _patches(self, x: Tensor) -> Tensor:
        """What each place sees, ``(batch, n_in kernel kernel, places)``."""
        return F.unfold(x, self.kernel, padding=self.padding, stride=self.stride)


@dataclass(frozen=True)
class ConvTranspose2d(AbstractSynapse):
    """Transposed 2-D convolution (a generative map). Weight ``(n_in, n_out, kernel, kernel)``."""

    n_in: int
    n_out: int
    kernel: int = 4
    stride: int = 2
    padding: int = 1

    def out_features(self, in_features: Sequence[int]) -> tuple[int, ...]:
        reach = self.kernel - 2 * self.padding
        space = tuple((size - 1) * self.stride + reach for size in in_features[1:])
        if len(in_features) != 3 or in_features[0] != self.n_in or any(size < 1 for size in space):
            raise self._refuse_inputs(f"({self.n_in}, height, width)", in_features)
        return self.n_out, *space

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_in, self.n_out, self.kernel, self.kernel)

    @property
    def fan_in(self) -> int:
        # Each output pixel sums (kernel / stride)^2 taps of every input channel.
        return max(1, self.n_in * self.kernel**2 // self.stride**2)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        self.check_forward(x, weight)
        return F.conv_transpose2d(x, weight, bias, self.stride, self.padding)

    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        self.check_sides(like.shape[1:], post.shape[1:])
        return F.conv2d(post, weight, None, self.stride, self.padding)

    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        post = post.to(pre.dtype)
        self.check_sides(pre.shape[1:], post.shape[1:])
        # The adjoint of a transposed convolution swaps the two sides of the convolution.
        weight = conv2d_weight(post, self.weight_shape, pre, self.stride, self.padding)
        return weight, post.sum((0, 2, 3))
