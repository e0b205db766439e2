"""What the numbers of a run say, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurosim.experiments.figures.style import rule_style
from neurosim.experiments.job.facts import STATISTICS, THRESHOLDS
from neurosim.experiments.results.choice import REFERENCE, Headline, View
from neurosim.experiments.results.seed_intervals import NEGLIGIBLE, share_of_statistics
from neurosim.experiments.results.table import (
    MIN_DISPLACEMENT,
    adapts,
    decompose,
    learning_tests,
)
from neurosim.experiments.results.words import between, listed, number, p_value, signed


@dataclass(frozen=True)
class Verdict:
    """One sentence or two.

    kind: ``split`` (normalisation against learning), ``test``, ``robust`` (over layers, sizes and
    policies), ``bounds`` (noise bounds), ``reference``, ``not-trained``, ``readout``,
    ``accuracy``, ``caution``.
    """

    kind: str
    text: str


#: What passes without learning move (``facts``) -> the name of their part of a change.
_PART_OF = {STATISTICS: "normalisation", THRESHOLDS: "threshold"}


def verdicts(headline: Headline) -> list[Verdict]:
    """All sentences, in the order in which they should be read."""
    found: list[Verdict] = []
    for roi in headline.rois:
        view = headline.view(roi)
        found += [*split(headline, view), *seed_tests(headline, view), *robustness(headline, roi)]
        found += [*against_bounds(headline, view), *against_references(headline, view)]
    return [*found, *not_trained(headline), *readouts(headline), *accuracy(headline)]


def in_short(headline: Headline) -> list[str]:
    """Two sentences per region: how much of the change is statistics, and how near brains are."""
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
            label = rule_style(rule).label
            share = share_of_statistics(parts)
            if np.isfinite(share):
                shares.append(f"{label} {share:.0%}")
            elif _pull_apart(parts):
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
        sentence = f"{where}: {what or 'no rule changed its score to speak of'}"
        bounds = [v.text.partition(": ")[2] for v in against_bounds(headline, view)]
        told.append(
            ". ".join([sentence, *(b[:1].upper() + b[1:] for b in bounds)]).rstrip(".") + "."
        )
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


def split(headline: Headline, view: View) -> list[Verdict]:
    """How much of each rule's change is statistics, and how much is learning."""
    found = []
    for rule in view.rules:
        parts = parts_of(view, rule)
        label = rule_style(rule).label
        if parts.empty:
            found.append(
                Verdict("split", f"{view.roi}: {label} has no trained checkpoint with its "
                        "statistics-only twin yet; its change cannot be split.")
            )  # fmt: skip
            continue
        mean = parts[["start", "rho", "normalisation_part", "learning_part", "change"]].mean()
        epoch, where = int(parts["epoch"].iloc[0]), f"{view.roi}, {view.layer}, {headline.px} px"
        statistics = _PART_OF.get(adapts(headline.table, rule), "statistics")
        moved = (
            f"{where}: {label} goes from {number(mean['start'])} to {number(mean['rho'])} by "
            f"epoch {epoch} ({signed(mean['change'])})."
        )
        if rule in headline.held:
            text = (
                f"{where}: the network of {label}, shown the same images with its weights held, "
                f"goes from {number(mean['start'])} to {number(mean['rho'])} "
                f"({signed(mean['change'])}). No weight moved: this is statistics alone."
            )
        elif abs(mean["change"]) < NEGLIGIBLE and abs(mean["learning_part"]) < NEGLIGIBLE:
            text = f"{moved} That is no change to speak of (under {number(NEGLIGIBLE)})."
        else:
            text = f"{moved} {_shares(parts, statistics)}"
        found.append(Verdict("split", text))
    return found


def _pull_apart(parts: pd.DataFrame) -> bool:
    """Whether statistics and learning change the mean score in opposite directions."""
    return bool(parts["normalisation_part"].mean() * parts["learning_part"].mean() < 0)


def _shares(parts: pd.DataFrame, statistics: str) -> str:
    mean = parts[["normalisation_part", "learning_part"]].mean()
    sizes = (
        f"{signed(mean['normalisation_part'])} is the {statistics} part, "
        f"{signed(mean['learning_part'])} the learning part"
    )
    if _pull_apart(parts):
        return f"The two parts pull against each other: {sizes}."
    share = share_of_statistics(parts)
    if np.isfinite(share):
        return f"Of it, {sizes}: {share:.0%} happens without any learning."
    return f"Of it, {sizes}; these seeds do not tell what share happens without any learning."


def seed_tests(headline: Headline, view: View) -> list[Verdict]:
    """Whether the learning part differs from zero over seeds."""
    rules = [rule for rule in view.rules if rule not in headline.held]
    tests = learning_tests({rule: parts_of(view, rule)["learning_part"] for rule in rules}, ())
    tested = {rule: test for rule, test in tests.items() if np.isfinite(test.p)}
    if not tested:
        return []
    floor = max(test.floor for test in tested.values())
    values = ", ".join(
        f"{rule_style(rule).label} p = {p_value(test.p)}" for rule, test in tested.items()
    )
    told = f"{view.roi}: learning part against zero over seeds (sign-flip, adjusted): {values}."
    if floor > 0.05:
        told += (
            f" With so few seeds no p can fall below {p_value(floor)}: these tests cannot find "
            "anything, whatever there is."
        )
    return [Verdict("test", told)]


def robustness(headline: Headline, roi: str) -> list[Verdict]:
    """In how many choices of layer, size, policy and readout the learning part has one sign."""
    table = headline.table
    rows = table[
        ~table["rule"].str.startswith(REFERENCE)
        & (table["roi"] == roi)
        & (table["convention"] == headline.convention)
    ]
    axes = ("px", "normalisation", "readout")
    parts = decompose(rows, axes)
    parts = parts[parts["epoch"] == parts.groupby("rule")["epoch"].transform("max")]
    means = parts.groupby(["rule", "layer", *axes], sort=False)["learning_part"].mean().dropna()
    found = {str(rule): list(values) for rule, values in means.groupby(level=0, sort=False)}
    sentences = []
    for rule, values in found.items():
        if rule in headline.held or len(values) < 2:
            continue
        down, n = sum(value < 0 for value in values), len(values)
        sentences.append(
            f"{rule_style(rule).label} negative in {down} of {n} "
            f"({signed(min(values))} to {signed(max(values))})"
        )
    if not sentences:
        return []
    return [
        Verdict(
            "robust",
            f"{roi}: the sign of the learning part over all choices of layer, size, policy and "
            f"readout: {'; '.join(sentences)}.",
        )
    ]


def _ends(view: View) -> dict[str, float]:
    """Rule -> mean score at its last epoch; rules that trained."""
    ends = {}
    for rule in view.rules:
        epoch = last_epoch(view, rule)
        if epoch is not None and rule not in view.held:
            ends[rule] = float(view.curve(rule).loc[epoch].mean())
    return {rule: value for rule, value in ends.items() if np.isfinite(value)}


def against_bounds(headline: Headline, view: View) -> list[Verdict]:
    """Where the trained networks stand against the noise bounds of the brain data."""
    ends = _ends(view)
    if not ends:
        return []
    if view.bounds is None:
        return [Verdict("bounds", f"{view.roi}: these data give no noise bounds (one subject).")]
    lower, upper = view.bounds
    best = max(ends, key=lambda rule: ends[rule])
    inside = [rule_style(rule).label for rule, value in ends.items() if value >= lower]
    told = (
        f"{', '.join(inside)} reach{'es' * (len(inside) == 1)} the noise bounds"
        if inside
        else "no trained network reaches the noise bounds"
    )
    return [
        Verdict(
            "bounds",
            f"{view.roi}: {told} ({between(lower, upper)}); the highest, "
            f"{rule_style(best).label}, scores {number(ends[best])}"
            + (f", {ends[best] / lower:.0%} of the lower one." if ends[best] > 0 < lower else "."),
        )
    ]


def against_references(headline: Headline, view: View) -> list[Verdict]:
    """How many trained networks do better than luminance, and than the best low-level account."""
    ends, references = _ends(view), view.references
    if not ends or not references:
        return []
    best = max(references, key=lambda name: references[name])
    names = ["luminance", best] if "luminance" in references and best != "luminance" else [best]
    told = []
    for name in names:
        above = [rule_style(rule).label for rule, value in ends.items() if value > references[name]]
        who = "no trained network" if not above else ", ".join(above)
        told.append(
            f"{who} score{'s' * (len(above) < 2)} above {name} ({number(references[name])})"
        )
    return [Verdict("reference", f"{view.roi}: {'; '.join(told)}.")]


def not_trained(headline: Headline) -> list[Verdict]:
    """Which layers count as not trained, and by how much they moved."""
    rows = _movement(headline)
    learning = ~rows["rule"].isin(headline.held)
    still = rows[(rows["trained"] == "not trained") & learning]
    found = []
    for rule, of_rule in still.groupby("rule", sort=False):
        layers = []
        for layer, of_layer in of_rule.groupby("layer", sort=False):
            n = rows[(rows["rule"] == rule) & (rows["layer"] == layer)]["seed"].nunique()
            seeds = "" if len(of_layer) == n else f" in {len(of_layer)} of {n} seeds"
            layers.append(f"{layer} (moved {of_layer['displacement'].max():.2%}{seeds})")
        found.append(
            Verdict(
                "not-trained",
                f"{rule_style(str(rule)).label}: {', '.join(layers)} "
                f"count{'s' * (len(layers) == 1)} as not trained (under {MIN_DISPLACEMENT:.0%}, or "
                "changed in length only): scores there say nothing of the rule.",
            )
        )
    if not found and learning.any():
        found = [Verdict("not-trained", "Every scored layer of every rule that learns has moved.")]
    return found


def _movement(headline: Headline) -> pd.DataFrame:
    """One row a rule, seed and layer at the rule's last epoch > 0."""
    table = headline.table
    rows = table[~table["rule"].str.startswith(REFERENCE) & ~table["statistics_only"]]
    rows = rows[rows["epoch"] > 0]
    last = rows.groupby(["rule", "seed"])["epoch"].transform("max")
    return rows[rows["epoch"] == last].drop_duplicates(["rule", "seed", "layer"])


def readouts(headline: Headline) -> list[Verdict]:
    """Rules that do not train the headline layer themselves."""
    trainers = headline.trainers
    if not trainers:
        return []
    names = ", ".join(rule_style(rule).label for rule in trainers)
    by = listed(rule_style(rule).label for rule in dict.fromkeys(trainers.values()))
    rows = _movement(headline)
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
    movement = _movement(headline)
    rows = movement.drop_duplicates(["rule", "seed"])
    means = rows.groupby("rule", sort=False)["test_accuracy"].mean().dropna()
    if means.empty:
        return []
    told = ", ".join(f"{rule_style(str(r)).label} {number(float(v))}" for r, v in means.items())
    missing = _missing_controls(headline, movement)
    control = (
        f" The control of untrained layers under a trained readout ({listed(missing)}) is "
        "not in this run, so no accuracy here shows that the layers below learned: add it to the "
        "rules."
        if missing
        else ""
    )
    return [Verdict("accuracy", f"Test accuracy, mean over seeds: {told}.{control}")]


def _missing_controls(headline: Headline, movement: pd.DataFrame) -> list[str]:
    """The controls of accuracy that are not there: a trained readout on layers that nothing trains,
    once for networks that spike and once for those that do not."""
    if "layer_rule" not in movement:
        return ["frozen-conv"]
    by_rule = movement.dropna(subset=["layer_rule"]).groupby("rule", sort=False)["layer_rule"]
    learned, there = set(), set()
    for rule, of in by_rule.unique().items():
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
    told: Sequence[tuple[bool, str]] = (
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
