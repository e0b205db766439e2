"""Folders of activations whose audit is known: an honest one, and what is planted in it.

The networks are three layers of fixed formulas on the demo's images, small enough that a folder of
nine files is audited in a second. Layer ``a`` sees pixels, ``b`` sees ``a``, ``c`` sees ``b``.
Learning adds the category of the object to all three; passes at learning rate 0 shift their units.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurosim.experiments.audit.activations import write_activations
from neurosim.experiments.data.registry import load_stimuli
from neurosim.experiments.data.types import StimulusSet

LAYERS = ("a", "b", "c")
END = 3
Files = dict[str, dict[str, Any]]
_N_UNITS = 48


def stimuli() -> StimulusSet:
    return load_stimuli("demo", progress=False)


def seen_pixels(shown: StimulusSet) -> np.ndarray:
    """(n, 192) images as means of 8 x 8 cells, centred."""
    images = np.asarray(shown.images, dtype=float) / 255
    n, px = images.shape[:2]
    cell = px // 8
    cells = images[:, : cell * 8, : cell * 8].reshape(n, 8, cell, 8, cell, 3).mean(axis=(2, 4))
    return cells.reshape(n, -1) - cells.mean()


def categories(shown: StimulusSet) -> np.ndarray:
    """(n, n_classes) one-hot, of the last word of each label: the shape."""
    shapes = [name.split()[-1] for name in shown.category]
    return (np.array(shapes)[:, None] == np.unique(shapes)).astype(float)


def network(
    shown: StimulusSet, seed: int, *, moved: float = 0.0, learned: float = 0.0, passes: float = 0.0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(activations, weights): ``moved`` is how far weights went, ``passes`` how far statistics."""
    draw, step = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    activity, weights, x = {}, {}, seen_pixels(shown)
    taught = categories(shown)
    for layer in LAYERS:
        weight = draw.normal(size=(x.shape[1], _N_UNITS)) / np.sqrt(x.shape[1])
        weight += moved * step.normal(size=weight.shape) / np.sqrt(x.shape[1])
        x = np.maximum(x @ weight + 0.05 * draw.normal(size=_N_UNITS), 0) + 0.01 * (x @ weight)
        x /= x.std()
        x = x + passes * np.linspace(-1, 1, _N_UNITS)
        added = learned * taught @ draw.normal(size=(taught.shape[1], _N_UNITS))
        weights[layer], activity[layer] = weight, (x + added).astype(np.float32)
    return activity, weights


def one_file(activity: dict[str, np.ndarray], weights: Any, **labels: Any) -> dict[str, Any]:
    """A file that tells all that can be told; the first stimuli differ by rounding alone."""
    ulp = np.finfo(np.float32).eps
    alone = {n: (a[:4] * (1 + ulp)).astype(np.float32) for n, a in activity.items()}
    return {
        "activations": activity, "weights": weights, "alone": alone, "changed": (), "px": 32,
        **labels,
    }  # fmt: skip


def honest(shown: StimulusSet, seeds: tuple[int, ...] = (1, 2, 3, 4)) -> Files:
    """Every seed as initialised, after passes at learning rate 0, and trained."""
    files = {}
    for seed in seeds:
        for name, epoch, flag, made in (
            ("start", 0, False, {}),
            ("passes", END, True, {"passes": 0.1}),
            ("end", END, False, {"moved": 0.3, "learned": 1.0, "passes": 0.1}),
        ):
            files[f"net-{seed}-{name}"] = one_file(
                *network(shown, seed, **made),
                rule="net", seed=seed, epoch=epoch, statistics_only=flag,
            )  # fmt: skip
    return files


def write(folder: Path, files: Files) -> None:
    for name, given in files.items():
        write_activations(folder / f"{name}.npz", **given)
