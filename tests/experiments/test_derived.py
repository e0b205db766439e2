"""A run that is started again does what is missing and no more; data and learners are made once."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import pytest
import torch

from neurosim.experiments.comparison import run as comparison
from neurosim.experiments.data import loaded
from neurosim.experiments.data import registry as data
from neurosim.experiments.job import evaluate
from neurosim.experiments.job import job as cells
from neurosim.experiments.job.switches import profile_of
from neurosim.experiments.progress import plan
from neurosim.experiments.progress import run as progress_run
from neurosim.experiments.report import files as report
from neurosim.experiments.run.derived import NAME, Derived
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import Comparison
from neurosim.experiments.training_dynamics import main
from neurosim.models.catalogue import RULES
from neurosim.models.rules.learner import SharedStart

RUN = [
    "--n-train", "32", "--n-test", "32", "--batch-size", "32", "--epochs", "1", "--seeds", "1",
    "--evaluation-px", "32", "--normalisation", "running", "--readouts", "gap",
    "--rules", "untrained", "bp", "--workers", "1",
]  # fmt: skip

#: What is counted: name -> where it is looked up.
COUNTED = {
    "jobs": (progress_run, "run_tasks"),
    "audit": (comparison, "audit_run"),
    "figures": (report, "draw_all"),
    "page": (report, "write_page"),
    "table": (report, "write_csv"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("derived") / "run"
    assert main([*RUN, "--out", str(out)]) == 0
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def done_by(out: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> set[str]:
    """The parts that starting the run again does."""
    did: set[str] = set()
    for name, (module, function) in COUNTED.items():
        plain = getattr(module, function)

        def counted(*args, _plain=plain, _name=name, **kw):
            did.add(_name)
            return _plain(*args, **kw)

        monkeypatch.setattr(module, function, counted)
    assert main([*RUN, *more, "--out", str(out)]) == 0
    return did


def contents(out: Path) -> dict[str, bytes]:
    names = ("results.csv", "results.parquet", "audit.json", "report.html")
    files = [*(out / name for name in names), *sorted((out / "figures").iterdir())]
    return {path.name: path.read_bytes() for path in files}


def test_nothing_is_done_twice_and_it_says_so(run, monkeypatch, capsys):
    before = contents(run)
    assert done_by(run, monkeypatch) == set()
    printed = capsys.readouterr().out
    assert "nothing was left to do" in printed
    assert "learning part" in printed, "the summary is printed all the same"
    assert contents(run) == before


@pytest.mark.parametrize(
    ("name", "redone"),
    [
        ("results.csv", {"table"}),
        ("audit.json", {"audit"}),
        ("figures/figure_4_seeds.pdf", {"figures"}),
        ("report.html", {"page"}),
    ],
)
@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_what_is_missing_or_changed_is_made_again_alone(name, redone, harm, run, monkeypatch):
    before = contents(run)
    if harm == "gone":
        (run / name).unlink()
    else:
        (run / name).write_bytes(b"other")
    assert done_by(run, monkeypatch) == redone
    del before["report.html"]  # It says when it was made.
    assert {k: v for k, v in contents(run).items() if k in before} == before


def test_one_figure_alone_is_drawn(run, monkeypatch):
    drawn = []
    plain = report.draw_all
    monkeypatch.setattr(
        report, "draw_all", lambda *a, only, **kw: (drawn.extend(only), plain(*a, only=only, **kw))
    )
    (run / "figures" / "figure_2_regions_and_layers.svg").unlink()
    assert main([*RUN, "--out", str(run)]) == 0
    assert drawn == ["figure_2_regions_and_layers"]


def test_another_seed_or_other_code_makes_all_of_it_anew(run, monkeypatch):
    everything = set(COUNTED)
    assert done_by(run, monkeypatch, "--seeds", "1", "2") == everything
    assert done_by(run, monkeypatch, "--seeds", "1", "2") == set()
    monkeypatch.setattr("neurosim.experiments.run.derived.code_sha256", lambda: "other")
    assert done_by(run, monkeypatch, "--seeds", "1", "2") == everything


def test_a_damaged_cell_is_seen_and_computed_again(run, monkeypatch):
    cell = run / "cells" / "bp-seed1.h5"
    whole = cell.read_bytes()
    cell.write_bytes(whole[:-100])
    assert "jobs" in done_by(run, monkeypatch)
    assert cell.read_bytes() == whole


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"inputs": 1, "files": 2}', "\x00"])
def test_a_record_that_cannot_be_read_counts_for_nothing(text, run):
    (run / NAME).write_text(text)
    found = Derived.of(RunFolder(run))
    assert found.missing(["results.csv"]) == ["results.csv"]
    found.made(["results.csv", "absent"])
    assert Derived.of(RunFolder(run)).missing(["results.csv", "absent"]) == ["absent"]
    assert list(json.loads((run / NAME).read_text())["files"]) == ["results.csv"]


def test_a_run_reads_its_data_and_makes_its_references_once(tmp_path, monkeypatch):
    counts = dict.fromkeys(("images", "stimuli", "references", "learners"), 0)

    def count(module, name, what):
        plain = getattr(module, name)

        def counted(*args, **kw):
            counts[what] += 1
            return plain(*args, **kw)

        monkeypatch.setattr(module, name, counted)

    count(data, "load_training_images", "images")
    count(data, "load_stimuli", "stimuli")
    count(evaluate, "low_level_rdms", "references")
    count(cells, "build_learner", "learners")
    loaded._DATA.clear()
    evaluate._reference_table.cache_clear()
    monkeypatch.setattr(comparison, "audit_run", lambda *_: None)
    monkeypatch.setattr(comparison, "write_page", lambda *_: None)
    monkeypatch.setattr(report, "write_page", lambda *_, **__: None)
    assert main([*RUN, "--out", str(tmp_path / "run")]) == 0
    assert counts == {"images": 1, "stimuli": 1, "references": 1, "learners": 2}


@pytest.mark.parametrize("profile", ["reference", "published"])
@pytest.mark.parametrize("rule", RULES)
def test_a_copied_learner_is_the_one_that_would_be_built(rule, profile):
    """Every tensor to the bit, and no tensor shared: the two tracks go ways of their own."""
    chosen = profile_of(Comparison(profile=profile))
    start = SharedStart(3, 16, 10)
    built = chosen.learner(rule, start, "cosine")
    twin = copy.deepcopy(built)
    assert twin.fingerprint() == built.fingerprint() == (
        chosen.learner(rule, start, "cosine").fingerprint()
    )  # fmt: skip
    for name, tensor in twin.tensors().items():
        assert tensor.data_ptr() != built.tensors()[name].data_ptr()
        tensor.add_(1) if tensor.is_floating_point() else None
    assert built.fingerprint() == chosen.learner(rule, start, "cosine").fingerprint()
    assert all(torch.isfinite(t).all() for t in built.tensors().values())


def test_a_plan_of_a_finished_run_measures_nothing(run, monkeypatch, capsys):
    """What would be run again is nothing, so that nothing is to be timed."""
    monkeypatch.setattr(plan, "measure", lambda *_: pytest.fail("a rule was measured"))
    assert main([*RUN, "--out", str(run), "--plan"]) == 0
    assert capsys.readouterr().out == "nothing is left to do: all 2 jobs are finished\n"
