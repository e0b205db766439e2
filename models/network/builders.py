"""Networks by name: builders that know what their layers are called and what they are for.

A builder takes a ``NetworkContext`` (what the images and the comparison ask of any network) and
settings of its own, among them depth and width: ``made(NETWORKS, "resnet(depth=14)", context)``.
No other module knows the name of a layer: what is scored, trained locally, read out and spoken of
first are the ``Roles`` of the network. One of a user's own is ``./mine.py:net``, an entry point of
the group ``neurosim.networks``, or ``NETWORKS.add(name, builder)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from neurosim.averaging import AveragedDense
from neurosim.models.network.graph import Network, Roles
from neurosim.models.network.layers import Activation, Layer, identity
from neurosim.models.network.normalisation import norm_of
from neurosim.naming.choices import Choices
from neurosim.naming.settings import require_count
from neurosim.synapses import AbstractSynapse, Conv2d, Dense


@dataclass(frozen=True)
class NetworkContext:
    """What every network of a comparison is built for.

    generator: source of the initial weights. image_px, n_channels: of the images.
    norm: a name or text of ``NORMS``: batch, group(n_groups=4), ... No draw depends on it.
    """

    generator: torch.Generator
    image_px: int = 32
    n_classes: int = 10
    n_channels: int = 3
    norm: str = "batch"
    device: torch.device | None = None
    dtype: torch.dtype | None = None

    def layer(self, name: str, synapse: AbstractSynapse, **options) -> Layer:
        """A layer without normalisation, drawn next from the generator; options of ``Layer``."""
        return Layer(
            name,
            synapse,
            generator=self.generator,
            device=self.device,
            dtype=self.dtype,
            **options,
        )

    def normalised(self, name: str, synapse: Conv2d | Dense, **options) -> Layer:
        """A layer with the normalisation asked for."""
        norm = norm_of(self.norm, synapse.n_out, device=self.device, dtype=self.dtype)
        return self.layer(name, synapse, norm=norm, **options)


def conv3(
    context: NetworkContext,
    *,
    channels: tuple[int, ...] = (32, 64, 128),
    n_hidden: int = 512,
    dropout: float = 0.3,
) -> Network:
    """Conv1..Conv3 (3x3, normalisation, ReLU, max-pool 2), FC1 (ReLU, dropout), head.

    The network of Leutenegger 2026 (arXiv 2605.30556): 3-32-64-128 channels, 2048-512-10 units,
    batch norm. Local rules train the convolutions.

    Args:
        channels: of each convolution.
    """
    layers = [
        context.normalised(f"Conv{i + 1}", Conv2d(n_in, n_out, 3, padding=1), pool=2)
        for i, (n_in, n_out) in enumerate(pairwise((context.n_channels, *channels)))
    ]
    return _with_dense_readout(context, layers, len(layers), n_hidden, dropout)


def vgg(
    context: NetworkContext,
    *,
    depth: int = 6,
    width: int = 32,
    n_stages: int = 3,
    n_hidden: int = 512,
    dropout: float = 0.3,
) -> Network:
    """Stages of 3x3 convolutions with a max-pooling at the end of each, FC1, head.

    After Simonyan & Zisserman 2015 (arXiv 1409.1556) at the size of small images. The ends of the
    stages and FC1 are scored; local rules train the convolutions. ``depth=3`` is the network of
    ``conv3``.

    Args:
        depth: number of convolutions, spread evenly over the stages, the later ones first.
        width: channels of the first stage; each stage doubles them.
    """
    require_count("n_stages", n_stages)
    require_count("depth", depth)
    if n_stages > depth:
        raise ValueError(
            f"vgg has at least one convolution in each stage, got depth={depth} for {n_stages} "
            "stages: make it deeper or give fewer stages"
        )
    layers, ends = list[Layer](), list[str]()
    n_in = context.n_channels
    for stage in range(n_stages):
        n_out = width * 2**stage
        size = (depth * (stage + 1)) // n_stages - (depth * stage) // n_stages
        for index in range(size):
            synapse = Conv2d(n_in, n_out, 3, padding=1)
            pool = 2 if index == size - 1 else 1
            layers.append(context.normalised(f"Conv{len(layers) + 1}", synapse, pool=pool))
            n_in = n_out
        ends.append(layers[-1].name)
    return _with_dense_readout(context, layers, n_stages, n_hidden, dropout, ends)


def _with_dense_readout(
    context: NetworkContext,
    body: Sequence[Layer],
    n_poolings: int,
    n_hidden: int,
    dropout: float,
    scored: Sequence[str] | None = None,
) -> Network:
    """``body``, FC1 and head. FC1 is the headline: the readout that keeps layout."""
    if context.image_px % 2**n_poolings:
        raise ValueError(
            f"image_px must be a multiple of {2**n_poolings} ({n_poolings} poolings), got "
            f"{context.image_px}"
        )
    n_features = body[-1].synapse.weight_shape[0] * (context.image_px // 2**n_poolings) ** 2
    fc1 = context.layer("FC1", Dense(n_features, n_hidden), dropout=dropout)
    head = context.layer("head", Dense(n_hidden, context.n_classes), activation=identity)
    names = tuple(layer.name for layer in body)
    roles = Roles((*(names if scored is None else scored), fc1.name), names, fc1.name)
    return Network([*body, fc1, head], roles=roles)


def resnet(context: NetworkContext, *, depth: int = 8, width: int = 16) -> Network:
    """A stem, three stages of basic blocks, the mean over space, head.

        block(x) = relu(N(W_b relu(N(W_a x))) + shortcut(x))

    As He, Zhang, Ren & Sun 2016 (10.1109/CVPR.2016.90) have it for CIFAR-10, with projected
    shortcuts (1x1 convolutions of stride 2, their option B) where the shape changes and identity
    shortcuts elsewhere. The stem and the blocks are scored, the last block is the headline; local
    rules train everything but the head. Images may have any size.

    Args:
        depth: ``6 n + 2``: the stem, ``n`` blocks of two convolutions in each stage, the head.
            Shortcuts do not count.
        width: channels of the first stage; each stage doubles them.
    """
    require_count("depth", depth)
    if depth < 8 or (depth - 2) % 6:
        near = max(8, 6 * round((depth - 2) / 6) + 2)
        raise ValueError(
            f"a resnet has depth 6 n + 2 (stem, three stages of n blocks of two convolutions, "
            f"head), got {depth}: give for example {near}"
        )
    layers = [context.normalised("Stem", Conv2d(context.n_channels, width, 3, padding=1))]
    scored = [layers[0].name]
    n_in = width
    for stage in range(3):
        n_out = width * 2**stage
        for index in range((depth - 2) // 6):
            stride = 2 if stage > 0 and index == 0 else 1
            layers += _basic_block(context, f"Block{len(scored)}", scored[-1], n_in, n_out, stride)
            scored.append(layers[-1].name)
            n_in = n_out
    body = tuple(layer.name for layer in layers)
    layers.append(
        context.layer("head", AveragedDense(n_in, context.n_classes), activation=identity)
    )
    return Network(layers, roles=Roles(tuple(scored), body, scored[-1]))


def _basic_block(
    context: NetworkContext, name: str, below: str, n_in: int, n_out: int, stride: int
) -> list[Layer]:
    """The layers of one block; the last one has the name of the block and is its output."""
    first = context.normalised(
        f"{name}a", Conv2d(n_in, n_out, 3, stride=stride, padding=1), source=below
    )
    shortcut = []
    if stride > 1 or n_in != n_out:
        projection = Conv2d(n_in, n_out, 1, stride=stride)
        shortcut = [context.normalised(f"{name}s", projection, activation=identity, source=below)]
    added = shortcut[0].name if shortcut else below
    last = context.normalised(
        name, Conv2d(n_out, n_out, 3, padding=1), source=first.name, added=(added,)
    )
    return [first, *shortcut, last]


def mlp(
    context: NetworkContext, *, depth: int = 3, width: int = 512, dropout: float = 0.0
) -> Network:
    """Hidden dense layers (normalisation, ReLU, dropout), head.

    All hidden layers are scored and trained by local rules; the last one is the headline.

    Args:
        depth: number of hidden layers. width: units of each.
    """
    require_count("depth", depth)
    sizes = (context.n_channels * context.image_px**2, *(width,) * depth)
    layers = [
        context.normalised(f"FC{i + 1}", Dense(n_in, n_out), dropout=dropout)
        for i, (n_in, n_out) in enumerate(pairwise(sizes))
    ]
    layers.append(context.layer("head", Dense(width, context.n_classes), activation=identity))
    return Network(layers)


#: Name -> builder.
NETWORKS: Choices[Callable[..., Network]] = Choices(
    "network", {"conv3": conv3, "mlp": mlp, "vgg": vgg, "resnet": resnet}, group="neurosim.networks"
)


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
    """``conv3`` in one call.

    Args:
        channels: of the image and of each convolution.
    """
    context = NetworkContext(
        generator, image_px, n_classes, channels[0], norm=norm, device=device, dtype=dtype
    )
    return conv3(context, channels=tuple(channels[1:]), n_hidden=n_hidden, dropout=dropout)


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
