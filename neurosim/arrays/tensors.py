"""What may enter ``neurosim.spiking``, at every public door.

Numbers are float32 or float64, in dense (strided) tensors of one dtype and device; spikes of the
postsynaptic side, 0 and 1, may have any real dtype. Memory layout does not matter. Nothing here is
differentiated: what comes in is detached, and nothing that comes out carries a graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

#: Half precision counts to 2,048 and no further, so traces and totals would be wrong in silence.
DTYPES = (torch.float32, torch.float64)


def plain(name: str, value: Any, like: Tensor | None = None) -> Tensor:
    """The numbers of a tensor, without its graph.

    like: a tensor whose dtype and device it has to share.

    Raises:
        TypeError: naming what was given, what is allowed and the remedy.
    """
    tensor = dense(name, value)
    if tensor.dtype not in DTYPES:
        raise TypeError(
            f"{name} must be floating point, float32 or float64, got {tensor.dtype}: convert with "
            f"{'.abs() or .real' if tensor.is_complex() else '.float()'}"
        )
    if like is not None and (tensor.dtype != like.dtype or tensor.device != like.device):
        raise TypeError(
            f"{name} must be {like.dtype} on {like.device} like the tensors it meets, got "
            f"{tensor.dtype} on {tensor.device}: convert one of them with .to(...)"
        )
    return tensor


def dense(name: str, value: Any) -> Tensor:
    """Any strided tensor, without its graph."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if value.layout is not torch.strided:
        raise TypeError(f"{name} must be a dense tensor, got {value.layout}: use .to_dense()")
    return value.detach() if value.requires_grad else value


def require_finite(name: str, tensor: Tensor) -> None:
    """Refuse NaN and infinity: they fire no neuron, or every one, without a word."""
    # A sum is finite where all of it is; its own overflow is looked into.
    if not bool(tensor.sum().isfinite()) and not bool(tensor.isfinite().all()):
        raise ValueError(f"{name} holds values that are not finite (NaN or infinity)")


def real(name: str, value: Any) -> Tensor:
    """A strided tensor of any dtype but a complex one, without its graph."""
    tensor = dense(name, value)
    if tensor.is_complex():
        raise TypeError(f"{name} must be real, got {tensor.dtype}: use .abs() or .real")
    return tensor
