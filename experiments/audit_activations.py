"""Auditing activations that other code computed: one ``.npz`` file a network and evaluation.

Keys of a file (numpy arrays; ``np.savez``, no pickle):

========================  ===============================================================
``activations/LAYER``     (n_stimuli, *features), stimuli in the order of the brain's; one
                          key a layer, at least one
``rule``, ``seed``        which network: text, whole number
``epoch``                 passes it has made; 0 as initialised
``statistics_only``       optional, true after passes at learning rate 0
``px``                    optional, size of the stimuli (0 where it is left out)
``normalisation``         optional, where statistics came from (``as evaluated``)
``readout``               optional (``units``)
``alone/LAYER``           optional: the first stimuli again, shown in another batch
``changed``               optional, text: names of tensors that evaluation changed; empty: none
``weights/LAYER``         optional: the layer's weight
========================  ===============================================================

Movement is measured from the ``weights`` of the same rule and seed at epoch 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.audit import Check, Finding, audit, write_audit
from neurosim.rsa.numpy_files import NumpyFileError, open_npz

_ACTIVATIONS, _ALONE, _WEIGHTS = "activations/", "alone/", "weights/"
_REQUIRED = {"rule": str, "seed": int, "epoch": int}
_OPTIONAL: Mapping[str, Any] = {
    "statistics_only": False, "px": 0, "normalisation": "as evaluated", "readout": "units",
}  # fmt: skip


def holds_activations(path: Path) -> bool:
    """Whether a folder holds ``.npz`` files and no run."""
    path = Path(path)
    return not (path / "run.json").is_file() and any(path.glob("*.npz"))


def write_activations(
    path: Path,
    activations: Mapping[str, Any],
    *,
    rule: str,
    seed: int,
    epoch: int,
    alone: Mapping[str, Any] | None = None,
    weights: Mapping[str, Any] | None = None,
    changed: Sequence[str] | None = None,
    **labels: Any,
) -> None:
    """Write one file of the format, whole or not at all.

    Args:
        activations: layer -> (n_stimuli, *features); alone: the same for the first stimuli in
            another batch; weights: layer -> weight.
        labels: statistics_only, px, normalisation, readout.
    """
    from neurosim.storage import whole_or_nothing

    unknown = set(labels) - set(_OPTIONAL)
    if unknown:
        raise ValueError(f"unknown labels {sorted(unknown)}: known are {', '.join(_OPTIONAL)}")
    arrays: dict[str, Any] = {"rule": rule, "seed": seed, "epoch": epoch, **labels}
    for prefix, group in ((_ACTIVATIONS, activations), (_ALONE, alone), (_WEIGHTS, weights)):
        arrays |= {f"{prefix}{name}": np.asarray(a) for name, a in (group or {}).items()}
    if changed is not None:
        arrays["changed"] = np.array(list(changed), dtype=str)
    with whole_or_nothing(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def audit_activations(
    folder: Path, stimuli: str, data_dir: Path | None, layer: str | None = None
) -> list[Finding]:
    """Audit every file of a folder against a brain and write ``audit.json`` into it.

    Args:
        stimuli: name of the stimulus set that was shown, in its order.
        layer: the layer that sentences speak of; None: the last of the first file.

    Raises:
        ValueError: a file lacks a key, or does not fit the stimuli; the message names both.
    """
    from neurosim.experiments.data import load_stimuli
    from neurosim.experiments.results import merge
    from neurosim.rsa import alignment_table, reference_rdms

    stimulus_set = load_stimuli(stimuli, data_dir, progress=False)
    brain = stimulus_set.brain
    files = [(path, _read(path)) for path in sorted(Path(folder).glob("*.npz"))]
    if not files:
        raise FileNotFoundError(f"no .npz file of activations in {folder} (docs/controls.md)")
    starts = {
        (held["rule"], held["seed"]): held["weights"] for _, held in files if held["epoch"] == 0
    }
    tables, checks = [], []
    for path, held in files:
        labels = {name: held[name] for name in (*_REQUIRED, *_OPTIONAL)}
        try:
            table = alignment_table(held["activations"], brain, labels=labels)
        except ValueError as error:
            raise ValueError(f"{path}: {error} (stimulus set {stimuli!r})") from error
        moved = _movement(held["weights"], starts.get((held["rule"], held["seed"]), {}))
        tables.append(table.join(moved, on="layer").assign(test_accuracy=np.nan))
        if held["changed"] is not None or held["alone"]:
            checks.append(_check(path, held))
    sizes = sorted({int(held["px"]) for _, held in files})
    references = [
        alignment_table({name: rdm}, brain, labels={"rule": f"reference:{name}", "px": px})
        for px in sizes
        for name, rdm in reference_rdms(_images(stimulus_set, px)).items()
    ]
    whole = merge(tables, pd.concat(references), simulated=stimulus_set.simulated)
    spoken_of = layer or list(files[0][1]["activations"])[-1]
    findings = audit(whole, checks, layer=spoken_of, stimuli=stimuli)
    write_audit(Path(folder) / "audit.json", findings, whole, spoken_of)
    return findings


def _images(stimuli: Any, px: int) -> np.ndarray:
    """uint8 images at px, or at their native size where it is not told."""
    return (stimuli.at_px(px) * 255).round().astype(np.uint8) if px else stimuli.images


def _read(path: Path) -> dict[str, Any]:
    try:
        with open_npz(path) as stored:
            arrays = {name: array.read() for name, array in stored.items()}
    except (OSError, NumpyFileError) as error:
        raise ValueError(f"{path} is no .npz file that can be read: {error}") from error
    missing = [name for name in _REQUIRED if name not in arrays]
    if missing or not any(name.startswith(_ACTIVATIONS) for name in arrays):
        lacks = [*missing, *([f"{_ACTIVATIONS}LAYER"] * (not _group(arrays, _ACTIVATIONS)))]
        raise ValueError(f"{path} lacks {', '.join(lacks)}: docs/controls.md names all keys")
    known = {*_REQUIRED, *_OPTIONAL, "changed"}
    unknown = [
        n for n in arrays if n not in known and not n.startswith((_ACTIVATIONS, _ALONE, _WEIGHTS))
    ]
    if unknown:
        raise ValueError(f"{path} holds unknown keys {', '.join(unknown)}: docs/controls.md")
    held: dict[str, Any] = {name: kind(arrays[name]) for name, kind in _REQUIRED.items()}
    for name, default in _OPTIONAL.items():
        held[name] = type(default)(arrays[name]) if name in arrays else default
    held["activations"] = {k: a.reshape(len(a), -1) for k, a in _group(arrays, _ACTIVATIONS)}
    held["alone"] = dict(_group(arrays, _ALONE))
    held["weights"] = dict(_group(arrays, _WEIGHTS))
    changed = arrays.get("changed")
    held["changed"] = None if changed is None else tuple(str(n) for n in np.ravel(changed) if n)
    for name, a in held["activations"].items():
        if a.dtype.kind != "f" or not np.isfinite(a).all():
            raise ValueError(f"{path}: activations of {name} must be finite floats")
    return held


def _group(arrays: Mapping[str, np.ndarray], prefix: str) -> list[tuple[str, np.ndarray]]:
    return [(k.removeprefix(prefix), a) for k, a in arrays.items() if k.startswith(prefix)]


def _movement(now: Mapping[str, np.ndarray], start: Mapping[str, np.ndarray]) -> pd.DataFrame:
    import torch

    from neurosim.training import movement

    rows = {}
    for name in now.keys() & start.keys():
        moved = movement(*(torch.as_tensor(np.asarray(w[name], float)) for w in (start, now)))
        rows[name] = {"displacement": moved.displacement,
                      "direction_change": moved.direction_change}  # fmt: skip
    columns = ["displacement", "direction_change"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=float)


def _check(path: Path, held: Mapping[str, Any]) -> Check:
    shares = list(_differences(path, held))
    changed = held["changed"] or ()
    return Check(path.stem, tuple(changed), max(shares) if shares else None)


def _differences(path: Path, held: Mapping[str, Any]) -> Iterator[float]:
    for name, alone in held["alone"].items():
        together = held["activations"].get(name)
        flat = alone.reshape(len(alone), -1).astype(float)
        if together is None or flat.shape[1] != together.shape[1] or len(flat) > len(together):
            raise ValueError(
                f"{path}: alone/{name} must hold the first stimuli of activations/{name} again"
            )
        scale = float(np.sqrt(np.square(together, dtype=float).mean()))
        difference = float(np.abs(together[: len(flat)] - flat).max())
        yield difference / scale if scale > 0 else difference
