"""Synapse geometries: the three linear maps that every learning rule is made of.

A synapse carries activity forward, ``a = W x + b``; carries an error back through a weight of
the same shape, ``V^T d`` (``V`` is ``W`` for backpropagation, a fixed random tensor for
feedback alignment); and correlates its two sides into the shape of the weight,
``sum_batch d x^T``. Convolutional geometries keep one value per (out, in, tap).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight


class AbstractSynapse(ABC):
    """A linear map with a weight; stateless, so that weights can be exchanged."""

    @property
    @abstractmethod
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight, output axis first."""

    @property
    @abstractmethod
    def fan_in(self) -> int:
        """Number of inputs that one output unit sums."""

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
class Dense(AbstractSynapse):
    """All-to-all: ``a = x W^T + b`` on the flattened input. Weight ``(n_out, n_in)``."""

    n_in: int
    n_out: int

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_out, self.n_in)

    @property
    def fan_in(self) -> int:
        return self.n_in

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x.flatten(1), weight, bias)

    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        return post.mm(weight).view_as(like)

    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        post = post.to(pre.dtype)
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
        return F.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


@dataclass(frozen=True)
class Conv1d(_Convolution):
    """1-D cross-correlation. Weight ``(n_out, n_in / groups, kernel)``."""

    n_axes: ClassVar[int] = 1

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
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

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_out, *self.places, self.n_in, self.kernel, self.kernel)

    @property
    def fan_in(self) -> int:
        return self.n_in * self.kernel**2

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        own = weight.reshape(self.n_out, -1, self.fan_in)
        out = torch.einsum("bfp,opf->bop", self._patches(x), own).unflatten(2, self.places)
        return out if bias is None else out + bias

    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        own = weight.reshape(self.n_out, -1, self.fan_in)
        patches = torch.einsum("bop,opf->bfp", post.flatten(2), own)
        size = (self.height, self.width)
        return F.fold(patches, size, self.kernel, padding=self.padding, stride=self.stride)

    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        post = post.to(pre.dtype)
        weight = torch.einsum("bop,bfp->opf", post.flatten(2), self._patches(pre))
        return weight.reshape(self.weight_shape), post.sum(0)

    def _patches(self, x: Tensor) -> Tensor:
        """What each place sees, ``(batch, n_in kernel kernel, places)``."""
        if tuple(x.shape[1:]) != (self.n_in, self.height, self.width):
            raise ValueError(
                f"a locally connected synapse of {self.n_in} x {self.height} x {self.width} inputs "
                f"got {tuple(x.shape[1:])}: build one for that size"
            )
        return F.unfold(x, self.kernel, padding=self.padding, stride=self.stride)


@dataclass(frozen=True)
class ConvTranspose2d(AbstractSynapse):
    """Transposed 2-D convolution (a generative map). Weight ``(n_in, n_out, kernel, kernel)``."""

    n_in: int
    n_out: int
    kernel: int = 4
    stride: int = 2
    padding: int = 1

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.n_in, self.n_out, self.kernel, self.kernel)

    @property
    def fan_in(self) -> int:
        # Each output pixel sums (kernel / stride)^2 taps of every input channel.
        return max(1, self.n_in * self.kernel**2 // self.stride**2)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.conv_transpose2d(x, weight, bias, self.stride, self.padding)

    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        return F.conv2d(post, weight, None, self.stride, self.padding)

    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        post = post.to(pre.dtype)
        # The adjoint of a transposed convolution swaps the two sides of the convolution.
        weight = conv2d_weight(post, self.weight_shape, pre, self.stride, self.padding)
        return weight, post.sum((0, 2, 3))
