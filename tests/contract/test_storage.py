"""Trees of arrays in HDF5: they read back the same, and appear whole or not at all."""

import errno

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from neurosim.arrays import storage
from neurosim.arrays.storage import (
    DamagedFileError,
    read_tree,
    set_aside,
    whole_or_nothing,
    write_text,
    write_tree,
)
from neurosim.arrays.streams import generator

VALUES = st.one_of(
    arrays(st.sampled_from([np.float32, np.float64, np.int64, np.bool_]), array_shapes(max_side=3)),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
    st.integers(-(2**62), 2**62),
    st.booleans(),
)
KEYS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6)
TREES = st.dictionaries(KEYS, st.one_of(VALUES, st.dictionaries(KEYS, VALUES, max_size=3)))


def same(a, b) -> bool:
    if isinstance(a, dict):
        return set(a) == set(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return type(a) is type(b) and a == b


@settings(deadline=None, max_examples=40)
@given(tree=TREES)
def test_a_tree_reads_back_the_same(tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("tree") / "tree.h5"
    write_tree(path, tree)
    assert same(tree, read_tree(path))


def test_tensors_and_lists_of_text_are_stored(tmp_path):
    path = tmp_path / "tree.h5"
    write_tree(path, {"t": torch.arange(3.0), "names": ["a", "ß"], "none": []})
    tree = read_tree(path)
    assert np.array_equal(tree["t"], [0, 1, 2])
    assert tree["names"] == ["a", "ß"]


@pytest.mark.parametrize("value", [object(), [object()], {1, 2}, 1j])
def test_what_cannot_be_stored_is_refused_and_leaves_nothing(tmp_path, value):
    with pytest.raises(TypeError, match="can be stored"):
        write_tree(tmp_path / "tree.h5", {"a": 1, "bad": value})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail():
        with whole_or_nothing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@settings(deadline=None, max_examples=30)
@given(cut=st.floats(0, 0.99))
def test_a_truncated_file_is_named(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "tree.h5"
    write_tree(path, {"a": np.arange(2000.0), "b": {"c": "text"}})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(DamagedFileError, match=r"tree\.h5 .*move it away"):
        read_tree(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_tree(tmp_path / "nowhere.h5")


def test_streams_differ_by_seed_name_and_epoch_and_by_nothing_else():
    def draw(*key):
        return torch.rand(4, generator=generator(*key)).tolist()

    keys = [(1, "order", 1), (2, "order", 1), (1, "spikes", 1), (1, "order", 2)]
    draws = [draw(*key) for key in keys]
    assert all(a != b for i, a in enumerate(draws) for b in draws[:i])
    torch.manual_seed(5)
    assert [draw(*key) for key in keys] == draws, "the global seed has no say"


def test_a_flipped_bit_is_damage_and_no_number(tmp_path):
    """Whatever bit of the file flips: it reads back the same (the bit held nothing), or is
    refused."""
    tree = {"a": np.arange(40.0), "inner": {"b": np.ones(3, np.float32)}, "text": ["x", "yz"]}
    path = tmp_path / "tree.h5"
    write_tree(path, tree)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    n_refused = 0
    for at in rng.choice(len(whole) * 8, 400, replace=False):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        try:
            found = read_tree(path)
        except DamagedFileError:
            n_refused += 1
        else:
            assert same(found, tree), f"bit {at}"
    assert n_refused > 20


def test_two_writes_of_a_tree_are_the_same_bytes(tmp_path):
    write_tree(tmp_path / "one.h5", {"z": np.arange(4), "a": {"text": "x"}})
    write_tree(tmp_path / "two.h5", read_tree(tmp_path / "one.h5"))
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_a_system_that_refuses_is_no_damage(tmp_path, monkeypatch):
    """Too many open files, no permission: such a file must not be thrown away."""
    path = tmp_path / "tree.h5"
    write_tree(path, {"a": 1})

    def refuse(*args, **options):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(storage.h5py, "File", refuse)
    with pytest.raises(OSError, match="Too many open files") as caught:
        read_tree(path)
    assert not isinstance(caught.value, DamagedFileError)


def test_damaged_files_are_set_aside_side_by_side(tmp_path):
    path = tmp_path / "tree.h5"
    for text in ("one", "two"):
        path.write_text(text)
        set_aside(path)
    assert not path.exists()
    assert (tmp_path / "tree.h5.damaged").read_text() == "one"
    assert (tmp_path / "tree.h5.damaged-2").read_text() == "two"


def test_text_with_the_bytes_of_a_name_is_written_as_text(tmp_path):
    """As Python hands on names under LC_ALL=C: "läuft" in UTF-8, and bytes that are no text."""
    write_text(tmp_path / "a", b"l\xc3\xa4uft \xff".decode("ascii", "surrogateescape"))
    assert (tmp_path / "a").read_text("utf-8") == "läuft \\xff"
