"""Small networks of every builder, and graphs that no builder makes, for laws over all of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch_modules import MODULES, example, made

from neurosim.models import from_torch
from neurosim.models.network.builders import NETWORKS, NetworkContext
from neurosim.models.network.graph import INPUT, Network
from neurosim.models.network.layers import Layer, identity
from neurosim.models.network.normalisation import Batch
from neurosim.synapses import Dense
from neurosim.types import Drive

PX, N_CLASSES = 8, 4
CONTEXT = ("n_channels", "norm", "n_classes", "image_px")
#: Settings that make each builder's network small.
SMALL = {
    "conv3": {"channels": (4, 5, 6), "n_hidden": 7},
    "mlp": {"depth": 2, "width": 7, "dropout": 0.2},
    "vgg": {"depth": 5, "width": 3, "n_hidden": 7},
    "resnet": {"depth": 8, "width": 3},
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(name: str, dtype: torch.dtype = torch.float64, **settings) -> Network:
    """The small network of one builder; ``settings`` are its own or of the context."""
    context = {key: settings.pop(key) for key in CONTEXT if key in settings}
    given = NetworkContext(
        seeded(), **{"image_px": PX, "n_classes": N_CLASSES, "dtype": dtype, **context}
    )
    return NETWORKS[name](given, **{**SMALL[name], **settings})


def tangled(dtype: torch.dtype = torch.float64) -> Network:
    """Dense layers with ways of different length to the output, one of them into the last layer;
    a population that is added twice, and one that is both read and added by the same layer."""

    def layer(name: str, n_in: int, n_out: int, **options) -> Layer:
        options = {"activation": torch.tanh, **options}
        return Layer(name, Dense(n_in, n_out), generator=seeded(n_in), dtype=dtype, **options)

    n = 3 * PX * PX
    return Network(
        [
            layer("a", n, 6),
            # Second, so that the first to hear of a is not the one with the longest way on.
            layer("shortcut", 6, N_CLASSES, activation=identity, source="a"),
            layer("b", 6, 6, source="a"),
            layer("c", 6, 6, added=("a",)),
            layer("d", 6, 6, source="c", added=("c", "b", "b")),
            layer("head", 6, N_CLASSES, activation=identity, source="d", added=("shortcut",)),
        ]
    )


#: Name -> builder of a small network from a dtype.
BUILT: dict[str, Callable[[torch.dtype], Network]] = {
    **{name: lambda dtype, name=name: built(name, dtype) for name in NETWORKS},
    "resnet of 14": lambda dtype: built("resnet", dtype, depth=14),
    "resnet, group norm": lambda dtype: built("resnet", dtype, norm="layer"),
    "tangled": tangled,
}
#: And those of torch modules, whose weights are wide, whose gains and statistics not 1 and 0:
#: for laws that no step size or rate enters.
GRAPHS = BUILT | {
    f"{name} of torch": lambda dtype, name=name: from_torch(made(name, dtype), example(dtype))
    for name in MODULES
}


def drive(dtype: torch.dtype = torch.float64, n: int = 6, px: int = PX, **options) -> Drive:
    """A small batch; the same at every call."""
    x = torch.randn(n, 3, px, px, generator=seeded(1), dtype=dtype)
    return Drive(x, torch.arange(n) % N_CLASSES, seeded(3), **options)


def by_hand(net: Network, given: Drive, statistics=Batch()) -> Tensor:  # noqa: B008
    """The output as one composition of torch functions, from the names that layers give alone."""
    values, before = {INPUT: given.x}, INPUT
    for layer in net.layers:
        current = layer.current(values[layer.source or before])
        if layer.norm is not None:
            current = layer.norm(current, statistics)
        if layer.added:
            first, *others = (values[name] for name in layer.added)
            current = current + sum(others, start=first)
        x = layer.activation(current)
        if layer.pool > 1:
            x = torch.nn.functional.max_pool2d(x, layer.pool)
        if layer.dropout:
            x = x * layer.keep_mask(x, given.generator)
        values[layer.name], before = x, layer.name
    return x
