"""Every format that people have RDMs in is read to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rdm_format_files import (
    DATA,
    FORMATS,
    NAMES,
    SQUARE,
    STACK,
    N,
    written,
)

from neurosim.experiments.data.brain92 import HIT_MAT, STIMULI_MAT
from neurosim.rsa import load_rdms


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_reads_what_was_written_to_the_bit(tmp_path: Path, name: str) -> None:
    _, _, n_rdms, named = FORMATS[name]
    found = load_rdms(written(tmp_path, name))
    assert len(found) == n_rdms, list(found)
    for i, rdm in enumerate(found.values()):
        np.testing.assert_array_equal(rdm.dissimilarities, STACK[i % len(STACK)])
        assert (rdm.stimuli is not None) == named
    if named and ("quoted" in name or "labels" in name):
        assert rdm.stimuli == NAMES


@pytest.mark.parametrize("missing", ["", "NA", "n/a", "NaN", "nan", "NULL", "<NA>", "#N/A"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_missing_pairs_are_marked_as_people_mark_them(
    tmp_path: Path, missing: str, separator: str
) -> None:
    square = SQUARE.copy()
    square[0, 1] = square[1, 0] = np.nan  # in the first line: it is no header for that
    square[-1] = square[:, -1] = np.nan  # a last line and column that say nothing, but count
    rows = [separator.join(missing if np.isnan(v) else f"{v:.17g}" for v in row) for row in square]
    (tmp_path / "x.csv").write_text("\n".join(rows))
    (rdm,) = load_rdms(tmp_path / "x.csv").values()
    np.testing.assert_array_equal(
        np.isnan(rdm.dissimilarities), np.isnan(square[np.triu_indices(N, 1)])
    )


@pytest.mark.skipif(not (DATA / "originals" / HIT_MAT.name).is_file(), reason="needs originals/")
def test_the_original_files_of_brain92_load() -> None:
    hit = load_rdms(DATA / "originals" / HIT_MAT.name)
    assert list(hit)[:2] == [f"92_brainRDMs/RDMs/hIT | BE | Session: {i}" for i in (1, 2)]
    figure = load_rdms(DATA / "originals" / STIMULI_MAT.name)
    assert [name.rsplit("/", 1)[1] for name in figure] == ["mIT_674neurons", "hITvisStim_316vx"]
    both = load_rdms(DATA / "brain92.npz")
    assert len(both) == 15 + 15 + 8
    evc = load_rdms(DATA / "originals" / "fmri_EVC_RDMs.npz")
    for i, rdm in enumerate(evc.values()):
        stored = both[f"brain92/EVC/{i}"].dissimilarities
        np.testing.assert_array_equal(rdm.dissimilarities.astype(np.float32), stored)
    for i, rdm in enumerate(hit.values()):
        stored = both[f"brain92/k2008_hIT/{i // 2}/{i % 2}"].dissimilarities
        np.testing.assert_array_equal(rdm.dissimilarities, stored)
