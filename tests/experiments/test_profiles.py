"""Profiles and switches: what each switch puts where, and that all of them off is the reference."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from neurosim.experiments.data.registry import load_stimuli, load_training_images
from neurosim.experiments.engine.job_tasks import JobTask
from neurosim.experiments.engine.tasks import run_task
from neurosim.experiments.job.batches import CIFAR_MEAN, CIFAR_SD, BlackBorder, FlipAndCrop
from neurosim.experiments.job.evaluate import ChangedStateError, Evaluation, reference_table
from neurosim.experiments.job.job import read_table
from neurosim.experiments.job.profiles import Profile
from neurosim.experiments.job.readings import (
    AS_INITIALISED,
    STATISTICS_ONLY,
    LayerChoice,
    Reading,
)
from neurosim.experiments.job.switches import SWITCHES, profile_of
from neurosim.experiments.results.table import merge
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import PROFILES, SWITCH_NAMES, Comparison
from neurosim.models.catalogue import RULES
from neurosim.models.published import learners
from neurosim.models.published.leak import LeakingLearner
from neurosim.models.published.starts import OwnStart
from neurosim.models.rules.learner import SharedStart

START = SharedStart(3)


def published(*without: str) -> Profile:
    return profile_of(Comparison(profile="published", without=without))


def all_but(*kept: str) -> tuple[str, ...]:
    return tuple(name for name in SWITCH_NAMES if name not in kept)


def test_the_command_line_knows_the_switches():
    assert tuple(SWITCHES) == SWITCH_NAMES == PROFILES["published"]
    assert PROFILES["reference"] == ()


def test_all_switches_off_is_the_reference():
    """The parts are the very same objects, so no number can differ; the run below shows it."""
    off, reference = published(*SWITCH_NAMES), profile_of(Comparison())
    assert off == reference == Profile(reading=Reading(layer=LayerChoice("FC1")))
    assert off.builders is RULES


def test_each_switch_changes_one_place():
    """Of the profile's parts, and nothing for rules that it does not name."""
    for name, switch in SWITCHES.items():
        profile, reference = published(*all_but(name)), profile_of(Comparison())
        changed = {f for f in vars(reference) if getattr(profile, f) != getattr(reference, f)}
        assert len(changed) == (2 if name == "bn_eval_leak" else 1), name
        if "builders" in changed:
            rules = {r for r in RULES if profile.builders[r] is not RULES[r]}
            assert rules == set(switch.rules)


def test_switches_commute():
    order = list(reversed(SWITCH_NAMES))
    backwards = Profile()
    for name in order:
        backwards = SWITCHES[name].on(backwards)
    forwards = published()
    assert backwards.builders["stdp"] == forwards.builders["stdp"]
    assert backwards.reading == forwards.reading == Reading(AS_INITIALISED, LayerChoice(best=True))
    assert backwards.extraction == forwards.extraction


def test_what_the_switches_put_where():
    profile = published()
    stdp = profile.learner("stdp", START, "cosine")
    assert isinstance(stdp, LeakingLearner)
    assert isinstance(profile.learner("pc", START, "cosine"), LeakingLearner)
    assert not isinstance(profile.learner("bp", START, "cosine"), LeakingLearner)
    assert profile.builders["stdp"] == learners.StdpBuilder(learners.ChannelMeanBody(), True, True)
    assert profile.start(START, "fa") == OwnStart.of(START, "fa")
    assert profile.augmentations["flip-crop"] == FlipAndCrop(BlackBorder())
    reading = profile_of(Comparison()).reading
    assert reading == Reading(STATISTICS_ONLY, LayerChoice("FC1"))


def test_published_readouts_keep_their_rate():
    """PC and STDP have no schedule; backpropagation and feedback alignment follow the cosine."""
    profile = published()
    for rule, schedules in (("pc", {"constant"}), ("stdp", {"constant"}), ("fa", {"cosine"})):
        parts = profile.learner(rule, START, "cosine").parts
        assert {part.optimiser.schedule for part in parts} == schedules


def test_the_inverted_window_alone_turns_the_reference_round():
    small = SharedStart(3, image_px=16)
    learner = published(*all_but("stdp_window_inverted")).learner("stdp", small, "cosine")
    decaying, constant = (term.timing for term in learner.parts[0].rule.plasticity.terms)
    window = decaying.window([5.0, -5.0]) + constant.window([5.0, -5.0])
    assert window[0] < 0 < window[1]


def test_a_black_border_is_black_before_normalisation():
    x = torch.full((2, 3, 8, 8), 0.5)
    padded = BlackBorder()(x)
    raw = padded * torch.tensor(CIFAR_SD).view(3, 1, 1) + torch.tensor(CIFAR_MEAN).view(3, 1, 1)
    assert padded.shape == (2, 3, 16, 16)
    assert torch.equal(padded[:, :, 4:-4, 4:-4], x)
    # sd * (mean / sd) - mean rounds by an ulp or two of .5.
    assert raw[:, :, :4].abs().max() < 1e-6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"profile": "publisht"}, r"unknown profile 'publisht' \(did you mean 'published'\?\)"),
        (
            {"profile": "published", "without": ("own_inut",)},
            r"unknown switch 'own_inut' \(did you mean 'own_init'\?\): the known ones are bn_eval",
        ),
        ({"without": ("own_init",)}, "reference has no switch own_init.*give --profile published"),
        ({"profile": "published", "without": ("own_init",) * 2}, "names an entry twice"),
    ],
)
def test_a_wrong_profile_or_switch_is_answered_in_one_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        Comparison(**settings)


def test_a_run_is_the_same_whatever_the_order_of_what_is_left_out():
    one, other = (
        Comparison(profile="published", without=names).cell_settings()
        for names in (("own_init", "black_padding"), ("black_padding", "own_init"))
    )
    assert one == other


SMALL = Comparison(
    training="demo", stimuli="demo", n_train=64, n_test=20, seeds=(3,), epochs=1,
    checkpoints=(0, 1), batch_size=32, evaluation_px=(32,), normalisation=("identity", "running"),
    readouts=("gap",), n_calibration=32,
)  # fmt: skip


def results(folder: Path, rules: tuple[str, ...], **profile: object) -> pd.DataFrame:
    """The tables of the cells; figures and report are other tests' business."""
    settings = replace(SMALL, **profile)
    run, tables = RunFolder(folder), []
    run.claim(settings, load_training_images("demo"), load_stimuli("demo"))
    for rule in rules:
        run_task(JobTask(settings, rule, seed=3, folder=folder), lambda *_, **__: None)
        tables.append(read_table(run.cell(rule, 3)))
    return merge(tables, reference_table(load_stimuli("demo"), (32,)), simulated=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("profiles")
    off = {"profile": "published", "without": SWITCH_NAMES}
    return {
        "reference": results(folder / "reference", ("untrained", "fa", "pc")),
        "off": results(folder / "off", ("untrained", "fa", "pc"), **off),
        "published": results(folder / "on", ("fa", "pc", "stdp"), profile="published"),
    }


def test_a_run_with_all_switches_off_is_the_reference_bit_for_bit(runs):
    pd.testing.assert_frame_equal(runs["off"], runs["reference"], check_exact=True)


def test_the_table_says_which_evaluations_changed_state(runs):
    assert not runs["reference"]["changed_state"].astype("boolean").fillna(False).any()
    models = runs["published"].dropna(subset=["seed"])
    leaking = models["rule"].isin(["pc", "stdp"])
    assert models.loc[leaking, "changed_state"].all()
    assert not models.loc[~leaking, "changed_state"].any()
    assert set(models.loc[leaking, "normalisation"]) == {"evaluated-batch"}


def test_published_layers_that_do_not_move_are_marked(runs):
    end = runs["published"].query("epoch == 1 and not statistics_only and rule in ['pc', 'stdp']")
    convolutions = end[end["layer"].str.startswith("Conv")]
    assert set(convolutions["trained"]) == {"not trained"}


def test_a_leak_is_an_error_outside_the_profile():
    images = torch.zeros(8, 3, 32, 32)
    evaluation = Evaluation.prepare(
        load_stimuli("demo"), px=(32,), calibration=images, policies=("running",), readouts=("gap",)
    )
    leaking = LeakingLearner("pc", learners.predictive_coding(START).parts)
    with pytest.raises(ChangedStateError, match="'pc' changed its weights or statistics"):
        evaluation.table(leaking)


def table_to_read() -> pd.DataFrame:
    """Two layers whose order changes between the ends; scores by hand."""
    rows = []
    ends = ((0, False, 0.3, 0.1), (2, False, 0.0, 0.2), (2, True, 0.05, 0.15))
    for epoch, still, first, last in ends:
        for layer, rho in (("Conv1", first), ("FC1", last)):
            rows.append(
                {
                    "rule": "bp", "seed": 1, "epoch": epoch, "statistics_only": still, "px": 32,
                    "normalisation": "running", "readout": "gap" if layer == "Conv1" else "units",
                    "layer": layer, "roi": "V1", "convention": "subject_mean", "rho": rho,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("reading", "start", "final"),
    [
        (Reading(), 0.15, 0.2),
        (Reading(AS_INITIALISED, LayerChoice()), 0.1, 0.2),
        (Reading(AS_INITIALISED, LayerChoice(best=True)), 0.3, 0.2),
        (Reading(STATISTICS_ONLY, LayerChoice(best=True)), 0.15, 0.2),
    ],
)
def test_readings_by_hand(reading, start, final):
    (row,) = reading.read(table_to_read(), px=32).to_dict("records")
    np.testing.assert_allclose([row["start"], row["final"]], [start, final])
    assert row["change"] == pytest.approx(final - start)
    assert row["final_layer"] == "FC1"


def test_an_audit_of_the_published_profile_reports_its_leak():
    """The network is named with what moved, and its activity depends on its company."""
    from neurosim.experiments.audit.run import check

    images = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = check(published().learner("pc", START, "cosine"), images, "pc seed 3")
    assert set(found.changed) >= {"Conv1.running_mean", "Conv3.running_var"}
    assert found.batch_difference > 0.1
    found = check(published("bn_eval_leak").learner("pc", START, "cosine"), images, "pc seed 3")
    assert not found.changed
