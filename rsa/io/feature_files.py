"""Features of networks as Net2Brain stores them: .npz files by stimulus, or by layer."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.formats.numpy_files import NumpyFileError, open_npz

if TYPE_CHECKING:
    import pandas as pd

_CONSOLIDATED = "consolidated"


class FeatureFileError(ValueError):
    """Feature files that are damaged, or do not fit each other; names file and array."""


def load_features(path: str | os.PathLike[str]) -> dict[str, pd.DataFrame]:
    """Layer -> table (n_stimuli, n_features) whose index names the stimuli, for
    ``alignment_table`` and ``compute_rdm``.

    Args:
        path: a folder with one ``<stimulus>.npz`` per stimulus that holds every layer; or one
            ``..._consolidated_<layer>.npz`` per layer that holds every stimulus, or one such file.

    Stimuli are in natural order (``img_2`` before ``img_10``), as Net2Brain takes them; an axis of
    length one in front (a batch of one) is dropped, and what is left is one row of features.

    Raises:
        FileNotFoundError: no such file or folder, or no .npz in it.
        FeatureFileError: damage; a stimulus lacks a layer, or has it in another size.
    """
    import pandas as pd

    place = Path(path)
    files = [place] if place.is_file() else sorted(place.glob("*.npz"), key=_naturally)
    if not files:
        raise FileNotFoundError(f"no .npz files of features in {place}")
    by_layer = [place.is_file() or _CONSOLIDATED in file.stem for file in files]
    if any(by_layer) != all(by_layer):
        raise FeatureFileError(
            f"{place.name}: some files are of a layer ({_CONSOLIDATED} in their names), others of "
            "a stimulus; keep the two apart"
        )
    layers: dict[str, dict[str, NDArray[Any]]] = {}
    for file in files:
        for name, array in _arrays(file).items():
            layer, stimulus = (_layer_of(file), name) if by_layer[0] else (name, file.stem)
            layers.setdefault(layer, {})[stimulus] = array
    stimuli = list(dict.fromkeys(s for rows in layers.values() for s in rows))
    tables = {}
    for layer, rows in layers.items():
        lacking = [stimulus for stimulus in stimuli if stimulus not in rows]
        sizes = {stimulus: len(row) for stimulus, row in rows.items()}
        if lacking or len(set(sizes.values())) > 1:
            odd = next((s for s, n in sizes.items() if n != sizes[next(iter(sizes))]), "")
            what = f"{lacking[0]!r} lacks it" if lacking else f"{odd!r} has {sizes[odd]} features"
            raise FeatureFileError(
                f"{place.name}: layer {layer!r}: {what}, unlike {next(iter(sizes))!r}; extract "
                "all stimuli with the same layers, and pool what varies in length"
            )
        names = sorted(rows, key=_natural)
        tables[layer] = pd.DataFrame(np.stack([rows[name] for name in names]), index=names)
    return tables


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with open_npz(file) as stored:
            odd = next((n for n, a in stored.items() if a.dtype.kind not in "fiub"), None)
            if odd is not None:
                raise FeatureFileError(
                    f"{file.name}: {odd!r} holds {stored[odd].dtype}, no numbers"
                )
            return {name: array.read().reshape(-1) for name, array in stored.items()}
    except NumpyFileError as error:
        raise FeatureFileError(str(error)) from error


def _layer_of(file: Path) -> str:
    return file.stem.rpartition(f"{_CONSOLIDATED}_")[2]


def _naturally(file: Path) -> list[tuple[int, str]]:
    return _natural(file.stem)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"(\d+)", name)]
