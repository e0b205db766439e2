"""State that a failed call leaves as it found it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def unchanged_on_error(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Put back what ``tensors`` held where the block is left by an exception.

    Layers move their statistics one after the other: an image that the last of them refuses has
    moved those of the first by then.
    """
    kept = [(tensor, tensor.detach().clone()) for tensor in tensors]
    try:
        yield
    except BaseException:
        with torch.no_grad():
            for tensor, before in kept:
                tensor.copy_(before)
        raise


def statistics_of(net: object) -> list[Tensor]:
    """What a pass may move beside weights: normalisation statistics, thresholds."""
    return list(net.buffers()) if isinstance(net, nn.Module) else []
