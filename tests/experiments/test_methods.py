"""The methods paragraphs, held to every switch: what is turned off leaves no sentence behind."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from result_tables import table

from neurosim.experiments.audit.questions import audit
from neurosim.experiments.job.batches import AUGMENTATIONS
from neurosim.experiments.job.facts import NOTHING, STATISTICS, THRESHOLDS, LearnerFacts, in_words
from neurosim.experiments.job.switches import SWITCHES, profile_of
from neurosim.experiments.report.methods import methods
from neurosim.experiments.report.verdicts import verdicts
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.table import describe, held_rules, learning_tests, summary
from neurosim.experiments.settings.config import (
    AUGMENTATION_NAMES,
    CELL_NAMES,
    DEPENDENCE_NAMES,
    ENCODER_NAMES,
    LABEL_NAMES,
    NORM_NAMES,
    POLICY_NAMES,
    READOUT_NAMES,
    RULE_NAMES,
    SCHEDULE_NAMES,
    SWITCH_NAMES,
    TIMING_NAMES,
    Comparison,
)
from neurosim.models.rules.learner import SharedStart
from neurosim.rsa import BrainRDMs

RULES = ("untrained", "bp", "fa", "pc", "stdp")
BRAIN = BrainRDMs(
    np.zeros((15, 2, 92 * 91 // 2), np.float32), tuple(map(str, range(15))), ("EVC", "IT"),
    tuple(map(str, range(92))), source="a source",
)  # fmt: skip


@cache
def facts_of(settings: Comparison, rule: str) -> LearnerFacts:
    """16 px: what is said does not depend on the size."""
    start = SharedStart(
        1, 16, 10, cell=settings.cell, encoder=settings.encoder, timing=settings.timing,
        weight_dependence=settings.weight_dependence, norm=settings.norm,
    )  # fmt: skip
    return LearnerFacts.of(rule, 1, profile_of(settings).learner(rule, start, settings.schedule))


def text(settings: Comparison, rules: tuple[str, ...] = RULES, **table_says: object) -> str:
    facts = [facts_of(replace(settings, rules=RULES), rule) for rule in rules]
    return " ".join(methods(settings, BRAIN, facts, {}, **table_says))


REFERENCE = Comparison()
PUBLISHED = Comparison(profile="published")


@pytest.mark.parametrize(
    ("n_train", "told"),
    [(4000, "on 1,000 clean"), (256, "on 256 clean"), (None, "on at most 1,000")],
)
def test_the_calibration_images_are_those_there_were(n_train, told):
    """Calibration takes the first ``n_calibration`` of a seed's images, or all of fewer."""
    found = text(Comparison(n_train=n_train, rules=("bp",)), ("bp",))
    assert told in found
    assert found.count("clean training images") == found.count(told)


def test_networks_that_nothing_trains_are_shown_images():
    assert "Networks were trained on 4,000 images" in text(
        Comparison(n_train=4000), ("untrained", "bp")
    )
    assert "Networks were shown 4,000 images" in text(Comparison(n_train=4000), ("untrained",))


#: Switch -> what is said where it is off and would be false where it is on.
FALSE_WHEN_ON = {
    "bn_eval_leak": "Evaluation changed no weight and no statistic",
    "identity_bn_epoch0": "reads a change from the same passes at learning rate 0",
    "stdp_window_inverted": None,
    "stdp_channel_means": "firing threshold per map and no normalisation",
    "stdp_bn_backprop": None,
    "pc_channel_means": None,
    "fa_fc_transport": None,
    "black_padding": "reflected border",
    "own_init": "with biases, BatchNorm",
    "best_layer_per_epoch": "FC1 at every epoch",
}


@pytest.mark.parametrize("name", SWITCH_NAMES)
def test_turning_a_switch_of_the_profile_turns_its_sentence(name):
    """Each switch alone, against none and against all: the text differs, and what it makes false
    is gone. Whoever adds a switch that no sentence hears of fails here."""
    alone = Comparison(profile="published", without=tuple(n for n in SWITCH_NAMES if n != name))
    without = Comparison(profile="published", without=(name,))
    off, on = text(REFERENCE), text(alone)
    # The reference's spiking network has no batch norm that a readout's error could reach.
    assert (on != off) == (name != "stdp_bn_backprop")
    # A window turned round in the reference's body is one of many turned round in its own.
    assert text(PUBLISHED) != text(without)
    false = FALSE_WHEN_ON[name]
    if false is not None:
        assert false in off
        assert false not in on
    assert set(FALSE_WHEN_ON) == set(SWITCHES)


def test_the_published_profile_is_not_called_by_the_references_words():
    """The four that stood there: border, start, thresholds, evaluation."""
    said = text(PUBLISHED, changed=("pc", "stdp"))
    for false in ("reflected", "all rules start from the same weights", "firing threshold",
                  "Evaluation changed no weight"):  # fmt: skip
        assert false not in said
    for true in ("black border", "fa from other weights in Conv1, Conv2 and Conv3",
                 "pc and stdp: they are normalised by what is evaluated",
                 "Evaluation changed the state of pc and stdp", "batches of 128",
                 "cosine for bp and fa; constant for pc and stdp"):  # fmt: skip
        assert true in said, said


def test_starts_are_compared_by_their_weights():
    """The first layer of a spiking network reads six channels: those are other weights."""
    said = text(REFERENCE)
    assert "untrained, bp, fa and pc start from the same weights, stdp from other weights in " \
        "Conv1 (compared at seed 1)" in said  # fmt: skip
    assert "all rules start from the same weights" in text(REFERENCE, ("bp", "fa"))


def _changes(field: str, names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(field, name) for name in names if name != getattr(REFERENCE, field)]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        *_changes("norm", NORM_NAMES),
        *_changes("augmentation", AUGMENTATION_NAMES),
        *_changes("labels", LABEL_NAMES),
        *_changes("schedule", SCHEDULE_NAMES),
        *_changes("encoder", ENCODER_NAMES),
        *_changes("timing", TIMING_NAMES),
        *_changes("cell", CELL_NAMES),
        *_changes("weight_dependence", DEPENDENCE_NAMES),
    ],
)
def test_every_choice_is_heard_of(field, name):
    """And only by rules that it concerns: without one that spikes, no word of cells is said."""
    chosen = replace(REFERENCE, **{field: name})
    rules = ("untrained", "bp", "stdp")
    assert text(chosen, rules) != text(REFERENCE, rules)
    if field in ("encoder", "timing", "cell", "weight_dependence"):
        assert text(chosen, ("untrained", "bp")) == text(REFERENCE, ("untrained", "bp"))


@pytest.mark.parametrize(
    ("field", "name"),
    [("normalisation", n) for n in POLICY_NAMES] + [("readouts", n) for n in READOUT_NAMES],
)
def test_every_policy_and_readout_is_named_alone(field, name):
    said = text(replace(REFERENCE, **{field: (name,)}))
    assert any(form.format(name) in said for form in ("({})", "({};", "{} ("))
    others = set(POLICY_NAMES if field == "normalisation" else READOUT_NAMES) - {name}
    assert not any(
        f"{other} (" in said or f"({other})" in said for other in others - {"full", "grid"}
    )


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("norm", NORM_NAMES)
def test_what_passes_without_learning_move_is_read_off_the_network(rule, norm):
    """By making the passes: the tensors that differ afterwards are those that are named."""
    import torch

    from neurosim.models.catalogue import RULES as BUILDERS
    from neurosim.training import Trainer

    learner = BUILDERS[rule](SharedStart(1, 16, 10, norm=norm)).without_learning()
    named = LearnerFacts.of(rule, 1, learner).moves
    before = {k: t.clone() for k, t in learner.tensors().items()}
    x = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    trainer = Trainer(learner.parts, 10)
    trainer.step(x, torch.arange(8), torch.Generator().manual_seed(3))
    moved = {k.split(".")[1] for k, t in learner.tensors().items() if not torch.equal(t, before[k])}
    expected = [STATISTICS] * ("running_mean" in moved) + [THRESHOLDS] * ("threshold" in moved)
    assert named == (" and ".join(expected) or NOTHING)


def test_an_object_without_words_of_its_own_is_shown_with_its_values():
    assert in_words(AUGMENTATIONS["none"]) == "not augmented"
    assert in_words(Comparison(seeds=(1, 2))).startswith("Comparison(training=cifar10")
    assert "seeds=(1, 2)" in in_words(Comparison(seeds=(1, 2)))


def told(rows: pd.DataFrame) -> str:
    """What the report says of a table: its own sentences, and the audit's."""
    own = [v.text for v in verdicts(Headline.of(rows, layer="FC1"))]
    return "\n".join([*own, *(finding.answer for finding in audit(rows, layer="FC1"))])


def renamed(rows: pd.DataFrame, **names: str) -> pd.DataFrame:
    return rows.assign(rule=rows["rule"].replace(names))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """As cells write them: who learns what, and what passes move."""
    found = table()
    models = ~found["rule"].str.startswith("reference:")
    by = found["rule"].where(found["rule"] != "untrained", "none")
    readout = (found["layer"] == "FC1") & found["rule"].isin(["pc", "stdp"])
    moves = found["rule"].map({"stdp": THRESHOLDS}).fillna(STATISTICS)
    return found.assign(
        layer_rule=by.where(~readout, "bp").where(models), adapts=moves.where(models)
    )


def test_words_follow_what_ran_and_not_what_it_is_called(rows):
    """The same table under other names says the same of them: no word hangs on ``stdp`` or
    ``untrained``."""
    names = {"stdp": "mine", "untrained": "held"}
    other = renamed(rows, **names).assign(layer_rule=rows["layer_rule"].replace(names))
    assert held_rules(other) == {"held"}
    said, plain = told(other), told(rows)
    by = "by the thresholds that passes leave behind"
    assert said.count(by) == plain.count(by) > 0
    assert not any("held in" in line and "by learning" in line for line in said.splitlines())
    assert "mine Conv1" in said
    assert "thresholds of mine" in describe(other)
    assert "mine: Conv1 learns by mine; FC1 learns by bp" in describe(other).replace("pc, ", "")
    line = summary(other, roi="EVC", layer="FC1", px=160, normalisation="running", readout="gap")
    assert line.set_index("rule")["p learning"].isna()["held"]
    assert not line.set_index("rule")["p learning"].isna()["mine"]


def test_a_rule_called_stdp_that_has_statistics_has_a_normalisation_part(rows):
    """The published STDP network is batch-normalised."""
    said = told(rows.assign(adapts=rows["adapts"].where(rows["adapts"].isna(), STATISTICS)))
    assert "by the thresholds" not in said
    assert "by the running statistics that passes leave behind" in said


def test_a_table_without_these_columns_names_neither():
    said = told(table())
    assert "by the thresholds" not in said
    assert "by the statistics that passes leave behind" in said
    assert "threshold" not in describe(table())


def test_held_rules_have_no_test_of_learning():
    seeds = pd.Series([1.0, 2.0, 3.0])
    assert learning_tests({"a": seeds, "b": seeds}, {"a"})["a"].p != 0.25
    assert learning_tests({"a": seeds, "b": seeds}, {"a"})["b"].p == 0.25
