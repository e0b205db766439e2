"""A torch module as a network, so that every rule runs on it.

    net = from_torch(module, torch.zeros(1, 3, 32, 32))

The module is traced (``torch.fx``). Each ``Conv2d`` or ``Linear`` begins a layer, and what follows
it joins that layer in this order: normalisation, sums with the outputs of earlier layers,
activation, max-pooling, dropout. An average over space joins the synapse that reads it. Weights and
running statistics are copied; the module stays as it is.
"""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from neurosim.averaging import AveragedDense, AveragePooled
from neurosim.models.interop.attach import synapse_of
from neurosim.models.interop.drafts import Draft, UntranslatableError, Value, window
from neurosim.models.network.graph import Network, Roles
from neurosim.models.network.layers import Activation, identity
from neurosim.synapses import Dense

#: Pointwise modules and functions -> f.
_ACTIVATIONS: dict[Any, Activation] = {
    nn.ReLU: torch.relu, F.relu: torch.relu, torch.relu: torch.relu, "relu": torch.relu,
    nn.Tanh: torch.tanh, torch.tanh: torch.tanh, "tanh": torch.tanh,
    nn.Sigmoid: torch.sigmoid, torch.sigmoid: torch.sigmoid, "sigmoid": torch.sigmoid,
    nn.SiLU: F.silu, F.silu: F.silu,
}  # fmt: skip
_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
_FLATTENINGS = (nn.Flatten, torch.flatten, "flatten", "view", "reshape")
_MEANS = (torch.mean, "mean")
#: Functions that are a module with the same arguments.
_MODULE_OF: dict[Any, type[nn.Module]] = {
    F.max_pool2d: nn.MaxPool2d, torch.max_pool2d: nn.MaxPool2d, F.avg_pool2d: nn.AvgPool2d,
    F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
}  # fmt: skip
_SYNAPSES = (nn.Conv2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)
_BLOCKS = (
    "Conv2d, Linear, BatchNorm1d, BatchNorm2d, GroupNorm, ReLU, Tanh, Sigmoid, SiLU, MaxPool2d, "
    "AvgPool2d, AdaptiveAvgPool2d, Flatten, Dropout, Identity and x + f(x)"
)


def from_torch(
    module: nn.Module,
    example: Tensor,
    *,
    roles: Roles | None = None,
    generator: torch.Generator | None = None,
) -> Network:
    """The network that computes what ``module`` computes at evaluation.

    Layers are called as in the module (``layer1.0.conv2``; ``3`` is ``layer3``). Dropout becomes
    that of its layer and acts while learning. Momentum and eps of normalisations are taken over.

    Args:
        module: ``nn.Sequential`` or any module of known blocks that ``torch.fx`` can trace.
        example: a batch of inputs, ``(batch, *features)``, with the dtype and device of the module.
        roles: which layers are scored, trained locally and spoken of first; None: ``Roles.of``.
        generator: draws new initial weights, as those of every other network are, from a stream of
            one's own, ``NetworkContext.generator``; None: those of the module.

    Raises:
        UntranslatableError: naming what has no counterpart, and what to do.

    Example:
        >>> module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> net = from_torch(module, torch.zeros(1, 1, 2, 2))
        >>> print(*(layer.name for layer in net.layers))
        layer1 layer3
    """
    module = copy.deepcopy(module).eval()
    for name, tensor in module.state_dict().items():
        if not tensor.isfinite().all():
            raise UntranslatableError(f"{name} holds NaN or infinity: give finite weights")
    try:
        with torch.no_grad():
            wanted = module(example)
    except Exception as error:  # whatever the module's own code raises
        raise UntranslatableError(
            f"{type(module).__name__} does not take the example of shape {tuple(example.shape)} "
            f"({error}): give a batch of its inputs"
        ) from error
    try:
        traced = fx.symbolic_trace(module)
    except Exception as error:  # whatever the module's own code raises on a stand-in
        raise UntranslatableError(
            f"torch.fx cannot trace {type(module).__name__} ({error}): write its forward without "
            "branches on values, or audit the module as it stands (neurosim audit)"
        ) from error
    with torch.no_grad():
        ShapeProp(traced).propagate(example)
    net = _Translation(module, traced).network(roles, generator)
    if generator is None:
        with torch.no_grad():
            found = net(example)
        # Float32 sums in another order, layer after layer.
        if not torch.allclose(found, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max())):
            raise UntranslatableError(
                f"the network made of {type(module).__name__} gives other outputs than the module: "
                "this is a fault of neurosim, please report it with the module"
            )
    return net


class _Translation:
    """Walks the trace once, each node becoming a value."""

    def __init__(self, module: nn.Module, traced: fx.GraphModule) -> None:
        self.modules = dict(module.named_modules())
        self.drafts: list[Draft] = []
        self.values: dict[fx.Node, Value | None] = {}
        self.output: Value | None = None
        called: set[str] = set()
        for node in traced.graph.nodes:
            if node.op == "call_module":
                if str(node.target) in called and self._kind(node) in (*_SYNAPSES, *_NORMS):
                    raise UntranslatableError(
                        f"{node.target} is called twice, and a layer has weights of its own: give "
                        "each call a module"
                    )
                called.add(str(node.target))
            self.values[node] = self._value(node)

    def network(self, roles: Roles | None, generator: torch.Generator | None) -> Network:
        """The layers, checked to be heard in their final form alone."""
        last = self.output
        if last is None or not self.drafts or last.draft is not self.drafts[-1]:
            raise UntranslatableError(
                "the module must end with the output of its last Conv2d or Linear: it returns "
                f"{'that of ' + last.draft.name if last and last.draft else 'something else'}"
            )
        last.final("the output")
        return Network([draft.layer(generator) for draft in self.drafts], roles=roles)

    def _kind(self, node: fx.Node) -> Any:
        """What the node calls: the class of a module, a function, or the name of a method."""
        return node.target if (module := self._module(node)) is None else type(module)

    def _module(self, node: fx.Node) -> Any:
        if node.op == "call_module":
            return self.modules[str(node.target)]
        kind = _MODULE_OF.get(node.target) if node.op == "call_function" else None
        return None if kind is None else kind(*node.args[1:], **node.kwargs)

    def _value(self, node: fx.Node) -> Value | None:
        if node.op == "placeholder":
            if any(value is not None for value in self.values.values()):
                raise UntranslatableError("the module takes several inputs: a network has one")
            return Value(None)
        if node.op == "output":
            self.output = self._heard(node.args[0], node)
            return None
        kind = self._kind(node)
        if kind in ("size", getattr, operator.getitem, "dim"):
            return None  # sizes for a view
        if node.op == "get_attr":
            raise self._refuse(node, "a tensor of its own outside a module")
        if kind in _ADDITIONS:
            return self._sum(node)
        below = self._heard(node.args[0], node)
        if kind is nn.Identity or (kind is nn.Dropout and not self._module(node).p):
            return below
        if kind in _SYNAPSES:
            return self._begin(node, below)
        if kind in _FLATTENINGS:
            if len(_shape(node)) != 2:
                raise self._refuse(node, f"a change of shape to {_shape(node)}")
            return below
        if kind in (nn.AvgPool2d, nn.AdaptiveAvgPool2d, *_MEANS):
            return self._average(node, kind, below)
        return self._join(node, kind, below)

    def _heard(self, argument: Any, node: fx.Node) -> Value:
        value = self.values.get(argument) if isinstance(argument, fx.Node) else None
        if value is None:
            raise self._refuse(node, "an argument that is not the activity of a layer")
        return value

    def _begin(self, node: fx.Node, below: Value) -> Value:
        name = str(node.target)
        module = self.modules[name]
        try:
            synapse = synapse_of(module)
        except ValueError as error:
            raise UntranslatableError(f"{name}: {error}") from error
        if isinstance(module, nn.Linear) and len(_shape(node)) != 2:
            raise self._refuse(node, "a Linear on maps: flatten them before")
        if below.average == 0:
            if not isinstance(synapse, Dense):
                raise self._refuse(node, "a convolution on a mean over all of space")
            synapse = AveragedDense(synapse.n_in, synapse.n_out)
        elif below.average > 1:
            synapse = AveragePooled(synapse, below.average)
        # A number alone would be read back from a table as one.
        known = name if any(map(str.isalpha, name)) else f"layer{name}"
        self.drafts.append(Draft(known, synapse, module, Value(below.draft, below.step)))
        return Value(self.drafts[-1])

    def _average(self, node: fx.Node, kind: Any, below: Value) -> Value:
        before = _shape(node.args[0])[2:]
        if kind is nn.AvgPool2d:
            pool = self._module(node)
            side, plain = window(pool)
            if not plain or not pool.count_include_pad or pool.divisor_override is not None:
                raise self._refuse(node, f"windows that overlap or are padded, {pool}")
        elif kind is nn.AdaptiveAvgPool2d:
            after = _shape(node)[2:]
            sides = {n // m for n, m in zip(before, after, strict=True)}
            side = sides.pop()
            if sides or any(n % m for n, m in zip(before, after, strict=True)):
                raise self._refuse(
                    node, f"an average of {before} onto {after}, whose windows differ in size"
                )
            side = 0 if set(after) == {1} else side
        else:
            axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
            if len(before) != 2 or sorted(a % 4 for a in _all(axes)) != [2, 3]:
                raise self._refuse(node, f"a mean over the axes {axes}: average over space, (2, 3)")
            side = 0
        if side == 1:
            return below
        if below.average != 1:
            raise self._refuse(node, "an average of averages: take one over both windows")
        return Value(below.draft, below.step, side)

    def _sum(self, node: fx.Node) -> Value:
        if node.kwargs or len(node.args) != 2:
            raise self._refuse(node, "a scaled sum: put the factor into the weights")
        one, other = (self._heard(argument, node) for argument in node.args)
        if len({_shape(argument) for argument in node.args}) > 1 or any(
            value.draft and value.draft.n_axes != len(_shape(node)) for value in (one, other)
        ):
            raise self._refuse(
                node, "a sum of different or flattened shapes: sum maps of one shape"
            )
        if one.average != 1 or other.average != 1:
            raise self._refuse(node, "a sum of averages: average after the sum")
        order = {id(draft): index for index, draft in enumerate(self.drafts)}
        later, earlier = sorted(
            (one, other), key=lambda value: order.get(id(value.draft), -1), reverse=True
        )
        draft = later.draft
        if draft is None or draft is earlier.draft or not later.is_open:
            raise self._refuse(
                node,
                "a sum of activities that have passed their activation: a layer adds to its "
                "current, so sum before the activation, relu(f(x) + x)",
            )
        draft.added.append(earlier)
        return draft.joined()

    def _join(self, node: fx.Node, kind: Any, below: Value) -> Value:
        """A response of the layer that it follows."""
        draft, module = below.draft, self._module(node)
        if draft is None or below.average != 1:
            what = "the input of the network" if draft is None else "an average over space"
            raise self._refuse(
                node,
                f"{_called(kind)} of {what}, which no layer has: leave it out, or put a Conv2d or "
                "Linear before it",
            )
        if below.step != draft.step:
            raise self._refuse(node, f"a second way on from within the layer {draft.name}")
        if kind in _NORMS:
            after_synapse = below.is_open and draft.norm is None and not draft.added
            if not after_synapse or len(_shape(node)) != draft.n_axes:
                raise self._refuse(
                    node, "a normalisation that does not follow its Conv2d or Linear at once"
                )
            self._check_norm(node, module)
            draft.norm = module
        elif kind in _ACTIVATIONS:
            # Where the largest of a window is taken, a rectifier before or after is the same.
            free = draft.activation is identity and not draft.dropout
            if not free or (draft.pool > 1 and _ACTIVATIONS[kind] is not torch.relu):
                raise self._refuse(node, f"a second activation, {_called(kind)}, in one layer")
            draft.activation = _ACTIVATIONS[kind]
        elif kind is nn.MaxPool2d:
            side, plain = window(module)
            if not plain or module.dilation not in (1, (1, 1)) or module.return_indices:
                raise self._refuse(node, f"windows that overlap or are padded, {module}")
            if draft.pool > 1 or draft.dropout:
                raise self._refuse(node, "a max-pooling after another or after dropout")
            draft.pool = side
        elif kind is nn.Dropout:
            if draft.dropout:
                raise self._refuse(node, "a second dropout in one layer")
            draft.dropout = module.p
        else:
            raise self._refuse(node, f"{_called(kind)}, which is not one of the known blocks, "
                               f"{_BLOCKS}")  # fmt: skip
        return draft.joined()

    def _check_norm(self, node: fx.Node, module: Any) -> None:
        if module.weight is None:
            raise self._refuse(node, "a normalisation without gain and offset: give affine=True")
        if not isinstance(module, nn.GroupNorm) and (
            module.running_mean is None or module.momentum is None
        ):
            raise self._refuse(
                node,
                "a batch norm without running statistics or momentum: give "
                "track_running_stats=True and a number",
            )

    @staticmethod
    def _refuse(node: fx.Node, what: str) -> UntranslatableError:
        place = node.target if node.op == "call_module" else node.name
        return UntranslatableError(f"from_torch cannot translate {place}: {what}")


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["tensor_meta"].shape)


def _all(axes: Any) -> tuple[int, ...]:
    return tuple(axes) if isinstance(axes, tuple | list) else () if axes is None else (axes,)


def _called(kind: Any) -> str:
    return kind if isinstance(kind, str) else kind.__name__
