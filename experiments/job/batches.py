"""Batches for training: normalised images, their order and augmentation fixed by seed and epoch.

Order and augmentation are drawn for a whole epoch at once and belong to the image, not to the
batch: rules that use other batch sizes still see the same image with the same crop and flip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, islice
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.naming.choices import Choices
from neurosim.spiking.encoders.lgn import CIFAR_SD

#: Mean of CIFAR-10's training images, RGB in [0, 1]; the front end knows the ``CIFAR_SD``.
CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
#: Largest shift of a random crop, px.
CROP_PADDING_PX = 4


def normalise(images: np.ndarray | Tensor) -> Tensor:
    """uint8 or [0, 1] float images ``(n, H, W, 3)`` -> float32 ``(n, 3, H, W)``, standardised."""
    x = torch.as_tensor(np.asarray(images))
    x = x.float().div(255) if x.dtype == torch.uint8 else x.float()
    mean, sd = torch.tensor(CIFAR_MEAN), torch.tensor(CIFAR_SD)
    return ((x - mean) / sd).permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True)
class NoAugmentation:
    """Images as they are."""

    says: ClassVar[str] = "not augmented"

    def __call__(self, x: Tensor, index: Tensor, draws: Tensor) -> Tensor:
        return x


@dataclass(frozen=True)
class ReflectedBorder:
    """The border of an image mirrors it."""

    says: ClassVar[str] = "reflected"

    def __call__(self, x: Tensor) -> Tensor:
        return F.pad(x, (CROP_PADDING_PX,) * 4, mode="reflect")


@dataclass(frozen=True)
class BlackBorder:
    """The border of an image is black: 0 before normalisation, ``-mean / sd`` after it."""

    says: ClassVar[str] = "black"

    def __call__(self, x: Tensor) -> Tensor:
        mean, sd = (x.new_tensor(of_rgb).view(1, -1, 1, 1) for of_rgb in (CIFAR_MEAN, CIFAR_SD))
        height, width = (side + 2 * CROP_PADDING_PX for side in x.shape[-2:])
        padded = (-mean / sd).expand(len(x), -1, height, width).contiguous()
        inner = slice(CROP_PADDING_PX, -CROP_PADDING_PX)
        padded[:, :, inner, inner] = x
        return padded


@dataclass(frozen=True)
class FlipAndCrop:
    """Horizontal flip (p = 1/2) and a crop shifted by up to 4 px into a border."""

    border: Callable[[Tensor], Tensor] = field(default_factory=ReflectedBorder)

    @property
    def says(self) -> str:
        """In words."""
        border = getattr(self.border, "says", type(self.border).__name__)
        return (
            f"augmented by horizontal flips and random crops with {CROP_PADDING_PX} px of {border} "
            "border"
        )

    def __call__(self, x: Tensor, index: Tensor, draws: Tensor) -> Tensor:
        n, _, height, width = x.shape
        padded = self.border(x)
        shift = (draws[index, :2] * (2 * CROP_PADDING_PX + 1)).long().to(x.device)
        flip = (draws[index, 2] < 0.5).to(x.device)
        columns = torch.arange(width, device=x.device)
        columns = torch.where(flip[:, None], width - 1 - columns, columns) + shift[:, 1:]
        rows = torch.arange(height, device=x.device) + shift[:, :1]
        image = torch.arange(n, device=x.device)
        # Advanced indices in front put channels last: (n, height, width, channels).
        cropped = padded[image[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        return cropped.permute(0, 3, 1, 2).contiguous()


Augmentation = Callable[[Tensor, Tensor, Tensor], Tensor]
AUGMENTATIONS: Choices[Augmentation] = Choices(
    "augmentation", {"none": NoAugmentation(), "flip-crop": FlipAndCrop()}
)


def epoch_batches(
    images: Tensor,
    labels: Tensor,
    *,
    seed: int,
    epoch: int,
    batch_size: int,
    augmentation: str,
    augmentations: Mapping[str, Augmentation] = AUGMENTATIONS,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of one epoch; the last partial one is dropped.

    Args:
        images: ``(n, 3, H, W)``, already normalised. labels: ``(n,)`` int64.
        epoch: counts from 1; with the seed it fixes order and augmentation.
    """
    n = len(images)
    order = torch.randperm(n, generator=generator(seed, "order", epoch))
    draws = torch.rand((n, 3), generator=generator(seed, "augmentation", epoch))
    augment = augmentations[augmentation]
    for start in range(0, n - batch_size + 1, batch_size):
        index = order[start : start + batch_size]
        yield augment(images[index], index, draws), labels[index]


def true_labels(labels: Tensor, seed: int) -> Tensor:
    """As they are."""
    return labels


def shuffled_labels(labels: Tensor, seed: int) -> Tensor:
    """The same labels dealt to other images, once a seed: nothing about an image can be learned
    from its label, but it can be learned by heart."""
    return labels[torch.randperm(len(labels), generator=generator(seed, "labels"))]


LABELS: Choices[Callable[[Tensor, int], Tensor]] = Choices(
    "labels", {"true": true_labels, "shuffled": shuffled_labels}
)

#: After so many batches .9^64 = .1 % of the statistics that a layer started from is left.
N_ACCUMULATED = 64


def first_batches(
    images: Tensor,
    *,
    seed: int,
    batch_size: int,
    augmentation: str,
    augmentations: Mapping[str, Augmentation] = AUGMENTATIONS,
    n_batches: int = N_ACCUMULATED,
) -> Iterator[Tensor]:
    """The images of the first ``n_batches`` batches of training, whatever epochs they span.

    Raises:
        ValueError: the images do not fill one batch.
    """
    if len(images) < batch_size:
        raise ValueError(f"{len(images)} images do not fill a batch of {batch_size}: give more")
    unlabelled = torch.zeros(len(images), dtype=torch.int64)
    endless = (
        x
        for epoch in count(1)
        for x, _ in epoch_batches(
            images, unlabelled, seed=seed, epoch=epoch, batch_size=batch_size,
            augmentation=augmentation, augmentations=augmentations,
        )
    )  # fmt: skip
    yield from islice(endless, n_batches)
