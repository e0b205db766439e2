"""Features of networks as Net2Brain and thingsvision store them: one table per layer."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.formats.numpy_files import NumpyFileError, open_npz
from neurosim.rsa.io.feature_names import FeatureFileError, is_image, stimulus_names
from neurosim.rsa.io.thingsvision_files import holds_thingsvision, read_layer

if TYPE_CHECKING:
    import pandas as pd

_CONSOLIDATED = "consolidated"


def load_features(path: str | os.PathLike[str]) -> dict[str, pd.DataFrame]:
    """Layer -> table (n_stimuli, n_features) whose index names the stimuli, for
    ``alignment_table`` and ``compute_rdm``.

    Args:
        path: of Net2Brain, a folder with one ``<image>.npz`` per stimulus that holds every layer;
            one ``<layer>.npz`` or ``..._consolidated_<layer>.npz`` per layer that holds every
            stimulus; or one file of a layer. Of thingsvision, a folder with ``features.npy``,
            ``.hdf5``, ``.mat`` or ``.txt`` of a layer, whole or in steps, and ``file_names.txt``;
            or a folder of such folders, one per layer.

    Stimuli are named after their images, without folder and ending. Net2Brain's are in natural
    order (``img_2`` before ``img_10``), as it takes them; an axis of length one in front (a batch
    of one) is dropped. thingsvision's are in the order of ``file_names.txt``; without it the index
    numbers them. Maps and tokens are one row of features.

    Raises:
        FileNotFoundError: no such file or folder, or no features in it.
        FeatureFileError: damage; a stimulus lacks a layer, or has it in another size.
    """
    place = Path(path)
    if place.is_dir():
        if holds_thingsvision(place):
            return {place.name: read_layer(place)}
        below = sorted((p for p in place.iterdir() if p.is_dir()), key=lambda p: _natural(p.name))
        tables = {folder.name: read_layer(folder) for folder in below if holds_thingsvision(folder)}
        if tables:
            return _of_the_same_stimuli(tables, place)
    return _net2brain(place)


def _of_the_same_stimuli(tables: dict[str, pd.DataFrame], place: Path) -> dict[str, pd.DataFrame]:
    first = next(iter(tables))
    for layer, table in tables.items():
        if list(table.index) != list(tables[first].index):
            raise FeatureFileError(
                f"{place.name}: layers {first!r} and {layer!r} are of other stimuli, or in another "
                "order: extract all layers of the same images"
            )
    return tables


def _net2brain(place: Path) -> dict[str, pd.DataFrame]:
    import pandas as pd

    files = [place] if place.is_file() else sorted(place.glob("*.npz"), key=_naturally)
    if not files:
        raise FileNotFoundError(f"no .npz files of features in {place}, nor features of layers")
    by_layer = [place.is_file() or _is_of_layer(file) for file in files]
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
    called = dict(zip(stimuli, stimulus_names(stimuli, place.name), strict=True))
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
        tables[layer] = pd.DataFrame(
            np.stack([rows[name] for name in names]), index=[called[name] for name in names]
        )
    return tables


def _is_of_layer(file: Path) -> bool:
    """``layer.npz`` holds images by name; ``image.npz`` holds layers, and is called as an image."""
    if _CONSOLIDATED in file.stem:
        return True
    try:
        with open_npz(file) as stored:
            return not is_image(file.stem) and all(map(is_image, stored))
    except NumpyFileError as error:
        raise FeatureFileError(str(error)) from error


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
