"""Sentences on which layers learn by what, and on the controls of accuracy that a run lacks."""

from __future__ import annotations

import pandas as pd
import pytest
from result_tables import table

from neurosim.experiments.figures.style import rule_style, what_rules_mean
from neurosim.experiments.report.verdicts import accuracy
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.table import readouts

#: Rule -> (what the convolution learns by, what FC1 learns by, what passes without learning move).
KINDS = {
    "untrained": ("none", "none", "running statistics"),
    "bp": ("bp", "bp", "running statistics"),
    "pc": ("pc", "bp", "running statistics"),
    "frozen-conv": ("none", "bp", "running statistics"),
    "stdp": ("stdp", "bp", "thresholds"),
    "frozen-stdp": ("none", "bp", "thresholds"),
}


def of_kinds(rules: tuple[str, ...]) -> pd.DataFrame:
    """As cells write it: in passes at learning rate 0 nothing learns."""
    made = table(rules)
    for rule in rules:
        conv, fc1, adapts = KINDS[rule]
        rows = made["rule"] == rule
        made.loc[rows, "adapts"] = adapts
        for layer, by in (("Conv1", conv), ("FC1", fc1)):
            made.loc[rows & (made["layer"] == layer), "layer_rule"] = by
        made.loc[rows & made["statistics_only"].astype(bool), "layer_rule"] = "none"
    return made


def test_what_learns_by_what_is_told_of_training_alone():
    """It said "Conv1 learns by stdp; Conv1 learns nothing" once statistics-only rows were there."""
    assert readouts(of_kinds(tuple(KINDS))) == [
        "pc: Conv1 learns by pc; FC1 learns by bp.",
        "frozen-conv, frozen-stdp: Conv1 learns nothing; FC1 learns by bp.",
        "stdp: Conv1 learns by stdp; FC1 learns by bp.",
    ]


@pytest.mark.parametrize("rule", KINDS)
@pytest.mark.parametrize("layer", ["Conv1", "FC1"])
@pytest.mark.parametrize("by", ["none", "bp", "fa", "itself"])
def test_notes_of_figures_name_the_readout_that_ran(rule, layer, by):
    """They said "FC1: a BP readout" of PC and STDP whatever trained FC1, and at every layer."""
    by = rule if by == "itself" else by
    made = of_kinds(("bp", rule) if rule != "bp" else (rule,))
    rows = (made["rule"] == rule) & ~made["statistics_only"].astype(bool)
    made.loc[rows & (made["layer"] == layer), "layer_rule"] = by
    headline = Headline.of(made, layer=layer)
    readout = f" ({layer}: a {by.upper()} readout)" * (by not in ("none", rule))
    style = rule_style(rule)
    said = f"{style.label}: {style.meaning}{readout}".replace(":  ", ": ")
    assert what_rules_mean([rule], headline) == said * bool(style.meaning or readout)


@pytest.mark.parametrize(
    ("rules", "missing"),
    [
        (("untrained", "bp"), ("frozen-conv",)),
        (("bp", "frozen-conv"), ()),
        (("pc", "stdp"), ("frozen-conv", "frozen-stdp")),
        (("bp", "stdp", "frozen-conv"), ("frozen-stdp",)),
        (("bp", "stdp", "frozen-stdp"), ("frozen-conv",)),
        (("stdp", "frozen-stdp"), ()),
        (("untrained",), ()),
    ],
)
def test_each_substrate_needs_its_own_control(rules, missing):
    (found,) = accuracy(Headline.of(of_kinds(rules), layer="FC1"))
    for control in ("frozen-conv", "frozen-stdp"):
        assert (f"({control}" in found.text or f" {control})" in found.text) == (control in missing)
    assert ("not in this run" in found.text) == bool(missing)
