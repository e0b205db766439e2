"""Normalisation policies: where the statistics of an evaluation come from.

| name                      | what it is                                                        |
|---------------------------|-------------------------------------------------------------------|
| ``identity``              | mean 0, variance 1: normalisation off but for gamma and beta      |
| ``running``               | as accumulated in training (identity in an untrained network)     |
| ``calibrated``            | recomputed on clean training images at the training size          |
| ``calibrated-at-px``      | recomputed on clean training images at the size of the evaluation |
| ``augmented-accumulated`` | accumulated anew over augmented training batches, weights held    |

Policies only compute statistics; nothing in the network changes. They differ for layers whose
normalisation keeps statistics; all others are ``Running``, which is what they always do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.choices import Choices
from neurosim.images import require_images
from neurosim.models.network.layers import Layer, fit_to
from neurosim.models.network.normalisation import (
    Accumulate,
    BatchNorm,
    Fixed,
    Running,
    Statistics,
    identity_statistics,
)

#: Calibration images of one batch together have at most about this many pixels.
_PIXELS_A_BATCH = 128 * 64 * 64


def _nothing() -> Iterable[Tensor]:
    raise ValueError(
        "the policy augmented-accumulated needs augmented training batches: "
        "give Calibration(clean, augmented=...)"
    )


@dataclass(frozen=True)
class Calibration:
    """The training images that policies read.

    clean: without augmentation, in batches.
    augmented: gives the batches of training passes, in their order; called when needed.
    """

    clean: Sequence[Tensor] = ()
    augmented: Callable[[], Iterable[Tensor]] = field(default=_nothing)


@dataclass(frozen=True)
class Policy:
    """Statistics of each layer by name, from the layers, the images, and the size in px.

    depends_on_px: whether the answer for one size serves all.
    """

    compute: Callable[[Sequence[Layer], Calibration, int], dict[str, Statistics]]
    depends_on_px: bool = False

    def __call__(
        self, layers: Sequence[Layer], calibration: Calibration, px: int
    ) -> dict[str, Statistics]:
        return self.compute(layers, calibration, px)


def identity(layers: Sequence[Layer], calibration: Calibration, px: int) -> dict[str, Statistics]:
    """Mean 0 and variance 1 in every layer that keeps statistics."""
    return {
        layer.name: identity_statistics(layer.norm)
        if isinstance(layer.norm, BatchNorm)
        else Running()
        for layer in layers
    }


def running(layers: Sequence[Layer], calibration: Calibration, px: int) -> dict[str, Statistics]:
    """As accumulated in training."""
    return {layer.name: Running() for layer in layers}


def calibrated(layers: Sequence[Layer], calibration: Calibration, px: int) -> dict[str, Statistics]:
    """Pooled mean and variance over the clean images at their own size."""
    return calibrate(layers, calibration.clean)


def calibrated_at_px(
    layers: Sequence[Layer], calibration: Calibration, px: int
) -> dict[str, Statistics]:
    """Pooled mean and variance over the clean images, resized to ``px``."""
    # Smaller batches of larger images: half the memory and three quarters of the time at 160 px.
    n = max(1, _PIXELS_A_BATCH // px**2)
    return calibrate(
        layers, (resize(part, px) for batch in calibration.clean for part in batch.split(n))
    )


def augmented_accumulated(
    layers: Sequence[Layer], calibration: Calibration, px: int
) -> dict[str, Statistics]:
    """What training passes over the augmented images would accumulate, starting from (0, 1)."""
    return accumulate(layers, calibration.augmented())


POLICIES: Choices[Policy] = Choices(
    "normalisation policy",
    {
        "identity": Policy(identity),
        "running": Policy(running),
        "calibrated": Policy(calibrated),
        "calibrated-at-px": Policy(calibrated_at_px, depends_on_px=True),
        "augmented-accumulated": Policy(augmented_accumulated),
    },
)


def _up_to_the_last_batch_norm(layers: Sequence[Layer]) -> Sequence[Layer]:
    """Statistics above it matter to nobody, so what lies above is not run."""
    last = max(
        (i for i, layer in enumerate(layers) if isinstance(layer.norm, BatchNorm)), default=-1
    )
    return layers[: last + 1]


@torch.no_grad()
def calibrate(layers: Sequence[Layer], batches: Iterable[Tensor]) -> dict[str, Statistics]:
    """Statistics of each normalised layer, the layers below it already calibrated.

    ``mean`` and ``var`` (biased) are pooled over all images and positions, whatever the batches.
    """
    statistics: dict[str, Statistics] = {layer.name: Running() for layer in layers}
    chain = _up_to_the_last_batch_norm(layers)
    # What a layer has read goes as it is read: at 160 px a batch of Conv1 takes 400 MB.
    activity = [require_images(x, "calibration images") for x in batches]
    if not activity:
        raise ValueError("calibration needs images: give at least one batch")
    for layer in chain:
        currents = [layer.current(fit_to(layer.synapse, x)) for x in _taken(activity)]
        if isinstance(layer.norm, BatchNorm):
            statistics[layer.name] = pooled_statistics(currents)
        if layer is not chain[-1]:
            activity = [layer.respond(a, statistics[layer.name]) for a in _taken(currents)]
    return statistics


def _taken(batches: list[Tensor]) -> Iterator[Tensor]:
    """The batches in their order, each let go of once it is given."""
    batches.reverse()
    while batches:
        yield batches.pop()


@torch.no_grad()
def accumulate(layers: Sequence[Layer], batches: Iterable[Tensor]) -> dict[str, Statistics]:
    """The running statistics of training passes with every weight held.

    ``m <- (1 - momentum) m + momentum m_batch`` from (0, 1), each layer reading what the layers
    below make of the same batch under its own statistics; ``var`` unbiased, as torch has it.
    """
    statistics: dict[str, Statistics] = {layer.name: Running() for layer in layers}
    chain = _up_to_the_last_batch_norm(layers)
    moving: dict[str, Accumulate] = {}
    for layer in chain:
        if isinstance(layer.norm, BatchNorm):
            start = identity_statistics(layer.norm)
            moving[layer.name] = Accumulate(start.mean, start.var)
    for x in batches:
        require_images(x, "calibration images")
        for layer in chain:
            a = layer.current(fit_to(layer.synapse, x))
            x = layer.respond(a, moving.get(layer.name, Running()))
    return statistics | {name: Fixed(kept.mean, kept.var) for name, kept in moving.items()}


def pooled_statistics(currents: Sequence[Tensor]) -> Fixed:
    """Mean and biased variance a channel over batches of ``(batch, channels, ...)``.

    Combines the batches as Chan, Golub & LeVeque (1983, 10.1080/00031305.1983.10483115) do, in
    float64.
    """
    mean = squares = torch.zeros(currents[0].shape[1], dtype=torch.float64)
    count = 0
    for a in currents:
        axes = [axis for axis in range(a.dim()) if axis != 1]
        var, batch_mean = (t.cpu().double() for t in torch.var_mean(a, axes, correction=0))
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
