"""Files of activations that other code computed: what one holds, written and read by one law."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.experiments.data.files import write_npz
from neurosim.rsa.formats.numpy_files import NumpyFileError, StoredArray, open_npz

ACTIVATIONS, ALONE, WEIGHTS = "activations/", "alone/", "weights/"
_GROUPS = (ACTIVATIONS, ALONE, WEIGHTS)
_DOCS = "docs/controls.md names all keys"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or value.startswith("reference:"):
        raise ValueError("has to be a text, such as 'bp'")
    return value


def _whole(least: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        given = isinstance(value, int | float) and not isinstance(value, bool)
        if not given or value != value // 1 or value < least:
            raise ValueError(f"has to be a whole number from {least} on")
        return int(value)

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool) and value not in (0, 1):
        raise ValueError("has to be True or False, not a text or another number")
    return bool(value)


_REQUIRED: Mapping[str, Callable[[Any], Any]] = {
    "rule": _text, "seed": _whole(0), "epoch": _whole(0),
}  # fmt: skip
_OPTIONAL: Mapping[str, tuple[Callable[[Any], Any], Any]] = {
    "statistics_only": (_flag, False),
    "px": (_whole(0), 0),
    "normalisation": (_text, "as evaluated"),
    "readout": (_text, "units"),
}


def is_ours(path: Path) -> bool:
    """Whether an ``.npz`` file has a label or an array of this layout; other tools write ``.npz``
    files too. A damaged file counts, so that opening it says what is wrong."""
    try:
        with open_npz(path) as stored:
            return any(name in _REQUIRED or name.startswith(_GROUPS) for name in stored)
    except NumpyFileError:
        return True


def checked_labels(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every label of a file: those given, checked, and the defaults of the rest.

    Raises:
        ValueError: one is missing, unknown or not what it has to be.
    """
    if missing := [name for name in _REQUIRED if name not in given]:
        raise ValueError(f"lacks {', '.join(missing)}: {_DOCS}")
    if unknown := sorted(set(given) - {*_REQUIRED, *_OPTIONAL}):
        raise ValueError(
            f"holds unknown labels {', '.join(unknown)}; known are "
            f"{', '.join((*_REQUIRED, *_OPTIONAL))}"
        )
    checks = {**_REQUIRED, **{name: check for name, (check, _) in _OPTIONAL.items()}}
    labels = {name: default for name, (_, default) in _OPTIONAL.items()}
    for name, value in given.items():
        array = np.asarray(value)
        if array.size != 1:
            raise ValueError(f"{name} has to be one value; got {value!r}")
        try:
            labels[name] = checks[name](array.item())
        except ValueError as error:
            raise ValueError(f"{name} {error}; got {array.item()!r}") from None
    if labels["statistics_only"] and labels["epoch"] == 0:
        raise ValueError(
            "statistics_only is of passes at learning rate 0, so epoch has to be how many there "
            "were (as many as the trained network made); got epoch 0"
        )
    return {name: labels[name] for name in (*_REQUIRED, *_OPTIONAL)}


@dataclass(frozen=True)
class ActivationFile:
    """One file: its labels and what it holds; arrays are read one at a time.

    held: keys of its arrays. changed: tensors that evaluation changed, None where it is not told.
    stimuli: names of the rows, None where they are not told.
    """

    path: Path
    labels: Mapping[str, Any]
    held: tuple[str, ...]
    changed: tuple[str, ...] | None
    stimuli: tuple[str, ...] | None

    @classmethod
    def open(cls, path: Path) -> ActivationFile:
        """Read the labels.

        Raises:
            ValueError: the file cannot be read, or lacks or has a key; the message names it.
        """
        with _read(path) as arrays:
            held = tuple(key for key in arrays if key.startswith(_GROUPS))
            told = {n: stored.read() for n, stored in arrays.items() if n not in held}
        names = {n: told.pop(n) for n in ("changed", "stimuli") if n in told}
        lacks = [name for name in _REQUIRED if name not in told]
        lacks += [f"{ACTIVATIONS}LAYER"] * (not any(k.startswith(ACTIVATIONS) for k in held))
        if lacks:
            raise ValueError(f"{path} lacks {', '.join(lacks)}: {_DOCS}")
        try:
            labels = checked_labels(told)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        lists = {}
        for name, array in names.items():
            if array.dtype.kind != "U" and array.size:
                raise ValueError(f"{path}: {name} has to be a list of names; got {array.dtype}")
            lists[name] = tuple(str(n) for n in np.ravel(array))
        changed = lists.get("changed")
        return cls(
            Path(path),
            labels,
            held,
            None if changed is None else tuple(filter(None, changed)),
            lists.get("stimuli"),
        )

    @property
    def key(self) -> tuple[str, int, int, bool]:
        """(rule, seed, epoch, statistics_only)."""
        labels = self.labels
        return labels["rule"], labels["seed"], labels["epoch"], labels["statistics_only"]

    @property
    def choice(self) -> tuple[int, str, str]:
        """(px, normalisation, readout)."""
        return self.labels["px"], self.labels["normalisation"], self.labels["readout"]

    def layers(self, group: str = ACTIVATIONS) -> list[str]:
        """Names of the layers of a group, in the order of the file."""
        return [key.removeprefix(group) for key in self.held if key.startswith(group)]

    def arrays(self, group: str) -> Iterator[tuple[str, np.ndarray]]:
        """Layer and array of a group, one read after the other; whole numbers become float64.

        Raises:
            ValueError: an array is not of finite numbers.
        """
        with _read(self.path) as arrays:
            for layer in self.layers(group):
                yield layer, self._numbers(group + layer, arrays[group + layer].read())

    def _numbers(self, key: str, array: np.ndarray) -> np.ndarray:
        if array.ndim == 0 or array.dtype.kind not in "fiub":
            raise ValueError(
                f"{self.path}: {key} has to be an array of real numbers; got {array.dtype} "
                f"{array.shape}"
            )
        if not np.isfinite(array).all():
            n = int((~np.isfinite(array)).sum())
            raise ValueError(
                f"{self.path}: {n} of {array.size} values of {key} are not finite: leave the "
                "layer out, or evaluate the network again"
            )
        return array if array.dtype.kind == "f" else array.astype(np.float64)


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
    stimuli: Sequence[str] | None = None,
    **labels: Any,
) -> None:
    """Write one file of the format, whole or not at all.

    Args:
        activations: layer -> (n_stimuli, *features); alone: the same for the first stimuli in
            another batch; weights: layer -> weight.
        changed: names of tensors that evaluation changed; an empty list says that none did.
        stimuli: names of the stimuli, in the order of the rows.
        labels: statistics_only, px, normalisation, readout.
    """
    arrays = checked_labels({"rule": rule, "seed": seed, "epoch": epoch, **labels})
    for prefix, group in zip(_GROUPS, (activations, alone, weights), strict=True):
        arrays |= {f"{prefix}{name}": np.asarray(a) for name, a in (group or {}).items()}
    for name, names in (("changed", changed), ("stimuli", stimuli)):
        if names is not None:
            arrays[name] = np.array(list(names), dtype=str)
    write_npz(Path(path), arrays)


@contextmanager
def _read(path: Path) -> Iterator[Mapping[str, StoredArray]]:
    try:
        with open_npz(path) as arrays:
            yield arrays
    except (OSError, NumpyFileError) as error:
        raise ValueError(f"{path} is not an .npz file that can be read: {error}") from error
