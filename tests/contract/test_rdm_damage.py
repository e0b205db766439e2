"""Damaged and dangerous files of RDMs are refused in one sentence that names the file."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from rdm_format_files import (
    FORMATS,
    table,
    written,
)

from neurosim.rsa import load_rdms
from neurosim.rsa.brain.brain_files import BrainFileError
from neurosim.rsa.io.rdm_files import RDMFileError


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".pt", ".pth"])
def test_pickles_are_never_opened(tmp_path: Path, suffix: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return (tmp_path / "ran").touch, ()

    (tmp_path / f"x{suffix}").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(RDMFileError, match=r"pickle, which can run any program.*save it otherwise"):
        load_rdms(tmp_path / f"x{suffix}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_one_sentence_that_names_the_file(tmp_path: Path, name: str, seed: int) -> None:
    """Cut, with bytes flipped, or both: it loads, or is refused as documented."""
    path, rng = written(tmp_path, name), np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    if seed % 3:
        for place in rng.integers(0, len(content), 1 + seed):
            content[place] = rng.integers(0, 256)
    if seed % 3 != 1:
        content = content[: rng.integers(0, len(content))]
    path.write_bytes(bytes(content))
    said = f"{path.name}: it loads"
    try:
        load_rdms(path)
    except (RDMFileError, BrainFileError) as error:
        said = str(error)
    assert path.name in said
    assert "\n" not in said


def test_bytes_that_are_not_utf_8_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(table().encode("latin-1"))
    with pytest.raises(RDMFileError, match=r"x\.csv: .*not UTF-8 text.*save it"):
        load_rdms(tmp_path / "x.csv")


def test_links_in_a_matlab_or_toolbox_file_are_refused(tmp_path: Path) -> None:
    for name in ("mat 7.3", "rsatoolbox", "h5 one dataset"):
        path = written(tmp_path, name)
        with h5py.File(path, "r+") as file:
            file["more"] = h5py.ExternalLink("other.h5", "/secret")
        with pytest.raises(RDMFileError, match=r"'/more' is a link to another file"):
            load_rdms(path)
