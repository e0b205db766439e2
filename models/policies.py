"""Normalisation policies: where the statistics of an evaluation come from.

======================  ================================================================
``identity``            mean 0, variance 1: normalisation off but for gamma and beta
``running``             as accumulated in training (identity in an untrained network)
``calibrated``          recomputed on clean training images at the training size
``calibrated-at-px``    recomputed on clean training images at the size of the evaluation
======================  ================================================================

Policies only compute statistics; nothing in the network changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.choices import Choices
from neurosim.models.network import Layer, fit_to
from neurosim.models.normalisation import Fixed, Running, Statistics, identity_statistics

#: Computes the statistics of each layer from the layers, clean training images in batches, and
#: the size of the evaluation images in px.
Policy = Callable[[Sequence[Layer], Sequence[Tensor], int], dict[str, Statistics]]


def identity(layers: Sequence[Layer], batches: Sequence[Tensor], px: int) -> dict[str, Statistics]:
    """Mean 0 and variance 1 in every normalised layer."""
    return {
        layer.name: Running() if layer.norm is None else identity_statistics(layer.norm)
        for layer in layers
    }


def running(layers: Sequence[Layer], batches: Sequence[Tensor], px: int) -> dict[str, Statistics]:
    """As accumulated in training."""
    return {layer.name: Running() for layer in layers}


def calibrated(
    layers: Sequence[Layer], batches: Sequence[Tensor], px: int
) -> dict[str, Statistics]:
    """Pooled mean and variance over the given images at their own size."""
    return calibrate(layers, batches)


def calibrated_at_px(
    layers: Sequence[Layer], batches: Sequence[Tensor], px: int
) -> dict[str, Statistics]:
    """Pooled mean and variance over the given images, resized to ``px``."""
    return calibrate(layers, (resize(batch, px) for batch in batches))


POLICIES: Choices[Policy] = Choices(
    "normalisation policy",
    {
        "identity": identity,
        "running": running,
        "calibrated": calibrated,
        "calibrated-at-px": calibrated_at_px,
    },
)


@torch.no_grad()
def calibrate(layers: Sequence[Layer], batches: Iterable[Tensor]) -> dict[str, Statistics]:
    """Statistics of each normalised layer, the layers below it already calibrated.

    ``mean`` and ``var`` (biased) are pooled over all images and positions, whatever the
    batches; layers above the last normalised one are not run.
    """
    last = max((i for i, layer in enumerate(layers) if layer.norm is not None), default=-1)
    statistics: dict[str, Statistics] = {layer.name: Running() for layer in layers}
    activity = list(batches)
    for layer in layers[: last + 1]:
        currents = [layer.current(fit_to(layer.synapse, x)) for x in activity]
        if layer.norm is not None:
            statistics[layer.name] = pooled_statistics(currents)
        activity = [layer.respond(a, statistics[layer.name]) for a in currents]
    return statistics


def pooled_statistics(currents: Sequence[Tensor]) -> Fixed:
    """Mean and biased variance a channel over batches of ``(batch, channels, ...)``.

    Combines the batches as Chan, Golub & LeVeque (1983, 10.1080/00031305.1983.10483115) do, in
    float64.
    """
    mean = squares = torch.zeros(currents[0].shape[1], dtype=torch.float64)
    count = 0
    for a in currents:
        axes = [axis for axis in range(a.dim()) if axis != 1]
        var, batch_mean = (t.double().cpu() for t in torch.var_mean(a, axes, correction=0))
        n = a.numel() // a.shape[1]
        shift = batch_mean - mean
        squares = squares + var * n + shift.square() * count * n / (count + n)
        mean = mean + shift * n / (count + n)
        count += n
    return Fixed(mean.to(currents[0]), (squares / count).to(currents[0]))


def resize(images: Tensor, px: int) -> Tensor:
    """``(batch, channels, px, px)`` by antialiased bilinear interpolation; as is at that size."""
    if images.shape[-1] == px:
        return images
    return F.interpolate(images, (px, px), mode="bilinear", antialias=True, align_corners=False)
