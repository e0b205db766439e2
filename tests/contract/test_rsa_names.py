"""Names stay what they were, wherever they come from; what cannot name a row is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from neurosim.rsa import RDM, BrainRDMs, alignment_table, compute_rdm, load_features
from neurosim.rsa.io.feature_names import FeatureFileError

N = 6
NAMES = tuple(f"o{i}" for i in range(N))
X = np.random.default_rng(0).normal(size=(N, 8))
ROWS = np.random.default_rng(1).random((1, 1, 15)).astype(np.float32)


def stored_in_hdf5(tmp_path: Path, dtype: Any) -> Any:
    with h5py.File(tmp_path / "n.h5", "w") as file:
        file.create_dataset("n", data=list(NAMES), dtype=dtype)
        return file["n"][...]


@pytest.mark.parametrize("kind", ["bytes", "np.bytes_", "np.str_", "object", "array", "S", "vlen"])
def test_names_of_any_kind_become_the_same_text(tmp_path: Path, kind: str) -> None:
    given = {
        "bytes": [n.encode() for n in NAMES],
        "np.bytes_": [np.bytes_(n.encode()) for n in NAMES],
        "np.str_": [np.str_(n) for n in NAMES],
        "object": np.array(NAMES, dtype=object),
        "array": np.array(NAMES),
        "S": stored_in_hdf5(tmp_path, h5py.string_dtype(length=4)),
        "vlen": stored_in_hdf5(tmp_path, h5py.string_dtype()),
    }[kind]
    rdm = compute_rdm(X, stimuli=given)
    assert rdm.stimuli == NAMES
    assert all(type(name) is str for name in rdm.stimuli)
    assert BrainRDMs(ROWS, ["s"], ["V1"], given).stimuli == NAMES
    assert RDM(ROWS[0, 0], given).stimuli == NAMES


@pytest.mark.parametrize(
    "bad", [None, float("nan"), ("a", 1), 1.5, True, b"\xff", pd.Timestamp(0), np.arange(2)]
)
def test_what_is_no_name_is_refused(bad: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="stimulus name"):
        compute_rdm(X, stimuli=[*NAMES[:-1], bad])


def brain(stimuli: tuple[str, ...]) -> BrainRDMs:
    return BrainRDMs(ROWS, ("s",), ("V1",), stimuli)


def rho(given: Any, stimuli: tuple[str, ...]) -> float:
    return float(alignment_table({"fc": given}, brain(stimuli)).rho[0])


@pytest.mark.parametrize("start", [0, 1, 7])
@pytest.mark.parametrize("kind", ["DataFrame", "xarray"])
def test_a_table_numbered_by_the_stimuli_is_put_in_their_order(kind: str, start: int) -> None:
    """The rows may be in any order, and the stimuli too: the score is that of the same rows."""
    rng = np.random.default_rng(start)
    for stimuli in (np.arange(N), rng.permutation(N)):
        named = tuple(str(i + start) for i in stimuli)
        expected = rho(X[stimuli], named)
        for order in (np.arange(N), rng.permutation(N)):
            table: Any = pd.DataFrame(X[order], index=order + start)
            if kind == "xarray":
                table = pytest.importorskip("xarray").DataArray(
                    X[order], coords={"stimulus": order + start}, dims=("stimulus", "unit")
                )
            assert rho(table, named) == pytest.approx(expected, abs=1e-12)


def test_a_shuffled_integer_index_is_not_taken_in_order() -> None:
    table = pd.DataFrame(X, index=[3, 1, 0, 2, 5, 4])
    assert compute_rdm(table).stimuli == ("3", "1", "0", "2", "5", "4")
    with pytest.raises(ValueError, match="layer 'fc' names its stimuli otherwise"):
        alignment_table({"fc": table}, brain(NAMES))
    assert compute_rdm(table.reset_index(drop=True)).stimuli is None  # a count is no name
    assert compute_rdm(table.sort_index().set_axis(range(1, N + 1))).stimuli is None


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (pd.MultiIndex.from_tuples([("a", i) for i in range(N)]), "2 levels"),
        ([0, 1, 2, 0, 1, 2], "more than once: 0, 1, 2"),
        (["a", "b", "c", "a", "d", "e"], "more than once: a"),
        (pd.date_range("2020", periods=N), "text or a whole number"),
        ([0.5, *range(1, N)], "text or a whole number"),
    ],
)
def test_an_index_that_names_no_rows_is_refused(index: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        compute_rdm(pd.DataFrame(X, index=index))
    with pytest.raises((TypeError, ValueError), match=message):
        alignment_table({"fc": pd.DataFrame(X, index=index)}, brain(NAMES))


def test_rsatoolbox_keeps_its_descriptors_there_and_back() -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    from neurosim.rsa.io.interop import rdms_from_rsatoolbox, to_rsatoolbox

    there = rsatoolbox.rdm.RDMs(
        np.arange(30.0).reshape(2, 15),
        descriptors={"session": 3},
        rdm_descriptors={"subject": ["s1", "s2"], "roi": ["V1", "IT"]},
        pattern_descriptors={"conds": list(NAMES), "animate": [0, 1] * 3},
    )
    first, second = rdms_from_rsatoolbox(there)
    assert first.stimuli == NAMES
    assert second.descriptors == {"session": 3, "subject": "s2", "roi": "IT"}
    part = second.select(["o5", "o0"])
    assert part.stimulus_descriptors == {"animate": (1, 0)}
    assert part.descriptors == second.descriptors
    (again,) = rdms_from_rsatoolbox(to_rsatoolbox(second))
    assert again.stimuli == NAMES
    assert again.descriptors == second.descriptors
    assert again.stimulus_descriptors == second.stimulus_descriptors
    there.pattern_descriptors["file"] = [f"{n}.png" for n in NAMES]
    with pytest.raises(ValueError, match="conds, file could all name the stimuli"):
        rdms_from_rsatoolbox(there)
    assert rdms_from_rsatoolbox(there, "file")[0].stimuli == tuple(f"{n}.png" for n in NAMES)
    with pytest.raises(ValueError, match="no pattern descriptor 'name'"):
        rdms_from_rsatoolbox(there, "name")


def write_features(folder: Path, layout: str) -> dict[str, np.ndarray]:
    """Net2Brain's two layouts: a file per stimulus, or per layer; batches of one."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = [f"img_{i}" for i in (10, 2, 1)]
    layers = {"conv1": rng.normal(size=(3, 1, 2, 3, 3)), "fc": rng.normal(size=(3, 1, 5))}
    if layout == "stimulus":
        for i, name in enumerate(names):
            np.savez(folder / f"{name}.npz", **{k: v[i] for k, v in layers.items()})
    else:
        for layer, values in layers.items():
            rows = dict(zip(names, values, strict=True))
            np.savez(folder / f"net_consolidated_{layer}.npz", **rows)
    return layers


@pytest.mark.parametrize("layout", ["stimulus", "layer"])
def test_net2brain_features_are_tables_named_by_stimulus(tmp_path: Path, layout: str) -> None:
    layers = write_features(tmp_path / "f", layout)
    found = load_features(tmp_path / "f")
    assert sorted(found) == ["conv1", "fc"]
    for layer, table in found.items():
        assert list(table.index) == ["img_1", "img_2", "img_10"]
        np.testing.assert_array_equal(table.to_numpy(), layers[layer].reshape(3, -1)[::-1])
        assert compute_rdm(table).stimuli == ("img_1", "img_2", "img_10")
    if layout == "layer":
        one = load_features(tmp_path / "f" / "net_consolidated_fc.npz")
        pd.testing.assert_frame_equal(one["fc"], found["fc"])


def test_features_that_do_not_fit_each_other_are_named(tmp_path: Path) -> None:
    write_features(tmp_path / "f", "stimulus")
    np.savez(tmp_path / "f" / "img_2.npz", conv1=np.ones(18))
    with pytest.raises(FeatureFileError, match="layer 'fc': 'img_2' lacks it"):
        load_features(tmp_path / "f")
    np.savez(tmp_path / "f" / "img_2.npz", conv1=np.ones(18), fc=np.ones(4))
    with pytest.raises(
        FeatureFileError, match="layer 'fc': 'img_2' has 4 features, unlike 'img_1'"
    ):
        load_features(tmp_path / "f")
    (tmp_path / "f" / "img_2.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(FeatureFileError, match=r"img_2\.npz cannot be read"):
        load_features(tmp_path / "f")
    with pytest.raises(FileNotFoundError, match=r"no .npz files of features"):
        load_features(tmp_path / "nowhere")
