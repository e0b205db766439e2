"""The shared architecture: layers made of one synapse and one response.

    a_l = W_l x_(l-1) + b_l                 synapse: linear, the only thing rules disagree on
    x_l = drop(pool(f(normalise(a_l))))     response: the same for every rule

A layer is linearised once a batch; a linearisation pulls errors back through the response and
leaves the way back through the synapse to the rule's feedback.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurosim.models.network.normalisation import (
    NORMS,
    AbstractNorm,
    Batch,
    Running,
    Statistics,
    StatisticsOf,
    statistics_of_features,
)
from neurosim.settings import require_count
from neurosim.synapses import AbstractSynapse, Conv2d, Dense
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
        bound = 1 / math.sqrt(synapse.fan_in)

        def uniform(shape: tuple[int, ...]) -> nn.Parameter:
            # Drawn on the generator's device: the same numbers wherever the network lives.
            draw = torch.empty(shape, dtype=dtype, device=generator.device)
            return nn.Parameter(draw.uniform_(-bound, bound, generator=generator).to(device))

        self.weight = uniform(synapse.weight_shape)
        n_out = synapse.weight_shape[0]
        self.bias = uniform((n_out,)) if bias else None

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
        self, a: Tensor, statistics: Statistics, generator: torch.Generator | None = None
    ) -> Tensor:
        """Everything after the synapse; dropout acts only under ``Batch`` statistics."""
        return self.hand_on(self.units(a, statistics), statistics, generator)

    def units(self, a: Tensor, statistics: Statistics) -> Tensor:
        """The activity of the units themselves, ``f(normalise(a))``, in the shape of ``a``."""
        return self.activation(a if self.norm is None else self.norm(a, statistics))

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

    def linearise(self, x: Tensor, drive: Drive) -> Linearised:
        """The layer at the presynaptic activity ``x``, ready to pull errors back."""
        statistics: Statistics = Batch() if drive.learning else Running()
        return Linearised(self, x, statistics, drive.generator)


class Linearised:
    """A layer at one presynaptic activity: output, and the pull-back of its response.

    Attributes:
        pre: presynaptic activity, ``(batch, *in_features)``.
        out: the layer's output, ``(batch, *out_features)``, detached.
        units: the activity of its units before pooling, in the shape of its current, detached.
    """

    def __init__(
        self,
        layer: Layer,
        pre: Tensor,
        statistics: Statistics,
        generator: torch.Generator | None = None,
    ) -> None:
        self.layer, self.pre = layer, pre
        self._current = layer.current(pre).detach().requires_grad_()
        with torch.enable_grad():
            units = layer.units(self._current, statistics)
            self._out = layer.hand_on(units, statistics, generator)
        self.out, self.units = self._out.detach(), units.detach()
        self._memo: tuple[Tensor, Tensor, dict[str, Tensor]] | None = None

    def pull(self, error: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(D^T error, gain changes)``: the error at the synapse, ``D`` the response's Jacobian.

        The last answer is kept: dynamics and plasticity ask for the same one.
        """
        if self._memo is None or self._memo[0] is not error:
            gains = self.layer.gain_parameters()
            if self._out is self._current:
                pulled: Sequence[Tensor] = (error,)
            else:
                leaves = (self._current, *gains.values())
                pulled = torch.autograd.grad(self._out, leaves, error, retain_graph=True)
            self._memo = (error, pulled[0], dict(zip(gains, pulled[1:], strict=True)))
        return self._memo[1], self._memo[2]


class Network(nn.Module):
    """A chain of layers."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        names = [layer.name for layer in layers]
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"a network needs layers of different names, got {names}")
        self._layers = nn.ModuleList(layers)

    @property
    def layers(self) -> Sequence[Layer]:
        return list(self._layers)  # type: ignore[arg-type]

    def part(self, start: int | None, stop: int | None) -> Network:
        """The network of layers start to stop, sharing their weights."""
        return Network(self.layers[start:stop])

    def named_weights(self) -> dict[str, Tensor]:
        """Every parameter and buffer by ``layer.parameter``, detached (not copied)."""
        named: dict[str, Tensor] = {}
        for layer in self.layers:
            for name, tensor in layer.plastic_parameters().items():
                named[f"{layer.name}.{name}"] = tensor.detach()
            if layer.norm is not None:
                for name, tensor in layer.norm.statistics().items():
                    named[f"{layer.name}.{name}"] = tensor
        return named

    def linearise(self, drive: Drive) -> tuple[Linearised, ...]:
        """The feed-forward sweep, each layer linearised once."""
        x, swept = drive.x, []
        for layer in self.layers:
            swept.append(layer.linearise(x, drive))
            x = swept[-1].out
        return tuple(swept)

    @torch.no_grad()
    def represent(self, x: Tensor, statistics: StatisticsOf = Running()) -> dict[str, Tensor]:  # noqa: B008
        """Layer name -> output, without any change of state.

        Images of another size than the training images reach a dense layer through adaptive
        average pooling to the size it was built for.

        Raises:
            ValueError: for ``Batch`` statistics, which would make features depend on the batch.
        """
        out = {}
        for layer in self.layers:
            chosen = statistics_of_features(layer.name, statistics)
            x = layer.respond(layer.current(fit_to(layer.synapse, x)), chosen)
            out[layer.name] = x
        return out

    def forward(self, x: Tensor, statistics: StatisticsOf = Running()) -> Tensor:  # noqa: B008
        """The output of the last layer, ``(batch, n_classes)``."""
        return self.represent(x, statistics)[self.layers[-1].name]


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


def convolutional_network(
    *,
    generator: torch.Generator,
    channels: Sequence[int] = (3, 32, 64, 128),
    image_px: int = 32,
    n_hidden: int = 512,
    n_classes: int = 10,
    dropout: float = 0.3,
    norm: str = "batch",
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Network:
    """Conv1..Conv3 (3x3, normalisation, ReLU, max-pool 2), FC1 (ReLU, dropout), head.

    The network of Leutenegger 2026 (arXiv 2605.30556): 3-32-64-128 channels, 2048-512-10 units,
    batch norm.

    Args:
        norm: a name in ``NORMS``: batch, group, layer or none. No draw depends on it.
    """
    n_conv = len(channels) - 1
    if image_px % 2**n_conv:
        raise ValueError(
            f"image_px must be a multiple of {2**n_conv} ({n_conv} poolings), got {image_px}"
        )
    layer = partial(Layer, generator=generator, device=device, dtype=dtype)
    layers = [
        layer(
            f"Conv{i + 1}",
            Conv2d(n_in, n_out, 3, padding=1),
            norm=NORMS[norm](n_out, device=device, dtype=dtype),
            pool=2,
        )
        for i, (n_in, n_out) in enumerate(pairwise(channels))
    ]
    n_features = channels[-1] * (image_px // 2**n_conv) ** 2
    layers.append(layer("FC1", Dense(n_features, n_hidden), dropout=dropout))
    layers.append(layer("head", Dense(n_hidden, n_classes), activation=identity))
    return Network(layers)


def dense_network(
    sizes: Sequence[int],
    *,
    generator: torch.Generator,
    activation: Activation = torch.relu,
    bias: bool = True,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Network:
    """Dense layers ``sizes[0]-...-sizes[-1]``; the last one is linear."""
    if len(sizes) < 2:
        raise ValueError(f"a dense network needs at least an input and an output size, got {sizes}")
    last = len(sizes) - 2
    return Network(
        [
            Layer(
                f"layer{i + 1}",
                Dense(n_in, n_out),
                activation=identity if i == last else activation,
                bias=bias,
                generator=generator,
                device=device,
                dtype=dtype,
            )
            for i, (n_in, n_out) in enumerate(pairwise(sizes))
        ]
    )
