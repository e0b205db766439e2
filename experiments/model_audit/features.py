"""Showing a model images: its activity by layer, as RDMs, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from neurosim.experiments.model_audit.inputs import Shown
from neurosim.models.interop.module_layers import Layer
from neurosim.models.interop.module_states import as_read
from neurosim.rsa.rdm.rdm import compute_quietly

#: Activity that is held at once, in bytes; where all layers need more, images are shown again.
MEMORY = 2**30
BATCH = 32
_GRID = 4
#: 1 - r of patterns that differ by a share d of their spread is about d^2 / 2: here d is 1e-5, a
#: hundred roundings of single precision, which sums through a network can reach.
_RESOLVED = 1e-10
Key = tuple[str, str]


def whole(x: Tensor) -> Tensor:
    return x.flatten(1)


def pooled(x: Tensor) -> Tensor:
    """Maps as the means of 4 x 4 cells."""
    return nn.functional.adaptive_avg_pool2d(x, _GRID).flatten(1)


def mean(x: Tensor) -> Tensor:
    """Maps as the mean of each channel; tokens as their mean."""
    return x.flatten(2).mean(2) if x.dim() > 3 else x.mean(1)


def class_token(x: Tensor) -> Tensor:
    return x[:, 0]


def readouts(layer: Layer) -> dict[str, Callable[[Tensor], Tensor]]:
    """What a layer can be read as: units; maps (channels, height, width); tokens (n, features)."""
    found: dict[str, Callable[[Tensor], Tensor]] = {"whole": whole}
    if len(layer.shape) == 3:
        if min(layer.shape[1:]) > _GRID:
            found["4x4"] = pooled
        if max(layer.shape[1:]) > 1:
            found["mean"] = mean
    elif len(layer.shape) == 2:
        found |= {"mean": mean, "class": class_token}
    return found


@dataclass(frozen=True)
class LayerFacts:
    """What a layer answered to all images.

    n_dead: units that answered every image alike; silent: images whose activity is constant.
    not_finite: how many values are NaN or infinite. digests: one hash per image.
    """

    n_units: int
    n_dead: int
    silent: tuple[int, ...]
    not_finite: int
    digests: tuple[bytes, ...]


@dataclass
class Seen:
    """rdms: (layer, readout) -> condensed RDM; NaN where a pattern is constant or not finite."""

    rdms: dict[Key, np.ndarray] = field(default_factory=dict)
    facts: dict[str, LayerFacts] = field(default_factory=dict)


@torch.no_grad()
def activity(model: nn.Module, images: Tensor, layers: Sequence[Layer]) -> dict[str, Tensor]:
    """Layer -> (n_images, *shape), on the CPU, copied before the model can write over it."""
    images = as_read(model, images)
    heard: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[Tensor], None]:
        def hear(x: Tensor) -> None:
            heard[name] = x.detach().to("cpu", torch.float32, copy=True)

        return hear

    handles = [layer.listen(model, keep(layer.name)) for layer in layers]
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    return heard


def see(
    model: nn.Module,
    shown: Shown,
    layers: Sequence[Layer],
    *,
    batch: int = BATCH,
    memory: int = MEMORY,
) -> Seen:
    """Show all images in batches; layers that do not fit into memory together come in turns."""
    seen = Seen()
    for group in _groups(layers, len(shown), memory):
        kept = {layer.name: np.empty((len(shown), layer.n_features), np.float32) for layer in group}
        for first in range(0, len(shown), batch):
            rows = shown.rows(first, min(first + batch, len(shown)))
            for name, x in activity(model, rows, group).items():
                kept[name][first : first + len(rows)] = x.flatten(1).numpy()
        for layer in group:
            look_at(layer, kept.pop(layer.name), seen)
    return seen


def _groups(layers: Sequence[Layer], n: int, memory: int) -> Iterator[list[Layer]]:
    group: list[Layer] = []
    held = 0
    for layer in layers:
        size = 4 * n * layer.n_features
        if group and held + size > memory:
            yield group
            group, held = [], 0
        group.append(layer)
        held += size
    if group:
        yield group


def look_at(layer: Layer, flat: np.ndarray, seen: Seen) -> None:
    """The RDMs of a layer under every readout, and what is odd in it."""
    low, high = flat.min(axis=1), flat.max(axis=1)
    bad = int(flat.size - np.isfinite(flat).sum()) if not np.isfinite(low + high).all() else 0
    seen.facts[layer.name] = LayerFacts(
        flat.shape[1],
        int((flat.min(axis=0) == flat.max(axis=0)).sum()),
        tuple(np.flatnonzero(low == high).tolist()) if flat.shape[1] > 1 else (),
        bad,
        tuple(hashlib.sha256(row.data).digest() for row in flat),
    )
    shaped = torch.from_numpy(flat).reshape(len(flat), *layer.shape)
    for name, read in readouts(layer).items():
        seen.rdms[layer.name, name] = rdm_of(read(shaped).numpy())


def rdm_of(patterns: np.ndarray) -> np.ndarray:
    """Condensed correlation distances; NaN for patterns that are constant or not finite, and for
    all where they differ by less than single precision resolves."""
    bad = ~np.isfinite(patterns).all(axis=1)
    if bad.any():
        patterns = patterns.copy()
        patterns[bad] = np.nan
    n = len(patterns)
    nothing = np.full(n * (n - 1) // 2, np.nan)
    if bad.all() or patterns.shape[1] < 2:
        return nothing
    row = compute_quietly(np.ascontiguousarray(patterns), "correlation").dissimilarities
    return row if np.nanmax(row, initial=0.0) > _RESOLVED else nothing


def fingerprint(model: nn.Module) -> dict[str, str]:
    """Name -> hash of every tensor and number that a model holds, registered or not."""
    found = {}
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        found[name] = _hash(tensor)
    for place, module in model.named_modules():
        for name, value in vars(module).items():
            whose = f"{place}.{name}" if place else name
            if isinstance(value, Tensor | np.ndarray):
                found[whose] = _hash(torch.as_tensor(value))
            elif isinstance(value, bool | int | float) and name != "training":
                found[whose] = repr(value)
            elif isinstance(value, list | tuple | Mapping) and not name.startswith("_"):
                found |= _of_several(whose, value)
    return found


def _of_several(whose: str, value: Sequence[object] | Mapping[str, object]) -> dict[str, str]:
    each = value.items() if isinstance(value, Mapping) else enumerate(value)
    held = {f"{whose}[{key}]": x for key, x in each if isinstance(x, Tensor | int | float)}
    return {name: _hash(x) if isinstance(x, Tensor) else repr(x) for name, x in held.items()} | {
        f"{whose}[]": str(len(value))
    }


def _hash(tensor: Tensor) -> str:
    plain = tensor.detach().cpu().contiguous()
    bits = plain.view(torch.uint8) if plain.dim() else plain.reshape(1).view(torch.uint8)
    return hashlib.sha256(bits.numpy().tobytes()).hexdigest() + str(tuple(tensor.shape))
