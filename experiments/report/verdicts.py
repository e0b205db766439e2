"""What the numbers of a run say beside its audit, in plain sentences.

How a change splits, which layers moved, whether a sign survives the controls, and where scores
stand against noise bounds and low-level features are questions of the audit (``report.audit``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurosim.experiments.figures.style import rule_style
from neurosim.experiments.job.facts import THRESHOLDS
from neurosim.experiments.results.choice import Headline, View
from neurosim.experiments.results.seed_intervals import NEGLIGIBLE, share_of_statistics
from neurosim.experiments.results.table import adapts, decompose, learning_tests
from neurosim.experiments.results.words import listed, number, p_value, told_p


@dataclass(frozen=True)
class Verdict:
    """One sentence or two.

    kind: ``test`` (of the learning part over seeds), ``readout``, ``accuracy``, ``caution``.
    """

    kind: str
    text: str


def verdicts(headline: Headline) -> list[Verdict]:
    """All sentences, in the order in which they should be read."""
    tests = [seed_test(headline.view(roi)) for roi in headline.rois]
    of_regions = [Verdict("test", told) for told in tests if told]
    return [*of_regions, *readouts(headline), *accuracy(headline)]


def in_short(headline: Headline) -> list[str]:
    """A sentence per region: how much of the change is statistics."""
    told = []
    for roi in headline.rois:
        view = headline.view(roi)
        shares, against, unsure = [], [], []
        for rule in view.rules:
            if rule in headline.held or (parts := parts_of(view, rule)).empty:
                continue
            mean = parts[["normalisation_part", "learning_part", "change"]].mean()
            if abs(mean["change"]) < NEGLIGIBLE:
                continue
            label, share = rule_style(rule).label, share_of_statistics(parts)
            if np.isfinite(share):
                shares.append(f"{label} {share:.0%}")
            elif mean["normalisation_part"] * mean["learning_part"] < 0:
                against.append(label)
            else:
                unsure.append(label)
        groups = (
            (shares, "the share of the change that happens without any learning is {}"),
            (against, "for {} statistics and learning pull against each other"),
            (unsure, "for {} these seeds do not tell how much of it is statistics"),
        )
        what = "; ".join(said.format(", ".join(rules)) for rules, said in groups if rules)
        where = f"{roi}, {view.layer}, {headline.px} px"
        told.append(f"{where}: {what or 'no rule changed its score to speak of'}.")
    return told


def last_epoch(view: View, rule: str) -> int | None:
    """The last checkpoint that every seed of a rule has reached; None where only 0 is there."""
    rows = view.rows[(view.rows["rule"] == rule) & ~view.rows["statistics_only"]]
    per_seed = [set(of_seed["epoch"].astype(int)) for _, of_seed in rows.groupby("seed")]
    shared = set.intersection(*per_seed) if per_seed else set()
    return max(shared, default=0) or None


def parts_of(view: View, rule: str) -> pd.DataFrame:
    """The decomposition of a rule at its ``last_epoch``: one row a seed with all parts."""
    epoch = last_epoch(view, rule)
    if epoch is None:
        return decompose(view.rows).iloc[:0]
    parts = view.parts(epoch)
    return parts[parts["rule"] == rule].dropna(subset=["normalisation_part", "learning_part"])


def seed_test(view: View) -> str:
    """Whether the learning part differs from zero over seeds; empty of one seed."""
    rules = [rule for rule in view.rules if rule not in view.held]
    tests = learning_tests({rule: parts_of(view, rule)["learning_part"] for rule in rules}, ())
    tested = {rule: test for rule, test in tests.items() if np.isfinite(test.p)}
    if not tested:
        return ""
    floor = max(test.floor for test in tested.values())
    values = ", ".join(
        f"{rule_style(rule).label} {told_p(test.p)}" for rule, test in tested.items()
    )
    told = f"{view.roi}: learning part against zero over seeds (sign-flip, adjusted): {values}."
    if floor > 0.05:
        told += (
            f" With so few seeds no p can fall below {p_value(floor)}: these tests cannot find "
            "anything, whatever there is."
        )
    return told


def readouts(headline: Headline) -> list[Verdict]:
    """Rules that do not train the headline layer themselves."""
    trainers = headline.trainers
    if not trainers:
        return []
    names = ", ".join(rule_style(rule).label for rule in trainers)
    by = listed(rule_style(rule).label for rule in dict.fromkeys(trainers.values()))
    rows = headline.ends
    own = rows[rows["rule"].isin(trainers) & (rows["layer_rule"] == rows["rule"])]
    layers = own.groupby("rule", sort=False)["layer"].unique()
    learned = "; ".join(f"{rule_style(r).label} {', '.join(of)}" for r, of in layers.items())
    return [
        Verdict(
            "readout",
            f"{headline.layer} of {names} is a readout trained by {by}: its learning part is "
            "partly or wholly the readout's. Layers that these rules learn themselves: "
            f"{learned or 'none'}.",
        )
    ]


def accuracy(headline: Headline) -> list[Verdict]:
    """What the networks learned to do."""
    rows = headline.ends.drop_duplicates(["rule", "seed"])
    means = rows.groupby("rule", sort=False)["test_accuracy"].mean().dropna()
    if means.empty:
        return []
    told = ", ".join(f"{rule_style(str(r)).label} {number(float(v))}" for r, v in means.items())
    missing = _missing_controls(headline)
    control = (
        f" The control of untrained layers under a trained readout ({listed(missing)}) is "
        "not in this run, so no accuracy here shows that the layers below learned: add it to the "
        "rules."
        if missing
        else ""
    )
    return [Verdict("accuracy", f"Test accuracy, mean over seeds: {told}.{control}")]


def _missing_controls(headline: Headline) -> list[str]:
    """The controls of accuracy that are not there: a trained readout on layers that nothing trains,
    once for networks that spike and once for those that do not."""
    if "layer_rule" not in headline.ends:
        return ["frozen-conv"]
    rows = headline.ends.dropna(subset=["layer_rule"])
    learned, there = set(), set()
    for rule, of in rows.groupby("rule", sort=False)["layer_rule"].unique().items():
        spiking = adapts(headline.table, str(rule)) == THRESHOLDS
        control = "frozen-stdp" if spiking else "frozen-conv"
        if "none" in of and len(of) > 1 and rule not in of:
            there.add(control)
        elif rule in of:
            learned.add(control)
    return sorted(learned - there)


def cautions(
    headline: Headline, *, n_finished: int, n_jobs: int, labels: str, n_seeds: int
) -> list[Verdict]:
    """What a reader must know before the rest."""
    told = (
        (
            headline.simulated,
            "SIMULATED data: images, subjects and regions are made by a program. Nothing here is "
            "about brains.",
        ),
        (
            n_finished < n_jobs,
            f"Partial run: {n_finished} of {n_jobs} jobs are finished. Rules and seeds are "
            "reported as far as they are.",
        ),
        (labels != "true", f"Labels were {labels}: this run is an ablation of the rules."),
        (n_seeds < 2, "One seed: nothing here is known to hold for another."),
    )
    return [Verdict("caution", text) for needed, text in told if needed]
