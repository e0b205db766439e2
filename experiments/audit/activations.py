"""Auditing activations that other code computed: one ``.npz`` file per network and evaluation.

Keys of a file (numpy arrays; ``np.savez``, no pickle):

- ``activations/LAYER``: (n_stimuli, *features), numbers; one key per layer, at least one
- ``rule``, ``seed``: which network: text, whole number
- ``epoch``: passes it has made; 0 as initialised
- ``statistics_only``: optional, True after passes at learning rate 0
- ``px``: optional, size of the stimuli (0 where it is left out: as they are)
- ``normalisation``: optional, where statistics came from (``as evaluated``; ``none``: the network
  keeps none)
- ``readout``: optional (``units``)
- ``stimuli``: optional: names of the rows; without it they stand in the brain's order
- ``alone/LAYER``: optional: the first rows again, shown in another batch
- ``changed``: optional, text: names of tensors that evaluation changed; empty: none
- ``weights/LAYER``: optional: the layer's weight

Movement is measured from the ``weights`` of the same rule and seed at epoch 0. Files are read one
layer at a time; what is kept of a file does not grow with its layers' size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from neurosim.experiments.audit.files import (
    ACTIVATIONS,
    ALONE,
    WEIGHTS,
    ActivationFile,
    is_ours,
    write_activations,
)
from neurosim.experiments.audit.geometry import Measured, Yardstick
from neurosim.experiments.audit.questions import Check
from neurosim.experiments.audit.result import TableAudit
from neurosim.experiments.audit.types import Audited
from neurosim.experiments.data.registry import load_stimuli
from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.results.table import merge
from neurosim.rsa import RDM, BrainRDMs, alignment_table, reference_rdms
from neurosim.rsa.rdm.rdm import compute_quietly
from neurosim.training import movement

__all__ = ["audit_activations", "holds_activations", "write_activations"]


def holds_activations(path: Path) -> bool:
    """Whether a folder holds ``.npz`` files with a key of ours, and no run."""
    path = Path(path)
    return not (path / "run.json").is_file() and any(map(is_ours, sorted(path.glob("*.npz"))))


def audit_activations(
    folder: Path, stimuli: str, data_dir: Path | None, layer: str | None = None
) -> TableAudit:
    """Audit every file of a folder against a brain and write ``audit.json`` into it.

    Args:
        stimuli: name of the stimulus set that was shown.
        layer: the layer that sentences speak of; None: the last of the first file.

    Raises:
        ValueError: a file lacks a key, does not fit the stimuli, or says that it is what another
            one is; the message names it.
    """
    files = [ActivationFile.open(path) for path in sorted(Path(folder).glob("*.npz"))]
    if not files:
        raise FileNotFoundError(f"no .npz file of activations in {folder} (docs/controls.md)")
    _refuse_twice(files)
    shown = load_stimuli(stimuli, data_dir, progress=False)
    references = {px: reference_rdms(_images(shown, px)) for px in {f.labels["px"] for f in files}}
    yardsticks = {px: Yardstick(shown.brain, rdms) for px, rdms in references.items()}
    starts = {file.key[:2]: file for file in files if file.labels["epoch"] == 0}
    tables, checks, measured = [], [], []
    for file in files:
        moved = _movement(file, starts.get(file.key[:2]))
        furthest = float(moved["displacement"].max()) if len(moved) else None
        found = _measure(file, shown, yardsticks[file.labels["px"]], furthest)
        tables.append(found.table.join(moved, on="layer").assign(test_accuracy=np.nan))
        checks.append(found.check)
        measured.append(found.measured)
    scored = [
        alignment_table({name: rdm}, shown.brain, labels={"rule": f"reference:{name}", "px": px})
        for px, rdms in references.items()
        for name, rdm in rdms.items()
    ]
    whole = merge(tables, pd.concat(scored), simulated=shown.simulated)
    spoken_of = layer or files[0].layers()[-1]
    audited = Audited.of(whole, spoken_of, checks=checks, measured=measured)
    result = TableAudit.of(Path(folder), audited, stimuli)
    result.write(folder)
    return result


def _refuse_twice(files: Sequence[ActivationFile]) -> None:
    known: dict[Any, ActivationFile] = {}
    for file in files:
        other = known.setdefault((file.key, file.choice), file)
        if other is not file:
            labels = ", ".join(f"{name} {value}" for name, value in file.labels.items())
            raise ValueError(
                f"{other.path} and {file.path} say that they are the same network and evaluation "
                f"({labels}): move one away, or say in its labels how it differs"
            )


def _images(stimuli: StimulusSet, px: int) -> np.ndarray:
    """uint8 images at px, or at their native size where it is not told."""
    if px:
        return (stimuli.at_px(px) * 255).round().astype(np.uint8)
    try:
        return np.stack([np.asarray(image) for image in stimuli.images])
    except ValueError as error:
        raise ValueError(
            f"the images of {stimuli.name!r} differ in size: say in every file at which size they "
            "were shown, px"
        ) from error


class _Found(NamedTuple):
    """What was found in one file: its scores, its check and what its RDMs say."""

    table: pd.DataFrame
    check: Check
    measured: Measured


def _measure(
    file: ActivationFile, shown: StimulusSet, yardstick: Yardstick, displacement: float | None
) -> _Found:
    """Read the layers of a file, one after the other."""
    brain = shown.brain
    rows = _rows(file, brain)
    alone = dict(file.arrays(ALONE))
    rdms: dict[str, RDM] = {}
    distances: dict[str, RDM] = {}
    differences: dict[str, tuple[float, float]] = {}
    groups: np.ndarray | None = None
    for layer, array in file.arrays(ACTIVATIONS):
        if len(array) != brain.n_stimuli:
            turned = " (is the array transposed?)" * (array.shape[-1] == brain.n_stimuli)
            raise ValueError(
                f"{file.path}: layer {layer!r} has {len(array)} stimuli, the brain data of "
                f"{shown.name!r} {brain.n_stimuli}: extract one row per stimulus{turned}"
            )
        flat = array.reshape(len(array), -1)
        if layer in alone:
            differences[layer] = _difference(file, layer, flat, alone[layer])
        exact = flat[rows]
        if exact.dtype not in (np.float32, np.float64):  # RDMs are computed of these alone
            exact = exact.astype(np.float64)
        rdms[layer] = compute_quietly(exact, "correlation", brain.stimuli)
        size = np.abs(exact).max() or 1.0  # the squares of huge values overflow
        distances[layer] = compute_quietly(exact / size, "euclidean", brain.stimuli)
        groups = _joined(groups, flat[rows])
    table = alignment_table(rdms, brain, labels=file.labels)
    measured = yardstick.measure(
        rdms, distances, displacement=displacement, name=file.path.stem,
        key=file.key, choice=file.choice,
        order_told=file.stimuli is not None, same=_same(groups, shown),
    )  # fmt: skip
    return _Found(table, _check(file, differences), measured)


def _rows(file: ActivationFile, brain: BrainRDMs) -> np.ndarray:
    """Where the brain's stimuli stand among the file's rows."""
    if file.stimuli is None:
        return np.arange(brain.n_stimuli)
    if sorted(file.stimuli) != sorted(brain.stimuli):
        strange = sorted(set(file.stimuli) ^ set(brain.stimuli)) or ["one of them twice"]
        raise ValueError(
            f"{file.path}: its {len(file.stimuli)} stimuli are not the {brain.n_stimuli} of the "
            f"brain data, each once; not in both: {', '.join(strange[:5])}"
        )
    places = {name: i for i, name in enumerate(file.stimuli)}
    return np.array([places[name] for name in brain.stimuli])


def _joined(groups: np.ndarray | None, flat: np.ndarray) -> np.ndarray | None:
    """Which stimuli have had the same activity in every layer so far: one number per group.

    A layer in which stimuli may be alike by chance tells none apart and is left out: one that is
    constant, and one of a few levels (spikes, booleans).
    """
    digests = [hashlib.sha256(np.ascontiguousarray(row).data).digest() for row in flat]
    if len(set(digests)) == 1 or _alike_by_chance(flat, digests):
        return groups
    own = np.unique(np.array(digests, dtype="S32"), return_inverse=True)[1]
    both = own if groups is None else groups * len(flat) + own
    return np.unique(both, return_inverse=True)[1]


def _alike_by_chance(flat: np.ndarray, digests: Sequence[bytes]) -> bool:
    """Whether stimuli with the same activity have others that differ in a few units only.

    Under real values two stimuli differ in most units that vary; where the nearest other stimulus
    differs in under a tenth of them, none at all is no surprise.
    """
    first: dict[bytes, int] = {}
    repeated = {first[d] for i, d in enumerate(digests) if first.setdefault(d, i) != i}
    n_vary = int((flat != flat[0]).any(axis=0).sum())
    for i in repeated:
        n_differ = (flat != flat[i]).sum(axis=1)
        if n_differ[n_differ > 0].min() < 0.1 * n_vary:
            return True
    return False


def _same(groups: np.ndarray | None, shown: StimulusSet) -> tuple[tuple[str, str], ...]:
    """Neighbours in a group of stimuli with one activity, whose images differ."""
    if groups is None:
        return ()
    pairs = []
    last: dict[int, int] = {}
    for i, group in enumerate(groups.tolist()):
        before = last.get(group)
        if before is not None and not np.array_equal(shown.images[before], shown.images[i]):
            pairs.append((shown.brain.stimuli[before], shown.brain.stimuli[i]))
        last[group] = i
    return tuple(pairs)


def _difference(
    file: ActivationFile, layer: str, together: np.ndarray, alone: np.ndarray
) -> tuple[float, float]:
    """Largest difference between two showings, and the smallest that can be stored, by the RMS."""
    flat = alone.reshape(len(alone), -1)
    if flat.shape[1] != together.shape[1] or not 0 < len(flat) <= len(together):
        raise ValueError(
            f"{file.path}: alone/{layer} must hold the first stimuli of activations/{layer} again; "
            f"they are {flat.shape} and {together.shape}"
        )
    size = float(np.abs(together).max()) or 1.0  # the squares of huge values overflow
    scale = size * float(np.sqrt(np.square(together / size, dtype=float).mean())) or 1.0
    gap = float(np.abs(together[: len(flat)].astype(float) - flat).max())
    return gap / scale, _step(together) / scale


def _step(values: np.ndarray) -> float:
    """The smallest difference that is stored: of the type, or of a grid that all values lie on."""
    of_type = float(np.finfo(values.dtype).eps * np.abs(values).max())
    levels = np.unique(values[: max(1, 100_000 // values.shape[1])].astype(float))
    gaps = np.diff(levels)
    if not len(gaps):
        return of_type
    steps = (levels - levels[0]) / gaps.min()
    on_a_grid = steps[-1] < 2**16 and np.abs(steps - steps.round()).max() < 0.01
    return max(of_type, float(gaps.min())) if on_a_grid else of_type


def _check(file: ActivationFile, differences: Mapping[str, tuple[float, float]]) -> Check:
    gaps, steps = zip(*differences.values(), strict=True) if differences else ((), ())
    silent = [layer for layer in file.layers() if layer not in differences]
    doubt = ""
    if silent:
        doubt = (
            f"{', '.join(silent)} shown in one batch only; give alone/LAYER, the first stimuli "
            "shown again, each in a batch of its own"
        )
    elif not any(gaps):
        doubt = (
            "alone is activations to the bit, as a copy of the array would be, and says nothing; "
            "show the first stimuli to the network again, each in a batch of its own"
        )
    return Check(
        file.path.stem, file.changed, max(gaps, default=None), max(steps, default=0.0), doubt
    )


def _movement(file: ActivationFile, start: ActivationFile | None) -> pd.DataFrame:
    """Layer -> displacement and direction change since epoch 0, of weights in both files."""
    rows = {}
    if start is not None:
        first = dict(start.arrays(WEIGHTS))
        for layer, weight in file.arrays(WEIGHTS):
            if layer not in first:
                continue
            if first[layer].shape != weight.shape:
                raise ValueError(
                    f"{file.path}: weights/{layer} has the shape {weight.shape}, at epoch 0 "
                    f"({start.path.name}) {first[layer].shape}"
                )
            moved = movement(*(torch.as_tensor(w.astype(float)) for w in (first[layer], weight)))
            rows[layer] = {"displacement": moved.displacement,
                           "direction_change": moved.direction_change}  # fmt: skip
    columns = ["displacement", "direction_change"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=float)
