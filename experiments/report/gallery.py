"""Pictures of what the networks became: filters, representational geometry, spikes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.job.batches import normalise
from neurosim.experiments.job.extraction import PURE
from neurosim.experiments.job.measures import DISSIMILARITIES
from neurosim.models.network.readouts import patterns
from neurosim.models.rules.learner import Learner
from neurosim.models.spiking.dynamics import SpikingNetwork, SpikingPoint
from neurosim.naming.made import made
from neurosim.rsa import compute_rdm, reference_rdms, to_square
from neurosim.solvers import Ticks
from neurosim.spiking.encoders.lgn import OPPONENT

#: Stimuli in a drawn RDM; of more, this many evenly spaced ones are shown.
MAX_STIMULI = 128
#: Units in a raster, drawn at random from those that fired.
MAX_UNITS = 60
#: Filters of the first layer stand in this many columns; of more, the first ones are shown.
_COLUMNS = 8
_MAX_FILTERS = 64
#: Filters of spiking layers read LGN channels: three opponent planes, on and off.
_LGN_CHANNELS = 6


@dataclass(frozen=True)
class Filters:
    """The first layer of one rule.

    initial, trained, change: ``(height, width, 3)`` uint8, filters side by side, grey is 0; the
    first two on one scale, ``change`` on its own.
    change_scale: largest weight of the first two over the largest change.
    """

    initial: NDArray[np.uint8]
    trained: NDArray[np.uint8]
    change: NDArray[np.uint8]
    change_scale: float


def filters(initial: Any, trained: Any) -> Filters:
    """The first layer's weights as colours: ``(maps, channels, height, width)``, or of a dense
    layer ``(units, pixels)`` of square images."""
    start, end = (_as_rgb(_filters_of(np.asarray(weight))) for weight in (initial, trained))
    moved = end - start
    largest = max(float(np.abs(start).max()), float(np.abs(end).max())) or 1.0
    largest_move = float(np.abs(moved).max())
    return Filters(
        _tiles(start / largest),
        _tiles(end / largest),
        _tiles(moved / (largest_move or 1.0)),
        largest / largest_move if largest_move else float("inf"),
    )


def _filters_of(weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """``(filters, channels, height, width)``."""
    if weight.ndim == 2:
        n_channels = next(
            n for n in (_LGN_CHANNELS, 3, 1) if math.isqrt(weight.shape[1] // n) ** 2 * n
            == weight.shape[1]
        )  # fmt: skip
        side = math.isqrt(weight.shape[1] // n_channels)
        weight = weight.reshape(len(weight), n_channels, side, side)
    return weight[:_MAX_FILTERS]


def _as_rgb(weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """``(maps, height, width, 3)``: what each filter answers to, in R, G, B."""
    if weight.shape[1] == _LGN_CHANNELS:
        planes = weight[:, :3] - weight[:, 3:]
        weight = np.einsum("ojkl,ji->oikl", planes, np.asarray(OPPONENT))
    elif weight.shape[1] != 3:
        weight = np.repeat(weight.mean(1, keepdims=True), 3, axis=1)
    return weight.transpose(0, 2, 3, 1).astype(np.float64)


def _tiles(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    n, height, width, _ = values.shape
    rows = -(-n // _COLUMNS)
    sheet = np.full((rows * (height + 1) - 1, _COLUMNS * (width + 1) - 1, 3), 255, np.uint8)
    for i, tile in enumerate(values):
        y, x = divmod(i, _COLUMNS)
        shown = np.clip(127.5 * (1 + tile), 0, 255).astype(np.uint8)
        sheet[y * (height + 1) : y * (height + 1) + height,
              x * (width + 1) : x * (width + 1) + width] = shown  # fmt: skip
    return sheet


@dataclass(frozen=True)
class Geometry:
    """RDMs as percentile ranks, ``(n, n)`` uint8 from 0 (most alike) to 100.

    stimuli: names of the rows.
    """

    matrices: Mapping[str, NDArray[np.uint8]]
    stimuli: tuple[str, ...]
    n_all: int


def ranked(square: NDArray[np.floating], shown: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Percentile ranks of the pairs among the stimuli ``shown``; undefined pairs are 255."""
    part = np.asarray(square, dtype=np.float64)[np.ix_(shown, shown)]
    above = np.triu_indices(len(part), 1)
    values = part[above]
    percent = np.full(len(values), 255.0)
    known = np.isfinite(values)
    if known.sum() > 1:
        percent[known] = 100 * (rankdata(values[known]) - 1) / (known.sum() - 1)
    matrix = np.zeros(part.shape, np.uint8)
    matrix[above] = np.round(percent)
    return matrix + matrix.T


def geometry(
    stimuli: StimulusSet,
    patterns: Mapping[str, NDArray[np.floating]],
    *,
    px: int,
    dissimilarity: str = "correlation",
) -> Geometry:
    """The brain's RDMs, luminance, and those of patterns ``(n_stimuli, n_features)`` by name."""
    brain, n = stimuli.brain, len(stimuli.images)
    shown = np.unique(np.linspace(0, n - 1, min(n, MAX_STIMULI)).round().astype(int))
    images = (stimuli.at_px(px) * 255).round().astype(np.uint8)
    squares = {f"brain: {roi}": brain.mean_rdm(roi) for roi in brain.rois}
    squares["luminance"] = reference_rdms(images)["luminance"].dissimilarities
    metric = made(DISSIMILARITIES, dissimilarity)
    for name, values in patterns.items():
        squares[name] = compute_rdm(values, metric).dissimilarities
    matrices = {name: ranked(to_square(values), shown) for name, values in squares.items()}
    return Geometry(matrices, tuple(brain.stimuli[i] for i in shown), n)


@torch.no_grad()
def patterns_of(
    learner: Learner, stimuli: StimulusSet, px: int, layer: str, readout: str
) -> NDArray[np.floating]:
    """A layer's patterns to every stimulus, with the statistics of training."""
    found = []
    for x in normalise(stimuli.at_px(px)).split(PURE.batch_size(px)):
        found.append(patterns(learner.represent(x)[layer], readout))
    return torch.cat(found).cpu().numpy()


@dataclass(frozen=True)
class Raster:
    """Spikes of one layer to one stimulus.

    times_ms, units: one entry a spike. n_shown of n_fired of n_units units are drawn.
    """

    layer: str
    times_ms: NDArray[np.float64]
    units: NDArray[np.intp]
    n_shown: int
    n_fired: int
    n_units: int
    duration_ms: float


@torch.no_grad()
def rasters(learner: Learner, image: NDArray[np.float32]) -> list[Raster]:
    """Spikes of the input and of every spiking layer to one image ``(px, px, 3)`` in [0, 1].

    Empty where the learner does not spike. Units are drawn at random, the same ones each time.
    """
    nets = [part.net for part in learner.parts if isinstance(part.net, SpikingNetwork)]
    if not nets:
        return []
    net, found = nets[0], []
    spikes = net.dynamics.encode(
        normalise(image[None]), torch.Generator().manual_seed(net.evaluation_seed)
    )
    point = SpikingPoint(net.layers, spikes)
    by_layer: dict[str, list[NDArray[np.floating]]] = {
        "input": [],
        **{n.name: [] for n in net.layers},
    }
    for settled in Ticks().settle(net.dynamics, point):
        by_layer["input"].append(settled.state["pre"][0][0].flatten().cpu().numpy())
        for layer, post in zip(net.layers, settled.state["post"], strict=True):
            by_layer[layer.name].append(post[0].flatten().cpu().numpy())
    rng = np.random.default_rng(0)
    for name, ticks in by_layer.items():
        train = np.stack(ticks) > 0
        fired = np.flatnonzero(train.any(0))
        shown = np.sort(rng.permutation(fired)[:MAX_UNITS])
        when, which = np.nonzero(train[:, shown])
        times_ms = (when * net.dynamics.dt_ms).astype(np.float64)
        found.append(Raster(name, times_ms, which, len(shown), len(fired), train.shape[1],
                            net.dynamics.duration_ms))  # fmt: skip
    return found
