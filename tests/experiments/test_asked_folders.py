"""Every folder of something asked keeps one promise: one process, one thing, nothing made twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from neurosim.experiments import encoder_swap, resolution_sweep
from neurosim.experiments.controls.run import Control
from neurosim.experiments.controls.tasks import ControlFolder
from neurosim.experiments.lab.digits import DigitsFolder
from neurosim.experiments.published.numbers import NumbersFolder
from neurosim.experiments.published.switches import SwitchFolder
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.run.derived import WORDS, Derived
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import Comparison
from neurosim.experiments.swap import folder as swap_folder
from neurosim.experiments.swap.config import EncoderSwap
from neurosim.experiments.swap.folder import SwapFolder
from neurosim.experiments.swap.part import SwapTask
from neurosim.experiments.system.code import code_sha256
from neurosim.experiments.system.failures import InUseError
from neurosim.experiments.training_dynamics import main

KINDS = (AskedFolder, RunFolder, SwapFolder, ControlFolder, DigitsFolder, NumbersFolder,
         SwitchFolder)  # fmt: skip
#: What fills in the defaults of settings has to be asked for all of them.
SETTINGS = {
    RunFolder: json.loads(json.dumps(Comparison().cell_settings())),
    SwapFolder: {**EncoderSwap().run_settings(), "revision": "1"},
}
SWAP = [
    "--encoders", "latency", "population", "--n-train", "24", "--n-test", "10", "--batch-size",
    "12", "--channels", "4", "6", "8", "--duration-ms", "30",
]  # fmt: skip


def asked(folder: AskedFolder) -> dict:
    return {
        "settings": SETTINGS.get(type(folder), {"n_train": 8}), "data": {"training": "a"},
        "rules": ["bp"], "seeds": [1], "revisions": {"bp": 1},
    }  # fmt: skip


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def folder(request, tmp_path) -> AskedFolder:
    return request.param(tmp_path / "asked")


def test_one_process_holds_it(folder):
    """A second holder is told how to follow the first; afterwards it may have it."""
    other = type(folder)(folder.path)
    with folder.held():
        assert other.is_running
        with (
            pytest.raises(InUseError, match=r"another process is running .* neurosim watch"),
            other.held(),
        ):
            pass
    assert not other.is_running
    with other.held():
        pass


def test_what_is_asked_again_is_taken_up_and_every_code_is_noted(folder, monkeypatch):
    folder.record_asked(asked(folder))
    monkeypatch.setattr("neurosim.experiments.run.asked.code_sha256", lambda: "other")
    folder.record_asked(asked(folder))
    assert folder.codes == [code_sha256(), "other"]
    kept = json.loads(folder.record.read_text())
    assert {name: kept[name] for name in asked(folder)} == asked(folder)
    assert set(kept["versions"]) >= {"torch", "numpy", "neurosim"}


def test_what_is_asked_otherwise_is_refused_and_nothing_is_written(folder):
    """Every group that numbers depend on is compared, and the difference is named."""
    folder.record_asked(asked(folder))
    before = folder.record.read_bytes()
    # The scores of a run may be asked for on any grid, but of its data.
    groups = ("data",) if isinstance(folder, ControlFolder) else ("settings", "data")
    for group in groups:
        now = asked(folder)
        name, value = next(iter(now[group].items()))
        changed = {**now, group: {**now[group], name: "other"}}
        with pytest.raises(ValueError, match=f"{name}: {value!r} there, 'other' asked"):
            folder.record_asked(changed)
    assert folder.record.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{", "7"])
def test_a_damaged_record_is_never_taken_for_another(folder, text):
    """Jobs of a run say by themselves what they are, so that its record is set aside; parts of
    other folders do not."""
    folder.record_asked(asked(folder))
    folder.record.write_text(text)
    if isinstance(folder, RunFolder):
        folder.record_asked(asked(folder))
        assert folder.record.with_name("run.json.damaged").read_text() == text
    else:
        with pytest.raises(ValueError, match=r"is damaged: give another --out"):
            folder.record_asked(asked(folder))


def test_records_of_before_are_read(tmp_path):
    """As swap.json and asked.json were written until folders were one kind."""
    for kind, old, now in (
        (SwapFolder, {"n_train": 5, "revision": "x", "training_sha256": "a", "stimuli_sha256": "b"},
         {"settings": {"n_train": 5, "revision": "x"}, "data": {"training": "a", "stimuli": "b"}}),
        (DigitsFolder, {"seeds": [1], "epochs": 2}, {"settings": {"seeds": [1], "epochs": 2}}),
        (SwitchFolder, {"command": "published_switches", "code_sha256": "c",
                        "run": {"n_train": 5, "rules": ["bp"], "seeds": [1]}},
         {"settings": {"n_train": 5}}),
        (ControlFolder, {"command": "resolution_sweep", "code_sha256": "c", "data": {"x": "a"}},
         {"data": {"x": "a"}}),
    ):  # fmt: skip
        folder = kind(tmp_path / kind.__name__)
        folder.path.mkdir()
        folder.record.write_text(json.dumps(old))
        found = folder.kept()
        assert found is not None
        for group, values in now.items():
            assert {name: found[group][name] for name in values} == values
        assert set(folder.codes) <= {"c"} or folder.codes == []


def test_parts_are_whole_or_computed_again(folder):
    told: list[str] = []
    assert not folder.holds("x", told.append)
    folder.keep("x", {"a": 1})
    assert folder.holds("x", told.append)
    assert told == []
    folder.part("x").write_bytes(folder.part("x").read_bytes()[:-50])
    assert not folder.holds("x", told.append)
    assert "is damaged: it is now x.h5.damaged" in told[0]


def test_words_are_made_with_their_files_and_only_once(folder):
    """Anew where a file is gone, changed, or of other parts."""
    folder.record_asked(asked(folder))
    made = []

    def write() -> tuple[str, list[str]]:
        made.append(1)
        (folder.path / "table.csv").write_text("a,b\n")
        return f"said {len(made)}", ["table.csv"]

    assert Derived.of(folder).words(write) == "said 1"
    assert Derived.of(folder).words(write) == "said 1"
    (folder.path / "table.csv").write_text("other")
    assert Derived.of(folder).words(write) == "said 2"
    (folder.path / WORDS).unlink()
    assert Derived.of(folder).words(write) == "said 3"
    folder.keep("x", {"a": 1})
    assert Derived.of(folder).words(write) == "said 4"
    assert Derived.of(folder).words(write) == "said 4"


@pytest.fixture(scope="module")
def swapped(tmp_path_factory) -> Path:
    """In two workers, as by default on many machines."""
    out = tmp_path_factory.mktemp("swap") / "run"
    assert encoder_swap.main([*SWAP, "--workers", "2", "--out", str(out)]) == 0
    return out


def test_a_swap_in_workers_has_the_numbers_of_one_process(swapped, tmp_path, monkeypatch):
    """To the bit; seconds alone differ."""
    monkeypatch.setattr(swap_folder, "FIGURES", {})
    assert encoder_swap.main([*SWAP, "--workers", "1", "--out", str(tmp_path / "one")]) == 0
    for name in ("curve", "energy", "alignment", "summary"):
        one, two = (pd.read_csv(path / f"{name}.csv") for path in (tmp_path / "one", swapped))
        timed = [column for column in one if "seconds" in column]
        pd.testing.assert_frame_equal(
            one.drop(columns=timed), two.drop(columns=timed), check_exact=True
        )
    events = (swapped / "log.jsonl").read_text()
    assert '"runner": "LocalWorkers"' in events
    assert '"status": "finished"' in events


def test_a_finished_swap_makes_nothing_anew(swapped, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    shutil.copytree(swapped, out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.[cp][sndv]*")}
    monkeypatch.setattr(SwapTask, "compute", lambda *_: pytest.fail("a part was computed"))
    monkeypatch.setattr(swap_folder, "write_results", lambda *_: pytest.fail("tables were made"))
    assert encoder_swap.main([*SWAP, "--out", str(out)]) == 0
    assert "accuracy of a linear probe" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.[cp][sndv]*")} == before


def test_a_swap_that_another_process_runs_is_left_alone(swapped, capsys):
    with SwapFolder(swapped).held():
        assert encoder_swap.main([*SWAP, "--out", str(swapped)]) == 2
    assert "another process is running" in capsys.readouterr().err


def test_a_finished_control_makes_nothing_anew(tmp_path, monkeypatch, capsys):
    run, out = tmp_path / "run", tmp_path / "sweep"
    small = ["--n-train", "32", "--n-test", "32", "--batch-size", "32", "--epochs", "1",
             "--evaluation-px", "32", "--normalisation", "running", "--readouts", "gap",
             "--rules", "bp", "--seeds", "1", "--workers", "1", "--out", str(run)]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurosim.experiments.report.files.draw_all", lambda *_, **__: None)
        patch.setattr("neurosim.experiments.report.files.write_page", lambda *_, **__: None)
        assert main(small) == 0
    grid = ["--px", "32", "--resamples", "5", "--splits", "0", "--n-calibration", "16",
            "--content", "native", "--readouts", "gap", "--workers", "2"]  # fmt: skip
    given = [str(run), *grid, "--out", str(out)]
    capsys.readouterr()  # what the run said
    assert resolution_sweep.main(given) == 0
    first = capsys.readouterr().out
    assert (out / "resolution_sweep.png").is_file()
    with monkeypatch.context() as patch:
        patch.setattr(Control, "_write", lambda *_: pytest.fail("tables were made"))
        assert resolution_sweep.main(given) == 0
    assert capsys.readouterr().out == first
    with AskedFolder(out).held():
        assert resolution_sweep.main(given) == 2
    assert "another process is running" in capsys.readouterr().err
    # Another layer is another table.
    assert resolution_sweep.main([*given, "--layer", "Conv1"]) == 0
    assert "Conv1, normalisation running" in capsys.readouterr().out
