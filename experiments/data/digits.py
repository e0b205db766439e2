"""Handwritten digits that need no download: scikit-learn ships 1,797 of them, 8 x 8 pixels.

They are the test part of "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998,
10.24432/C50P49): real digits of 13 writers, counted into 8 x 8 blocks of 17 grey levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.experiments.data.types import MissingDataError

N_CLASSES = 10
N_IMAGES = 1797
#: Larger images show no more of what was 8 pixels wide.
LARGEST_PX = 128


@dataclass(frozen=True, eq=False)
class Digits:
    """Images ``(n, px, px)`` float32 in [0, 1] and labels ``(n,)`` int64, held-out ones apart."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor


def check(px: int, n_train: int) -> None:
    """Refuse a size or a split that the digits do not have.

    Raises:
        ValueError: naming it.
    """
    if not 8 <= px <= LARGEST_PX:
        raise ValueError(f"digits have 8 x 8 pixels, got image_px={px}: give 8 to {LARGEST_PX}")
    if not 0 < n_train < N_IMAGES:
        raise ValueError(
            f"n_train must leave some of the {N_IMAGES} digits to test on, got {n_train}"
        )


def load(px: int, n_train: int, seed: int) -> Digits:
    """The digits at ``px`` pixels, split at random for one seed.

    Args:
        px: 8 as they are; other sizes are interpolated (bilinear).
        n_train: number of images to learn from; the rest are held out.

    Raises:
        ValueError: as ``check``.
        MissingDataError: scikit-learn is not installed.
    """
    check(px, n_train)
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingDataError(
            "the digits come with scikit-learn, which is not installed: "
            'pip install -c constraints.txt -e ".[digits]"'
        ) from None
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32)
    if px != 8:
        x = F.interpolate(x, size=(px, px), mode="bilinear", align_corners=False).clamp(0, 1)
    order = torch.randperm(N_IMAGES, generator=generator(seed, "split"))
    x, y = x.squeeze(1)[order], torch.tensor(labels, dtype=torch.int64)[order]
    return Digits(x[:n_train], y[:n_train], x[n_train:], y[n_train:])
