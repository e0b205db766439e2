"""The shared architecture: layers made of one synapse and one response.

    a_l = W_l x_source + b_l                        synapse: linear, where alone rules disagree
    x_l = drop(pool(f(normalise(a_l) + z_l)))       response: the same for every rule
    z_l = sum of the outputs that layer l adds      identity projections of fixed unit weight

A layer is linearised once a batch; a linearisation pulls errors back through the response, to
the synapse and to what was added, and leaves the way back through the synapse to the rule's
feedback.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurosim.models.network.normalisation import (
    AbstractNorm,
    Batch,
    Running,
    Statistics,
    statistics_for,
)
from neurosim.naming.settings import require_count
from neurosim.synapses import AbstractSynapse, Dense
from neurosim.types import Drive

Activation = Callable[[Tensor], Tensor]


def identity(a: Tensor) -> Tensor:
    """f(a) = a."""
    return a


class Layer(nn.Module):
    """One synapse and the response of its postsynaptic units.

    Weights and bias start as ``U(-1/sqrt(fan_in), 1/sqrt(fan_in))`` (the default of torch).

    Args:
        name: the name under which activations and changes are reported.
        synapse: geometry of the linear map.
        activation: pointwise function ``f``.
        norm: normalisation between synapse and ``f``, or None.
        pool: side of the max-pooling window, 1 for none.
        dropout: probability that an output is silenced at learning time.
        source: name of the layer whose output the synapse reads; None: the layer before, or the
            input of the network for its first layer.
        added: names of the layers whose outputs are added to the normalised current. They must
            have its shape: a shortcut to another shape is a layer of its own with ``f = identity``.
        generator: source of the initial weights.
    """

    def __init__(
        self,
        name: str,
        synapse: AbstractSynapse,
        *,
        activation: Activation = torch.relu,
        norm: AbstractNorm | None = None,
        pool: int = 1,
        dropout: float = 0.0,
        bias: bool = True,
        source: str | None = None,
        added: Sequence[str] = (),
        generator: torch.Generator,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= dropout < 1:
            raise ValueError(f"layer {name}: dropout must lie in [0, 1), got {dropout}")
        self.name, self.synapse, self.activation = name, synapse, activation
        require_count(f"layer {name}: pool", pool)
        self.norm, self.pool, self.dropout = norm, pool, dropout
        self.source, self.added = source, tuple(added)
        bound = 1 / math.sqrt(synapse.fan_in)

        def uniform(shape: tuple[int, ...]) -> nn.Parameter:
            # Drawn on the generator's device: the same numbers wherever the network lives.
            draw = torch.empty(shape, dtype=dtype, device=generator.device)
            return nn.Parameter(draw.uniform_(-bound, bound, generator=generator).to(device))

        self.weight = uniform(synapse.weight_shape)
        n_out = synapse.weight_shape[0]
        self.bias = uniform((n_out,)) if bias else None

    @property
    def is_dense(self) -> bool:
        """Whether its units have no place: one weight for each pair of input and output."""
        return len(self.synapse.weight_shape) == 2

    def plastic_parameters(self) -> Mapping[str, Tensor]:
        """Weight, bias and normalisation gain by the names that changes carry."""
        named: dict[str, Tensor] = {"weight": self.weight}
        if self.bias is not None:
            named["bias"] = self.bias
        return {**named, **self.gain_parameters()}

    def gain_parameters(self) -> dict[str, Tensor]:
        """Parameters of the response: gamma and beta where there is a normalisation."""
        return {} if self.norm is None else {"gamma": self.norm.gamma, "beta": self.norm.beta}

    def current(self, x: Tensor) -> Tensor:
        """``a = W x + b``."""
        return self.synapse.forward(x, self.weight, self.bias)

    def respond(
        self,
        a: Tensor,
        statistics: Statistics,
        generator: torch.Generator | None = None,
        added: Tensor | None = None,
    ) -> Tensor:
        """Everything after the synapse; dropout acts only under ``Batch`` statistics."""
        return self.hand_on(self.units(a, statistics, added), statistics, generator)

    def units(self, a: Tensor, statistics: Statistics, added: Tensor | None = None) -> Tensor:
        """The activity of the units themselves, ``f(normalise(a) + z)``, in the shape of ``a``."""
        return self.excite(a if self.norm is None else self.norm(a, statistics), added)

    def excite(self, normalised: Tensor, added: Tensor | None) -> Tensor:
        """``f(normalised + z)``.

        Raises:
            ValueError: what is added has another shape than the current.
        """
        if added is None:
            return self.activation(normalised)
        if added.shape != normalised.shape:
            raise ValueError(
                f"layer {self.name} adds {' and '.join(self.added)} of shape "
                f"{tuple(added.shape[1:])} to a current of shape {tuple(normalised.shape[1:])}: "
                "add a layer that projects to that shape, Layer(..., activation=identity)"
            )
        return self.activation(normalised + added)

    def hand_on(
        self, x: Tensor, statistics: Statistics, generator: torch.Generator | None = None
    ) -> Tensor:
        """What the layer above receives of the units: pooled, some of it dropped out."""
        if self.pool > 1:
            x = max_pool(x, self.pool)
        if self.dropout and isinstance(statistics, Batch):
            x = x * self.keep_mask(x, generator)
        return x

    def keep_mask(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """A dropout mask in the shape of ``x``: 0, or ``1 / (1 - dropout)``."""
        if generator is None:
            raise ValueError(
                f"layer {self.name} drops out {self.dropout:.0%} of its units and needs a "
                "generator: give Drive(..., generator=torch.Generator().manual_seed(0))"
            )
        keep = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=generator.device)
        return (keep >= self.dropout).to(x) / (1 - self.dropout)

    def statistics_in(self, drive: Drive) -> Statistics:
        """The source of statistics of a pass: the batch while learning, else the running ones."""
        if not drive.learning:
            return statistics_for(self.name, drive.statistics or Running())
        return Batch() if self.norm is None else self.norm.of_batch()

    def adapt(self, statistics: Statistics) -> None:
        """Take up what a learning pass under ``statistics`` has noted."""
        if self.norm is not None and isinstance(statistics, Batch) and statistics.note is not None:
            self.norm.take_up(statistics.note)


class Pulled(NamedTuple):
    """An error pulled back through a response, ``D^T error``.

    delta: the error at the synapse, in the shape of its current.
    gain: the changes of gamma and beta.
    added: the error at the added current; None where nothing is added.
    """

    delta: Tensor
    gain: dict[str, Tensor]
    added: Tensor | None


def pull_back(
    out: Tensor, current: Tensor, added: Tensor | None, gains: Mapping[str, Tensor], error: Tensor
) -> Pulled:
    """``error`` at ``out``, pulled back to what ``out`` was made of."""
    if out is current:
        return Pulled(error, {}, None)
    leaves = [current, *gains.values(), *([] if added is None else [added])]
    delta, *rest = torch.autograd.grad(out, leaves, error, retain_graph=True)
    at_added = None if added is None else rest.pop()
    return Pulled(delta, dict(zip(gains, rest, strict=True)), at_added)


class Swept:
    """A layer at one presynaptic activity.

    Attributes:
        pre: presynaptic activity, ``(batch, *in_features)``.
        out: the layer's output, ``(batch, *out_features)``.
        units: the activity of its units before pooling, in the shape of its current.
    """

    def __init__(
        self, layer: Layer, pre: Tensor, drive: Drive, added: Tensor | None = None
    ) -> None:
        self.layer, self.pre, self._statistics = layer, pre, layer.statistics_in(drive)
        self._respond(layer.current(pre), drive, added)

    def _respond(self, current: Tensor, drive: Drive, added: Tensor | None) -> None:
        self.units = self.layer.units(current, self._statistics, added)
        self.out = self.layer.hand_on(self.units, self._statistics, drive.generator)

    def adapt(self) -> None:
        """Move the layer's running statistics as a learning pass does."""
        self.layer.adapt(self._statistics)


class Linearised(Swept):
    """The same with the pull-back of its response; ``out`` and ``units`` are detached."""

    def _respond(self, current: Tensor, drive: Drive, added: Tensor | None) -> None:
        self._current = current.detach().requires_grad_()
        self._added = None if added is None else added.detach().requires_grad_()
        with torch.enable_grad():
            super()._respond(self._current, drive, self._added)
        self._out = self.out
        self.out, self.units = self.out.detach(), self.units.detach()
        self._memo: tuple[Tensor, Pulled] | None = None

    def pull(self, error: Tensor) -> Pulled:
        """``D^T error``, with ``D`` the response's Jacobian.

        The last answer is kept: dynamics and plasticity ask for the same one.
        """
        if self._memo is None or self._memo[0] is not error:
            gains = self.layer.gain_parameters()
            self._memo = (error, pull_back(self._out, self._current, self._added, gains, error))
        return self._memo[1]


def max_pool(x: Tensor, side: int) -> Tensor:
    """The largest of each ``side x side`` window; a rest at the border is left out.

    Without gradients, windows of 2 are three maxima of strided views: the same values in a
    tenth of the time. Where two are equal, torch's own pooling says which one the error reaches.
    """
    if side != 2 or torch.is_grad_enabled():
        return F.max_pool2d(x, side)
    height, width = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
    rows = torch.maximum(x[..., 0:height:2, :width], x[..., 1:height:2, :width])
    return torch.maximum(rows[..., 0::2], rows[..., 1::2])


def fit_to(synapse: AbstractSynapse, x: Tensor) -> Tensor:
    """``x``, its space averaged down to what a dense synapse reads."""
    if isinstance(synapse, Dense) and x.dim() == 4:
        side = math.isqrt(synapse.n_in // x.shape[1])
        if x.shape[-2:] != (side, side):
            return F.adaptive_avg_pool2d(x, side)
    return x
