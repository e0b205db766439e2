"""Normalisation policies: where the statistics of an evaluation come from.

| name                      | what it is                                                        |
|---------------------------|-------------------------------------------------------------------|
| ``identity``              | mean 0, variance 1: normalisation off but for gamma and beta      |
| ``running``               | as accumulated in training (identity in an untrained network)     |
| ``calibrated``            | recomputed on clean training images at the training size, or      |
|                           | ``calibrated(at_px=64)`` at another one                           |
| ``calibrated-at-px``      | recomputed on clean training images at the size of the evaluation |
| ``augmented-accumulated`` | accumulated anew over augmented training batches, weights held    |

Policies only compute statistics; nothing in the network changes. They differ for layers whose
normalisation keeps statistics; all others are ``Running``, which is what they always do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.images import require_images
from neurosim.models.network.graph import AT_INPUT, pass_on, sum_of, wire
from neurosim.models.network.layers import Layer, fit_to
from neurosim.models.network.normalisation import (
    Accumulate,
    BatchNorm,
    Fixed,
    Running,
    Statistics,
    identity_statistics,
)
from neurosim.naming.choices import Choices
from neurosim.naming.settings import require_count

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

    compute: ``(layers, calibration, px, *, settings) -> statistics``.
    depends_on_px: whether each size has an answer of its own.
    """

    compute: Callable[..., dict[str, Statistics]]
    depends_on_px: bool = True

    @property
    def __wrapped__(self) -> Callable[..., dict[str, Statistics]]:
        """What computes, whose keyword arguments are the settings."""
        return self.compute

    def __call__(
        self, layers: Sequence[Layer], calibration: Calibration, px: int, **settings: Any
    ) -> dict[str, Statistics]:
        found = self.compute(layers, calibration, px, **settings)
        lacking = [layer.name for layer in layers if layer.name not in found]
        if lacking:
            raise ValueError(
                f"a normalisation policy gives statistics of every layer, and "
                f"{getattr(self.compute, '__name__', 'this one')} gives none of "
                f"{', '.join(lacking)}: give Running() where it has none of its own"
            )
        return found


def _policy(thing: Any) -> Policy:
    return Policy(thing) if callable(thing) and not isinstance(thing, Policy) else thing


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


def calibrated(
    layers: Sequence[Layer], calibration: Calibration, px: int, *, at_px: int | None = None
) -> dict[str, Statistics]:
    """Pooled mean and variance over the clean images at their own size, or at ``at_px``."""
    if at_px is not None:
        require_count("at_px", at_px, least=8)
        return calibrated_at_px(layers, calibration, at_px)
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
        "identity": Policy(identity, depends_on_px=False),
        "running": Policy(running, depends_on_px=False),
        "calibrated": Policy(calibrated, depends_on_px=False),
        "calibrated-at-px": Policy(calibrated_at_px),
        "augmented-accumulated": Policy(augmented_accumulated, depends_on_px=False),
    },
    group="neurosim.policies",
    adapt=_policy,
)


def _up_to_the_last_batch_norm(layers: Sequence[Layer]) -> Sequence[Layer]:
    """Statistics of what follows matter to nobody, so it is not run."""
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
    wiring = wire(chain)
    # What nobody hears any more is let go of: at 160 px the first layer's output takes 400 MB.
    last_heard = {p: index for index, each in enumerate(wiring) for p in each.populations}
    activity = {AT_INPUT: [require_images(x, "calibration images") for x in batches]}
    if not activity[AT_INPUT]:
        raise ValueError("calibration needs images: give at least one batch")

    for index, (layer, each) in enumerate(zip(chain, wiring, strict=True)):
        done = [p for p in each.populations if last_heard[p] == index]
        below = activity[each.source]
        read_once = each.source in done and each.source not in each.added
        currents = [
            layer.current(fit_to(layer.synapse, x)) for x in (_taken(below) if read_once else below)
        ]
        if isinstance(layer.norm, BatchNorm):
            statistics[layer.name] = pooled_statistics(currents)
        if layer is not chain[-1]:
            activity[index] = [
                layer.respond(
                    a,
                    statistics[layer.name],
                    added=sum_of([activity[p][batch] for p in each.added]),
                )
                for batch, a in enumerate(_taken(currents))
            ]
        for population in set(done):
            del activity[population]
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

    def respond(layer: Layer, pre: Tensor, added: Tensor | None) -> Tensor:
        current = layer.current(fit_to(layer.synapse, pre))
        return layer.respond(current, moving.get(layer.name, Running()), added=added)

    wiring = wire(chain)
    for x in batches:
        pass_on(chain, wiring, require_images(x, "calibration images"), respond)
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
    if tuple(images.shape[-2:]) == (px, px):
        return images
    return F.interpolate(images, (px, px), mode="bilinear", antialias=True, align_corners=False)
