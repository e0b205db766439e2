"""Synapses that read averages over space: averaging is linear, and so a part of the synapse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.synapses import AbstractDense, AbstractSynapse


@dataclass(frozen=True)
class AveragedDense(AbstractDense):
    """All-to-all on the mean over space of each channel, ``a = W <x> + b``, for maps of any size.

    Weight ``(n_out, n_in)``.

    Args:
        n_in: channels.
    """

    def out_features(self, in_features: Sequence[int]) -> tuple[int, ...]:
        if len(in_features) != 3 or in_features[0] != self.n_in or 0 in in_features:
            raise self._refuse_inputs(f"({self.n_in}, height, width)", in_features)
        return (self.n_out,)

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        self.check_forward(x, weight)
        return F.linear(x.mean((2, 3)), weight, bias)

    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        self.check_sides(like.shape[1:], post.shape[1:])
        spread = post.mm(weight)[..., None, None].expand_as(like)
        return spread / (like.shape[2] * like.shape[3])

    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        post = post.to(pre.dtype)
        self.check_sides(pre.shape[1:], post.shape[1:])
        return post.t().mm(pre.mean((2, 3))), post.sum(0)


@dataclass(frozen=True)
class AveragePooled(AbstractSynapse):
    """A synapse on the means of ``side x side`` windows, ``a = W <x>_side + b``.

    Args:
        inner: the synapse that reads the means; its weight is this one's.
        side: of a window, which is also the stride; a rest at the border is left out.
    """

    inner: AbstractSynapse
    side: int

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return self.inner.weight_shape

    @property
    def fan_in(self) -> int:
        return self.inner.fan_in

    def _pooled(self, in_features: Sequence[int]) -> tuple[int, ...]:
        if len(in_features) != 3 or min(in_features[1:]) < self.side:
            raise self._refuse_inputs(
                f"(channels, height, width) of at least {self.side}", in_features
            )
        channels, *space = in_features
        return channels, *(size // self.side for size in space)

    def out_features(self, in_features: Sequence[int]) -> tuple[int, ...]:
        return self.inner.out_features(self._pooled(in_features))

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        self.check_forward(x, weight)
        return self.inner.forward(F.avg_pool2d(x, self.side), weight, bias)

    def carry_back(self, post: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        self.check_sides(like.shape[1:], post.shape[1:])
        pooled = post.new_empty(1).expand(len(like), *self._pooled(like.shape[1:]))
        error = self.inner.carry_back(post, weight, pooled)
        # The very operator that autograd calls, so that the two agree to the bit.
        side = [self.side, self.side]
        return torch.ops.aten.avg_pool2d_backward(
            error, like, side, side, [0, 0], False, True, None
        )

    def correlate(self, pre: Tensor, post: Tensor) -> tuple[Tensor, Tensor]:
        self.check_sides(pre.shape[1:], post.shape[1:])
        return self.inner.correlate(F.avg_pool2d(pre, self.side), post)
