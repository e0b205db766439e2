"""brain92: the conversion to the bit, its subjects, and its download from a loopback server."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import needs
import numpy as np
import pytest
from data_loopback import Server, serving
from made_data import brain92 as made
from made_data import brain92_sources

from neurosim.experiments.data import brain92, downloads
from neurosim.experiments.data.brain92 import FILE, LAYOUT, ORIGINALS, ROIS, SOURCES, convert
from neurosim.experiments.data.registry import (
    BrokenDataError,
    DownloadError,
    MissingDataError,
    load_stimuli,
)

real_numbers = needs.data(FILE, ORIGINALS)  # the others hold for the made set as well


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(brain92, "SOURCES", brain92_sources())
    folder = made() / ORIGINALS
    with serving({r.name: (folder / r.name).read_bytes() for r in SOURCES}) as running:
        monkeypatch.setenv(downloads.MIRROR, running.url)
        monkeypatch.setattr(downloads, "sleep", lambda seconds: None)
        yield running


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@real_numbers
def test_the_conversion_is_the_known_file_to_the_bit() -> None:
    converted = convert(needs.DATA / ORIGINALS)
    with np.load(needs.DATA / FILE, allow_pickle=False) as known:
        assert list(converted) == known.files == list(LAYOUT)
        for key in known.files:
            assert converted[key].dtype == known[key].dtype
            np.testing.assert_array_equal(converted[key], known[key])


def test_default_is_evc_and_it_of_the_same_fifteen() -> None:
    stimuli = load_stimuli("brain92", made())
    assert stimuli.brain.rois == ("EVC", "IT")
    assert stimuli.brain.n_subjects == 15
    assert stimuli.images.shape == (92, 175, 175, 3)
    assert not stimuli.simulated
    with np.load(made() / FILE, allow_pickle=False) as known:
        for roi in ("EVC", "IT"):
            np.testing.assert_array_equal(stimuli.brain.of_roi(roi), known[roi])


def test_hit_has_subjects_of_its_own_with_sessions_averaged() -> None:
    brain = load_stimuli("brain92", made(), rois=("EVC", "hIT")).brain
    assert brain.rois == ("EVC", "hIT")
    np.testing.assert_array_equal(brain.has_roi().sum(axis=0), [15, 4])
    np.testing.assert_array_equal(brain.has_roi().sum(axis=1), 1)
    with np.load(made() / FILE, allow_pickle=False) as known:
        sessions = known["k2008_hIT"]
    np.testing.assert_allclose(
        brain.of_roi("hIT")[15:],
        (sessions[:, 0] + sessions[:, 1]) / 2,
        rtol=1e-6,  # float32
    )
    alone = load_stimuli("brain92", made(), rois=("hIT",)).brain
    assert alone.n_subjects == 4


@real_numbers
def test_the_rois_are_those_of_the_same_photographs() -> None:
    """Group RDMs of IT (Cichy) and of hIT (Kriegeskorte) agree, .557; shuffled, they do not."""
    brain = load_stimuli("brain92", needs.DATA, rois=tuple(ROIS)).brain
    other = brain.select(rois=("hIT",)).mean_rdm("hIT")
    assert brain.mean_rdm_scores(other)[0, brain.rois.index("IT")] > 0.5
    order = np.random.default_rng(0).permutation(92)
    square = np.zeros((92, 92))
    square[np.triu_indices(92, 1)] = other
    shuffled = (square + square.T)[np.ix_(order, order)][np.triu_indices(92, 1)]
    assert abs(brain.mean_rdm_scores(shuffled)[0, brain.rois.index("IT")]) < 0.1


@real_numbers
def test_images_and_rdms_have_one_order() -> None:
    """The two come from two sources. Animacy, which stands beside the images, scores what the
    data's own notes give for it: .056 with the group's EVC and .467 with its IT.
    """
    stimuli = load_stimuli("brain92", needs.DATA)
    with np.load(needs.DATA / FILE, allow_pickle=False) as known:
        animal = known["is_animal"]
    model = (animal[:, None] != animal)[np.triu_indices(92, 1)].astype(float)
    np.testing.assert_allclose(
        stimuli.brain.mean_rdm_scores(model)[0],
        [0.056, 0.467],
        atol=5e-4,  # they have 3 decimals
    )
    inanimate = [label.endswith("inanimate") for label in stimuli.category]
    np.testing.assert_array_equal(inanimate, animal == 0)


@pytest.mark.parametrize("rois", [("V1",), ("EVC", "V4"), ()])
def test_an_unknown_roi_is_refused_with_the_known_ones(rois: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="it has EVC, IT, hIT"):
        load_stimuli("brain92", made(), rois=rois)


def test_absent_and_not_downloaded_unless_asked(server: Server, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"brain92\.npz.*--data-dir.*--download\.$") as e:
        load_stimuli("brain92", tmp_path)
    assert str(tmp_path) in str(e.value)
    assert "NEUROSIM_DATA" in str(e.value)
    assert server.requests == []
    assert names_in(tmp_path) == set()


def test_downloaded_converted_once_and_then_read(server: Server, tmp_path: Path) -> None:
    first = load_stimuli("brain92", tmp_path, download=True, progress=False)
    assert sorted(server.requests) == sorted(r.name for r in SOURCES)
    assert names_in(tmp_path) == {FILE, *(r.name for r in SOURCES)}
    assert first.sha256 == load_stimuli("brain92", made()).sha256
    again = load_stimuli("brain92", tmp_path)
    assert again.sha256 == first.sha256
    assert len(server.requests) == len(SOURCES)


def test_originals_in_place_are_converted_without_a_download(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / ORIGINALS).symlink_to(made() / ORIGINALS)
    assert load_stimuli("brain92", tmp_path).sha256 == load_stimuli("brain92", made()).sha256
    assert server.requests == []


def test_cut_once_it_is_fetched_again(server: Server, tmp_path: Path) -> None:
    server.faults[SOURCES[0].name] = ["cut"]
    load_stimuli("brain92", tmp_path, download=True, progress=False)
    assert server.requests.count(SOURCES[0].name) == 2


@pytest.mark.parametrize(
    ("faults", "said"), [(["flip"], "thrown away"), (["cut"] * 4, "was cut"), ([404], "404")]
)
def test_a_bad_source_leaves_the_good_ones_only(
    server: Server, tmp_path: Path, faults: list[str | int], said: str
) -> None:
    """And the next try fetches only what is not there yet."""
    third = SOURCES[2]
    server.faults[third.name] = list(faults)
    with pytest.raises(DownloadError, match=said):
        load_stimuli("brain92", tmp_path, download=True, progress=False)
    assert names_in(tmp_path) == {r.name for r in SOURCES[:2]}
    server.requests.clear()
    load_stimuli("brain92", tmp_path, download=True, progress=False)
    assert server.requests == [r.name for r in SOURCES[2:]]


def test_an_original_with_a_wrong_byte_is_refused(server: Server, tmp_path: Path) -> None:
    wrong = tmp_path / ORIGINALS / SOURCES[1].name
    wrong.parent.mkdir()
    body = bytearray(server.files[wrong.name])
    body[100] ^= 1
    wrong.write_bytes(body)
    with pytest.raises(BrokenDataError, match="delete it"):
        load_stimuli("brain92", tmp_path, download=True, progress=False)
    assert names_in(tmp_path) <= {r.name for r in SOURCES}


def test_a_truncated_set_is_refused_and_kept(server: Server, tmp_path: Path) -> None:
    whole = (made() / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrokenDataError, match=r"not a whole \.npz.*delete it.*--download") as e:
        load_stimuli("brain92", tmp_path, download=True)
    assert str(tmp_path / FILE) in str(e.value)
    assert server.requests == []


def test_a_missing_value_is_refused_by_field(tmp_path: Path) -> None:
    """One NaN would leave its pair out for all fifteen subjects, and no score would say so."""
    with np.load(made() / FILE, allow_pickle=False) as known:
        arrays = {key: known[key] for key in known.files}
    arrays["EVC"].flat[3] = np.nan
    np.savez(tmp_path / FILE, **arrays)
    with pytest.raises(BrokenDataError, match=r"field 'EVC' has 1 of 62790 .* not finite"):
        load_stimuli("brain92", tmp_path)


def _load(folder: str, sources: object, start: object, results: object) -> None:
    brain92.SOURCES = sources  # type: ignore[assignment]  # a process of its own
    start.wait()  # type: ignore[attr-defined]
    stimuli = load_stimuli("brain92", Path(folder), download=True, progress=False)
    results.put(stimuli.sha256)  # type: ignore[attr-defined]


def test_two_processes_at_once_both_get_it_whole(server: Server, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(target=_load, args=(str(tmp_path), brain92.SOURCES, start, results))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert found == [load_stimuli("brain92", made()).sha256] * 2
    assert names_in(tmp_path) == {FILE, *(r.name for r in SOURCES)}
