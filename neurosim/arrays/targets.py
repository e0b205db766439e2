"""Where targets meet outputs: two shapes that must be the same never broadcast.

``(batch, 1)`` against ``(batch,)`` subtracts every output from every target, and class indices
broadcast against scores where the batch is as large as the number of classes: both give a number.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def require_classes(target: Tensor, n_images: int, n_classes: int, name: str = "target") -> Tensor:
    """The class indices ``(n_images,)``, each from 0 to ``n_classes - 1``, as int64.

    Raises:
        TypeError: a target that holds no whole numbers.
        ValueError: another shape, or an index that is not a class.
    """
    if not isinstance(target, Tensor) or target.dtype == torch.bool or target.is_floating_point():
        got = f"{target.dtype}" if isinstance(target, Tensor) else type(target).__name__
        raise TypeError(
            f"{name} must be class indices, a tensor of whole numbers, got {got}: of a one-hot "
            "target give target.argmax(1)"
        )
    if tuple(target.shape) != (n_images,):
        raise ValueError(
            f"{name} must be one class index per image, ({n_images},), got the shape "
            f"{tuple(target.shape)}: of a one-hot target give target.argmax(1)"
        )
    if n_images:
        low, high = (int(v) for v in torch.aminmax(target))
        if low < 0 or high >= n_classes:
            raise ValueError(
                f"{name} holds class {low if low < 0 else high}, but the {n_classes} classes are 0 "
                f"to {n_classes - 1}: renumber them, or build the output for more classes"
            )
    return target.long()


def require_scores(output: Tensor) -> Tensor:
    """One score per class, ``(batch, n_classes)``.

    Raises:
        ValueError: an output of another shape, which names no class.
    """
    if output.dim() != 2:
        raise ValueError(
            f"an output that names a class is (batch, n_classes), got {tuple(output.shape)}: end "
            "the network with a dense layer, or the learner with a readout part"
        )
    return output


def require_same_shape(target: Tensor, output: Tensor) -> Tensor:
    """A floating-point target in the shape of ``output``.

    Raises:
        TypeError: a target that is not floating point, as class indices are.
        ValueError: another shape.
    """
    if tuple(target.shape) != tuple(output.shape):
        raise ValueError(
            f"the target must have the shape of the output, {tuple(output.shape)}, got "
            f"{tuple(target.shape)}: of class indices give a one-hot target, "
            "torch.nn.functional.one_hot(target, n_classes).to(output)"
        )
    if not target.is_floating_point():
        raise TypeError(
            f"the target must be floating point as the output is, got {target.dtype}: give "
            "target.to(output)"
        )
    return target


def read_off(output: Tensor, target: Tensor) -> tuple[float, int]:
    """``(cross-entropy, number of images whose largest score is their class)`` of a batch.

    The target is class indices, or a target in the shape of the output, whose class is its
    largest entry.
    """
    scores = require_scores(output)
    if target.dim() > 1:
        target = require_same_shape(target, scores).argmax(1)
    else:
        target = require_classes(target, len(scores), scores.shape[1])
    return float(F.cross_entropy(scores, target)), int((scores.argmax(1) == target).sum())
