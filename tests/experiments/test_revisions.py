"""Cells of a rule whose numbers were mended since are told apart wherever they are read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from neurosim.arrays.storage import write_tree
from neurosim.experiments.data.registry import load_stimuli, load_training_images
from neurosim.experiments.job import store as cell_store
from neurosim.experiments.job.revisions import REVISIONS, revision_of
from neurosim.experiments.job.store import JobStore, job_identity
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.run.stored import StoredRun
from neurosim.experiments.settings.config import (
    DEFAULT_RULES,
    RULE_NAMES,
    SPIKING_RULES,
    Comparison,
)
from neurosim.models.catalogue import CONTROL_OF

SETTINGS = Comparison(
    training="demo", stimuli="demo", n_train=64, n_test=20, seeds=(3,), rules=("bp", "stdp"),
    epochs=1, checkpoints=(0, 1), batch_size=32, evaluation_px=(32,),
)  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return load_training_images("demo"), load_stimuli("demo")


def identity(settings: Comparison, rule: str, data, *, old: bool) -> str:
    found = json.loads(job_identity(settings, rule, 3, *data))
    if old:
        del found["revision"]
    return json.dumps(found)


@pytest.fixture
def folder(tmp_path: Path, data) -> RunFolder:
    """A run folder as it was written before rules had revisions."""
    run = RunFolder(tmp_path / "run")
    run.claim(SETTINGS, *data)
    record = json.loads(run.record.read_text())
    del record["revisions"]
    run.record.write_text(json.dumps(record))
    for rule in SETTINGS.rules:
        tree = {"identity": identity(SETTINGS, rule, data, old=True), "finished": True, "epoch": 1}
        write_tree(run.cell(rule, 3), tree)
    return run


@pytest.mark.parametrize("rules", [("stdp",), ("bp", "stdp"), ("frozen-stdp",)])
@pytest.mark.parametrize("seeds", [(3,), (4,)])
def test_a_folder_with_an_older_rule_is_refused_for_all_that_share_its_revision(
    folder, data, rules, seeds
):
    """Also for new seeds, and for the control that would be compared with it."""
    before = folder.record.read_text()
    with pytest.raises(ValueError, match=r"holds stdp of an earlier revision.*rounding.*--out"):
        folder.claim(replace(SETTINGS, rules=rules, seeds=seeds), *data)
    assert folder.record.read_text() == before


def test_its_other_rules_go_on(folder, data):
    folder.claim(replace(SETTINGS, rules=("bp", "fa")), *data)
    kept = json.loads(folder.record.read_text())["revisions"]
    assert kept == {"bp": 1, "stdp": 1, "fa": 1}
    with pytest.raises(ValueError, match="holds stdp of an earlier revision"):
        folder.claim(SETTINGS, *data)


def test_a_folder_of_today_goes_on(tmp_path, data):
    run = RunFolder(tmp_path / "run")
    for rules in (("bp",), ("bp", "stdp"), ("frozen-stdp",)):
        run.claim(replace(SETTINGS, rules=rules), *data)
    kept = json.loads(run.record.read_text())["revisions"]
    assert kept == {"bp": 1, **{rule: REVISIONS[rule].number for rule in SPIKING_RULES}}


@pytest.mark.parametrize("rule", RULE_NAMES)
def test_a_cell_is_taken_up_in_its_own_revision_only(rule, tmp_path, data):
    """A cell of before is finished where its rule has not changed, and refused where it has."""
    settings = replace(SETTINGS, rules=(rule,))
    file = tmp_path / "cell.h5"
    write_tree(
        file, {"identity": identity(settings, rule, data, old=True), "finished": True, "epoch": 1}
    )
    store = JobStore(file, tmp_path / "none.h5", identity(settings, rule, data, old=False))
    if rule in REVISIONS:
        with pytest.raises(ValueError, match=f"{rule} of an earlier revision"):
            store.is_finished()
    else:
        assert store.is_finished()


def test_another_difference_is_named_as_ever(tmp_path, data):
    other = json.loads(identity(replace(SETTINGS, batch_size=16), "stdp", data, old=True))
    with pytest.raises(ValueError, match="batch_size: 16 there, 32 asked; revision: 1 there"):
        cell_store.check_identity(
            tmp_path, other, json.loads(identity(SETTINGS, "stdp", data, old=False))
        )


def test_controls_leave_older_networks_out(folder):
    """Their weights were learned behind another front end."""
    run = StoredRun.read(folder.path)
    assert [job.rule for job in run.finished] == ["bp"]
    assert run.unfinished == ["stdp seed 3 (of an earlier revision)"]


def test_a_run_is_read_whose_settings_are_of_a_rule_that_is_not_finished(tmp_path, data):
    """With bp alone a choice of encoder would be refused; bp is finished, and stdp is to come."""
    settings = replace(SETTINGS, encoder="poisson")
    run = RunFolder(tmp_path / "run")
    run.claim(settings, *data)
    tree = {"identity": identity(settings, "bp", data, old=False), "finished": True, "epoch": 1}
    write_tree(run.cell("bp", 3), tree)
    stored = StoredRun.read(run.path)
    assert [job.rule for job in stored.finished] == ["bp"]
    assert stored.settings == settings


def test_published_first_spikes_have_not_changed():
    published = replace(SETTINGS, profile="published")
    assert revision_of(published, "stdp") == 1
    assert (
        revision_of(replace(published, without=("stdp_channel_means",)), "stdp")
        == REVISIONS["stdp"].number
    )


def test_what_spikes_and_what_it_is_a_control_of():
    assert set(CONTROL_OF) <= set(RULE_NAMES)
    assert set(CONTROL_OF.values()) <= set(DEFAULT_RULES)
    assert set(REVISIONS) == set(SPIKING_RULES)
