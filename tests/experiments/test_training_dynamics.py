"""The full comparison as a user runs it: resume, workers, refusals, the table."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from neurosim.arrays.storage import read_tree
from neurosim.experiments import training_dynamics
from neurosim.experiments.comparison import run as comparison
from neurosim.experiments.job import job as cells
from neurosim.experiments.job.evaluate import ChangedStateError, Evaluation
from neurosim.experiments.report import files as report
from neurosim.experiments.results.table import FIRST_COLUMNS, read_csv
from neurosim.experiments.settings.config import PRESETS, Comparison
from neurosim.experiments.training_dynamics import Command, main

SMALL = [
    "--n-train", "64", "--n-test", "32", "--batch-size", "32", "--epochs", "2",
    "--evaluation-px", "32", "--normalisation", "running", "calibrated", "--readouts", "gap",
]  # fmt: skip


def run(out: Path, *extra: str, rules: tuple[str, ...] = ("bp", "untrained")) -> int:
    return main([*SMALL, "--out", str(out), "--workers", "1", "--rules", *rules, *extra])


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    """Figures and the page have tests of their own; they take longer than these runs."""
    monkeypatch.setattr(report, "draw_all", lambda *args, **kw: None)
    monkeypatch.setattr(report, "write_page", lambda *args, **kw: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    assert run(out) == 0
    return out


@pytest.fixture(scope="module")
def table(finished) -> pd.DataFrame:
    return read_csv(finished / "results.csv")


def test_the_table_has_every_axis(table):
    assert list(table.columns[: len(FIRST_COLUMNS)]) == FIRST_COLUMNS
    assert set(table["rule"]) >= {"bp", "untrained", "reference:luminance", "reference:pixels"}
    bp = table[table["rule"] == "bp"]
    assert set(bp["layer"]) == {"Conv1", "Conv2", "Conv3", "FC1"}
    assert set(bp["epoch"]) == {0, 1, 2}
    assert set(bp["normalisation"]) == {"running", "calibrated"}
    assert set(bp["readout"]) == {"gap", "units"}
    assert set(bp["convention"]) == {"subject_mean", "mean_rdm"}
    assert bp["rho"].between(-1, 1).all()
    assert table["simulated"].all()
    axes = ["rule", "seed", "epoch", "statistics_only", "px", "normalisation", "readout", "layer",
            "roi", "convention"]  # fmt: skip
    assert not table.duplicated(axes).any(), "one row for each place on the grid"


def test_every_column_is_explained(table):
    page = Path(__file__).parents[2] / "docs" / "results_table.md"
    text = page.read_text(encoding="utf-8")
    assert [name for name in table.columns if f"`{name}`" not in text] == []


def test_the_statistics_only_zero_point_moved_no_weight(table):
    rows = table[table["statistics_only"].fillna(False).astype(bool)]
    assert set(rows["rule"]) == {"bp", "untrained"}
    assert (rows["displacement"] == 0).all()
    start = table[(table["epoch"] == 0) & (table["normalisation"] == "running")]
    after = rows[(rows["normalisation"] == "running") & (rows["epoch"] == 1)]
    keys = ["layer", "roi", "convention"]
    of_bp = [t[t["rule"] == "bp"].set_index(keys)["rho"].sort_index() for t in (start, after)]
    assert not np.allclose(*of_bp), "the statistics must have moved"


def test_statistics_alone_are_the_same_for_every_rule_of_one_network(table):
    """Same weights, same images, same order: bp at learning rate 0 is the untrained network, to
    the bit, after every epoch; so the untrained network has no learning part."""
    rows = table[table["statistics_only"].fillna(False).astype(bool)]
    bp, untrained = (rows[rows["rule"] == rule]["rho"].to_numpy() for rule in ("bp", "untrained"))
    assert np.array_equal(bp, untrained)
    own = table[(table["rule"] == "untrained") & (table["epoch"] > 0)]
    moving, still = (
        own[own["statistics_only"] == flag]["rho"].to_numpy() for flag in (False, True)
    )
    assert np.array_equal(moving, still)


def test_running_again_computes_nothing(finished, monkeypatch):
    before = {p: p.stat().st_mtime_ns for p in (finished / "cells").iterdir()}
    text = (finished / "results.csv").read_bytes()
    monkeypatch.setattr(cells.Job, "run", lambda self: pytest.fail("a cell was computed twice"))
    assert run(finished) == 0
    assert {p: p.stat().st_mtime_ns for p in (finished / "cells").iterdir()} == before
    assert (finished / "results.csv").read_bytes() == text


def test_an_interrupted_run_ends_with_the_same_bits(finished, tmp_path, monkeypatch):
    """Interrupted in the middle of epoch 2, after the checkpoint of epoch 1 was written."""
    plain = cells.Job._train_epoch
    monkeypatch.setattr(cells.Job, "_train_epoch", _interrupting(plain, epoch=2))
    assert run(tmp_path) == 130
    assert not (tmp_path / "results.csv").exists()
    epochs = []

    def counted(self, track, epoch):
        epochs.append((self.rule, epoch))
        return plain(self, track, epoch)

    monkeypatch.setattr(cells.Job, "_train_epoch", counted)
    assert run(tmp_path) == 0
    assert ("bp", 2) in epochs
    assert ("bp", 1) not in epochs, "the finished checkpoint was computed again"
    assert (tmp_path / "results.csv").read_bytes() == (finished / "results.csv").read_bytes()


def _interrupting(train_epoch, epoch: int):
    """Ctrl-C in the middle of an epoch: one of its two tracks is trained."""

    def interrupted(self, track, now):
        if now == epoch and track.statistics_only:
            raise KeyboardInterrupt
        return train_epoch(self, track, now)

    return interrupted


def test_workers_give_the_numbers_of_one_process(finished, tmp_path):
    assert run(tmp_path, "--workers", "2") == 0
    assert (tmp_path / "results.csv").read_bytes() == (finished / "results.csv").read_bytes()


def test_killed_run_leaves_no_workers_and_resumes(finished, tmp_path):
    """kill -9 of the parent once a worker has written a cell: the rest goes on from there."""
    script = Path(training_dynamics.__file__)
    command = [sys.executable, str(script), *SMALL, "--rules", "bp", "untrained",
               "--workers", "2", "--out", str(tmp_path)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    workers = []
    while not list(tmp_path.glob("cells/*.h5")):
        assert process.poll() is None, "the run ended before it wrote a cell"
        workers = descendants(process.pid) or workers
        time.sleep(0.05)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in workers if is_running(pid)]
    assert run(tmp_path) == 0
    assert (tmp_path / "results.csv").read_bytes() == (finished / "results.csv").read_bytes()


def is_running(pid: int) -> bool:
    """Whether a process is there and no mere entry of one that has ended."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def descendants(pid: int) -> list[int]:
    """Process ids of the children of a process, and of theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in children.read_text().split()] if children.exists() else []
    return [*found, *(grandchild for child in found for grandchild in descendants(child))]


def test_other_settings_in_the_same_folder_are_refused(finished, capsys):
    text = (finished / "results.csv").read_bytes()
    assert run(finished, "--batch-size", "16") == 2
    message = capsys.readouterr().err
    assert "batch_size: 32 there, 16 asked" in message
    assert "another --out" in message
    assert (finished / "results.csv").read_bytes() == text


def test_a_file_is_no_run_folder(tmp_path, capsys):
    (tmp_path / "notes").write_text("mine", encoding="utf-8")
    assert run(tmp_path / "notes") == 2
    assert "is a file, not a folder: give another --out" in capsys.readouterr().err
    assert (tmp_path / "notes").read_text(encoding="utf-8") == "mine"


def test_no_resume_refuses_a_folder_with_a_run(finished, capsys):
    assert run(finished, "--no-resume") == 2
    assert "already holds a run" in capsys.readouterr().err


def test_cells_of_another_run_are_not_taken_up(finished, tmp_path, capsys):
    """A cell file that was copied in, or whose run.json is gone, is refused by its own record."""
    (tmp_path / "cells").mkdir()
    cell = (finished / "cells" / "bp-seed42.h5").read_bytes()
    (tmp_path / "cells" / "bp-seed42.h5").write_bytes(cell)
    assert run(tmp_path, "--batch-size", "16", rules=("bp",)) == 1
    message = capsys.readouterr().err
    assert "bp-seed42.h5 is of another run (batch_size: 32 there, 16 asked" in message


def test_fewer_rules_leave_finished_results_in_the_table(tmp_path):
    assert run(tmp_path) == 0
    both = read_csv(tmp_path / "results.csv")
    assert run(tmp_path, rules=("bp",)) == 0
    again = read_csv(tmp_path / "results.csv")
    assert set(again["rule"]) == set(both["rule"])
    assert len(again) == len(both)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_ended_run_takes_its_workers_along_at_once(number, status, tmp_path):
    """To the whole group, as a terminal sends SIGINT and a job queue SIGTERM: a message, the status
    that shells expect, in seconds, and no warning from below."""
    script = Path(training_dynamics.__file__)
    command = [sys.executable, str(script), *SMALL, "--rules", "bp", "fa", "untrained", "--seeds",
               "1", "2", "--workers", "2", "--out", str(tmp_path)]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # A background job of a shell ignores SIGINT, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list(tmp_path.glob("cells/*.h5")):
        assert process.poll() is None, "the run ended before it wrote a cell"
        time.sleep(0.05)
    workers = descendants(process.pid)
    os.killpg(process.pid, number)
    _, message = process.communicate(timeout=20)
    assert process.returncode == status
    assert message.endswith(
        b"interrupted: finished jobs and the last epoch of the others are kept, run again to "
        b"resume\n"
    )
    assert b"Traceback" not in message
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in workers if is_running(pid)]
    assert not (tmp_path / "results.csv").exists()


def test_rules_and_seeds_may_be_added(tmp_path, monkeypatch):
    assert run(tmp_path, rules=("untrained",)) == 0
    seen = []
    plain = cells.Job.run
    monkeypatch.setattr(cells.Job, "run", lambda self: (seen.append(self.rule), plain(self)))
    assert run(tmp_path, rules=("untrained", "frozen-conv")) == 0
    assert seen == ["frozen-conv"]


def test_one_failing_cell_does_not_take_the_others_along(tmp_path, monkeypatch, capsys):
    plain = cells.Job.run

    def failing(self):
        if self.rule == "bp":
            raise ArithmeticError("a weight change is not finite")
        plain(self)

    monkeypatch.setattr(cells.Job, "run", failing)
    assert run(tmp_path) == 1
    message = capsys.readouterr().err
    assert "1 of 2 jobs failed" in message
    assert "bp seed 42: ArithmeticError: a weight change is not finite (in failing" in message
    assert read_tree(tmp_path / "cells" / "untrained-seed42.h5", only=("finished",))["finished"]


def test_a_damaged_cell_is_named_set_aside_and_computed_again(finished, tmp_path, capsys):
    target = tmp_path / "cells" / "bp-seed42.h5"
    target.parent.mkdir()
    whole = (finished / "cells" / "bp-seed42.h5").read_bytes()
    target.write_bytes(whole[: len(whole) // 2])
    assert run(tmp_path, rules=("bp",)) == 0
    message = capsys.readouterr().err
    assert f"{target} is damaged: it is now bp-seed42.h5.damaged" in message
    assert target.with_name("bp-seed42.h5.damaged").stat().st_size == len(whole) // 2
    assert target.read_bytes() == whole


def test_a_cell_of_the_older_layout_is_gone_on_from(finished, tmp_path, monkeypatch):
    """Before, the state stood in the cell's own file, and nothing had a checksum."""
    import h5py

    plain = cells.Job._train_epoch
    monkeypatch.setattr(cells.Job, "_train_epoch", _interrupting(plain, epoch=2))
    assert run(tmp_path, rules=("bp",)) == 130
    cell, state = (tmp_path / kind / "bp-seed42.h5" for kind in ("cells", "resume"))
    with h5py.File(cell, "a") as file, h5py.File(state) as resumed:
        resumed.copy("tracks", file)
        for name in list(file.attrs):
            del file.attrs[name]
    state.unlink()
    epochs = []

    def counted(self, track, epoch):
        epochs.append(epoch)
        return plain(self, track, epoch)

    monkeypatch.setattr(cells.Job, "_train_epoch", counted)
    assert run(tmp_path, rules=("bp",)) == 0
    assert set(epochs) == {2}
    assert cell.read_bytes() == (finished / "cells" / "bp-seed42.h5").read_bytes()


def test_two_processes_do_not_run_one_folder(finished, capsys):
    from neurosim.experiments.run.folder import RunFolder

    with RunFolder(finished).held():
        assert run(finished) == 2
    message = capsys.readouterr().err
    assert f"another process is running {finished}: follow it with neurosim watch" in message
    assert run(finished) == 0


def test_a_run_folder_says_what_made_it(finished):
    record = json.loads((finished / "run.json").read_text())
    assert len(record["code_sha256"]) == 1
    assert {"torch", "numpy", "neurosim"} <= set(record["versions"])
    asked = Command.of(["--config", str(finished / "config.yaml")])
    assert asked.settings == Command.of([*SMALL, "--rules", "bp", "untrained"]).settings
    assert asked.execution.out == finished


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--rules", "bq"], "unknown rules 'bq'"),
        (["--rules", "bp", "bp"], "names an entry twice"),
        (["--evaluation-px", "64"], "must hold the training size 32"),
        (["--checkpoints", "1", "2"], "must start at 0 and end at epochs"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--n-train", "99999"], "99999 training images"),
        (["--n-train", "10"], "less than one batch"),
        (["--seeds", "-1"], "seeds must be whole numbers from 0 to 2^63 - 1"),
        (["--device", "meta"], "unknown device 'meta'"),
        (["--workers", "0"], "--workers must be at least 1"),
        (["--device", "cuda:7"], "device 'cuda:7' cannot be used here"),
        (["--normalisation", "batch"], "unknown normalisation 'batch'"),
        (["--schedule", "cos"], "did you mean 'cosine'"),
        (["--preset", "brain92", "--data-dir", "/nonexistent"], "/nonexistent"),
        (["--preset", "paper"], "THINGS"),
    ],
)
def test_bad_input_is_refused_before_any_work(arguments, told, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(comparison, "finished", lambda *a: pytest.fail("work was started"))
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert told in message
    assert not (tmp_path / "run").exists()


def test_epochs_alone_keeps_the_presets_checkpoints():
    given = Command.of(["--preset", "paper", "--epochs", "7"]).settings
    assert given.checkpoints == (0, 1, 2, 5, 7)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_a_round_through_json(name):
    import dataclasses
    import json

    settings = PRESETS[name]
    assert Comparison.from_dict(json.loads(json.dumps(dataclasses.asdict(settings)))) == settings


def test_help_answers_at_once():
    """Under 1.5 s is promised; the best of three, so that other load does not decide."""
    script = Path(training_dynamics.__file__)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, script, "--help"], capture_output=True, check=True)
        seconds.append(time.perf_counter() - started)
    assert b"--preset" in done.stdout
    assert min(seconds) < 1.5


def test_an_evaluation_that_changes_the_learner_is_an_error(finished):
    from neurosim.experiments.data.registry import load_stimuli
    from neurosim.models.catalogue import RULES
    from neurosim.models.rules.learner import SharedStart

    learner = RULES["bp"](SharedStart(1))
    evaluation = Evaluation.prepare(
        load_stimuli("demo"), px=(32,), calibration=torch.zeros(2, 3, 32, 32),
        policies=("running",), readouts=("gap",),
    )  # fmt: skip
    evaluation.table(learner)
    net = learner.parts[0].net
    plain = learner.represent

    def leaking(x, statistics):
        net.layers[0].norm.running_mean += 1
        return plain(x, statistics)

    object.__setattr__(learner, "represent", leaking)
    with pytest.raises(ChangedStateError, match="changed its weights or statistics"):
        evaluation.table(learner)
