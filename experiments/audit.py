"""The audit of a result table: what its scores may be said to show, in plain sentences.

Each question has one finding. A verdict is ``pass`` (nothing stands in the way of reading the
scores as they are), ``warning`` (they can be misread), ``fail`` (they are not what they seem) or
``unknown`` (the table or the checks do not say).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.figure_data import REFERENCE, Headline
from neurosim.experiments.results import MIN_DIRECTION_CHANGE, MIN_DISPLACEMENT, decompose
from neurosim.storage import write_text

FORMAT = "neurosim-audit-1"
PASS, WARNING, FAIL, UNKNOWN = "pass", "warning", "fail", "unknown"
#: A learning part of less than this share of a change is named in the warning.
_MOST_SHARE = 0.5
#: Changes of rho below this are not divided by.
_SMALL = 0.005


@dataclass(frozen=True)
class Check:
    """What showing stimuli to one network did.

    name: the network in words. changed: names of the tensors that moved.
    batch_difference: largest difference between features of a stimulus in two batches, as a
        share of the layer's root mean square; None where it was not measured.
    """

    name: str
    changed: tuple[str, ...] = ()
    batch_difference: float | None = None


@dataclass(frozen=True)
class Finding:
    """The answer to one question.

    values: the numbers behind it, one mapping a row.
    """

    id: str
    question: str
    verdict: str
    answer: str
    values: Sequence[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Audited:
    """What is audited: the table, the axes its headline stands on, and the checks."""

    table: pd.DataFrame
    headline: Headline
    checks: Sequence[Check]

    @property
    def rules(self) -> list[str]:
        """Rules that learn something, or that the table says nothing of."""
        return [rule for rule in self.headline.rules if rule != "untrained"]


def audit(
    table: pd.DataFrame, checks: Sequence[Check] = (), *, layer: str = "FC1"
) -> list[Finding]:
    """Every finding about a table in the layout of ``results.csv``.

    Args:
        layer: the layer that sentences about one layer speak of.

    Raises:
        ValueError: the table holds no rule, or not this layer.
    """
    audited = Audited(table, Headline.of(table, layer=layer), checks)
    return [question(audited) for question in QUESTIONS]


def to_json(findings: Sequence[Finding], table: pd.DataFrame, layer: str) -> str:
    """``audit.json``: format, what the sentences speak of, and the findings."""
    headline = Headline.of(table, layer=layer)
    record = {
        "format": FORMAT,
        "simulated": bool(headline.simulated),
        "about": {
            "layer": layer, "px": headline.px, "normalisation": headline.normalisation,
            "readout": headline.readout, "convention": headline.convention,
            "epoch": headline.last, "rules": headline.rules, "rois": headline.rois,
            "n_seeds": int(headline.models["seed"].nunique()),
        },
        "findings": [asdict(finding) for finding in findings],
    }  # fmt: skip
    return json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_audit(path: Path, findings: Sequence[Finding], table: pd.DataFrame, layer: str) -> None:
    """Write ``audit.json`` whole or not at all."""
    write_text(path, to_json(findings, table, layer))


def in_words(findings: Sequence[Finding]) -> str:
    """The audit as text."""
    lines = ["Audit:"]
    for finding in findings:
        lines.append(f"  [{finding.verdict}] {finding.question}")
        lines += [f"      {line}" for line in finding.answer.split("\n")]
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's, NaN as null: plain JSON."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return None if value is pd.NA else value


def state_changed(audited: Audited) -> Finding:
    """Did any extraction change state?"""
    question = "Did any extraction change the network that it looked at?"
    if not audited.checks:
        return Finding("state", question, UNKNOWN, "No network was shown stimuli for this audit.")
    changed = [check for check in audited.checks if check.changed]
    values = [{"network": c.name, "changed": list(c.changed)} for c in audited.checks]
    if not changed:
        answer = (
            f"No: {len(audited.checks)} networks were shown stimuli, and every weight, statistic "
            "and threshold was the same to the bit afterwards."
        )
        return Finding("state", question, PASS, answer, values)
    named = "; ".join(f"{c.name} ({', '.join(c.changed[:3])})" for c in changed[:5])
    answer = (
        f"Yes: {len(changed)} of {len(audited.checks)} networks were changed by being looked at: "
        f"{named}. Their scores depend on how often and in which order they were evaluated."
    )
    return Finding("state", question, FAIL, answer, values)


#: Convolutions sum in another order for another batch size: 1e-6 of a layer's activity each.
_ROUNDING = 1e-4


def batch_dependence(audited: Audited) -> Finding:
    """Does a score depend on the batch?"""
    question = "Does the activity to a stimulus depend on the batch it comes in?"
    measured = [c for c in audited.checks if c.batch_difference is not None]
    if not measured:
        return Finding("batch", question, UNKNOWN, "No stimulus was shown in two batches.")
    values = [{"network": c.name, "difference": c.batch_difference} for c in measured]
    worst = max(measured, key=lambda c: c.batch_difference or 0.0)
    share = f"{worst.batch_difference:.1g} of the layer's root mean square ({worst.name})"
    if (worst.batch_difference or 0.0) <= _ROUNDING:
        answer = f"No: shown alone and among others, activity differs by at most {share}: rounding."
        return Finding("batch", question, PASS, answer, values)
    n = sum((c.batch_difference or 0.0) > _ROUNDING for c in measured)
    answer = (
        f"Yes, in {n} of {len(measured)} networks; most by {share}. A score of such a network is "
        "one of a stimulus set, not of the network."
    )
    return Finding("batch", question, FAIL, answer, values)


def normalisation_share(audited: Audited) -> Finding:
    """How much of each change is normalisation?"""
    question = "How much of each change from epoch 0 is normalisation, and how much is learning?"
    headline = audited.headline
    values, lines = [], []
    for roi in headline.rois:
        parts = headline.view(roi).parts(headline.last)
        for rule in audited.rules:
            of_rule = parts[parts["rule"] == rule].dropna(subset=["normalisation_part", "change"])
            if of_rule.empty:
                continue
            mean = of_rule[["normalisation_part", "learning_part", "change"]].mean()
            small = abs(mean["change"]) < _SMALL
            share = np.nan if small else mean["normalisation_part"] / mean["change"]
            values.append(
                {"rule": rule, "roi": roi, "n_seeds": len(of_rule), **mean, "share": share}
            )
            what = f"{rule} in {roi}: {_signed(mean['change'])}"
            of = (
                f"{_signed(mean['normalisation_part'])} by the statistics that passes leave behind "
                f"and {_signed(mean['learning_part'])} by learning"
            )
            lines.append(f"{what} = {of}" + ("." if small else f" ({share:.0%} normalisation)."))
    if not values:
        answer = "The table has no epoch 0 or no statistics-only rows: changes cannot be split."
        return Finding("normalisation", question, UNKNOWN, answer)
    shares = [v["share"] for v in values if np.isfinite(v["share"])]
    verdict = WARNING if any(share >= _MOST_SHARE for share in shares) else PASS
    if verdict == WARNING:
        n = sum(share >= _MOST_SHARE for share in shares)
        lines.insert(0, f"In {n} of {len(values)} changes at least half is not learning.")
    return Finding("normalisation", question, verdict, "\n".join(lines), values)


def movement(audited: Audited) -> Finding:
    """Which layers moved by under 1 %, or only shrank?"""
    question = "Which layers moved by under 1 %, or only grew or shrank?"
    headline = audited.headline
    rows = headline.models
    rows = rows[(rows["epoch"] == headline.last) & ~rows["statistics_only"].astype(bool)]
    per_layer = rows.dropna(subset=["displacement"]).groupby(["rule", "layer"], sort=False)
    table = per_layer[["displacement", "direction_change"]].mean()
    if table.empty:
        answer = "The table says nothing of how far weights went."
        return Finding("movement", question, UNKNOWN, answer)
    values, lines = [], []
    for (rule, layer), (displacement, direction) in table.iterrows():
        little = displacement < MIN_DISPLACEMENT
        scaled = not little and direction < MIN_DIRECTION_CHANGE
        values.append(
            {
                "rule": rule, "layer": layer, "displacement": displacement,
                "direction_change": direction,
                "not_trained": bool(little or scaled),
            }
        )  # fmt: skip
    for rule in audited.rules:
        still = [v for v in values if v["rule"] == rule and v["not_trained"]]
        if still:
            named = ", ".join(f"{v['layer']} ({v['displacement']:.2%})" for v in still)
            lines.append(f"{rule}: {named} counts as not trained.")
    if lines:
        return Finding("movement", question, WARNING, "\n".join(lines), values)
    answer = f"None: every layer of {', '.join(audited.rules) or 'the networks'} moved and turned."
    return Finding("movement", question, PASS, answer, values)


def best_layer(audited: Audited) -> Finding:
    """Is the best layer the same along the trajectory?"""
    question = "Is the best layer the same along the trajectory?"
    rows = audited.headline.models
    rows = rows[~rows["statistics_only"].astype(bool)]
    mean = rows.groupby(["rule", "roi", "epoch", "layer"], sort=False)["rho"].mean().reset_index()
    values, lines = [], []
    for (rule, roi), of_pair in mean.groupby(["rule", "roi"], sort=False):
        if rule not in audited.rules:
            continue
        best = of_pair.loc[of_pair.groupby("epoch")["rho"].idxmax().dropna()].sort_values("epoch")
        path = [(int(e), str(name)) for e, name in zip(best["epoch"], best["layer"], strict=True)]
        values.append(
            {"rule": rule, "roi": roi, "best": [{"epoch": e, "layer": n} for e, n in path]}
        )
        if len({name for _, name in path}) > 1:
            turns = [path[0], *(b for a, b in pairwise(path) if a[1] != b[1])]
            told = ", then ".join(f"{name} from epoch {epoch}" for epoch, name in turns)
            lines.append(f"{rule} in {roi}: {told}.")
    if not values or all(len(v["best"]) < 2 for v in values):
        return Finding("best-layer", question, UNKNOWN, "The table holds one checkpoint.", values)
    if lines:
        head = (
            "No: a curve of the best layer of each epoch joins points of different layers "
            "(the best of several is also optimistic at each)."
        )
        return Finding("best-layer", question, WARNING, "\n".join([head, *lines]), values)
    return Finding("best-layer", question, PASS, "Yes, for every rule and region.", values)


def sign_survives(audited: Audited) -> Finding:
    """Does the sign of trained minus untrained survive each control?"""
    question = "Does the sign of the difference between trained and untrained survive each control?"
    headline = audited.headline
    values, lines, any_flip = [], [], False
    for roi in headline.rois:
        for rule in audited.rules:
            reference = _difference(audited, rule, roi, {})
            if reference is None:
                continue
            flips: list[tuple[str, float]] = []
            kept: list[tuple[str, float]] = []
            for control, change in _controls(audited):
                found = _difference(audited, rule, roi, change)
                if found is None or control == "":
                    continue
                values.append({"rule": rule, "roi": roi, "control": control, **found})
                same = np.sign(found["difference"]) == np.sign(reference["difference"])
                (kept if same else flips).append((control, found["difference"]))
            values.append({"rule": rule, "roi": roi, "control": "", **reference})
            told = f"{rule} in {roi}: {_signed(reference['difference'])}"
            if flips:
                any_flip = True
                named = ", ".join(f"{control} ({_signed(value)})" for control, value in flips)
                lines.append(f"{told}; the sign turns with {named}.")
            elif kept:
                lines.append(f"{told}; the same sign under all {len(kept)} controls.")
    if not lines:
        answer = "The table has no untrained scores to compare with, or no control."
        return Finding("sign", question, UNKNOWN, answer, values)
    head = (
        f"Trained minus untrained at {headline.layer}, {headline.px} px, "
        f"{headline.normalisation}, {headline.readout} (means over seeds), and one thing changed:"
    )
    verdict = WARNING if any_flip else PASS
    return Finding("sign", question, verdict, "\n".join([head, *lines]), values)


def _controls(audited: Audited) -> list[tuple[str, dict[str, Any]]]:
    """Control in words -> what it changes of the headline's choice."""
    headline, table = audited.headline, audited.table
    models = table[~table["rule"].str.startswith(REFERENCE)]

    def others(column: str, chosen: Any, besides: str = "") -> list[Any]:
        there = models[column].dropna().unique()
        return [value for value in there if value not in (chosen, besides)]

    return [
        ("the statistics-only zero point", {"zero": "statistics-only"}),
        *((f"the policy {p}", {"normalisation": p})
          for p in others("normalisation", headline.normalisation, "none")),
        *((f"{px} px", {"px": px}) for px in others("px", headline.px)),
        *((f"the layer {name}", {"layer": name}) for name in others("layer", headline.layer)),
        *((f"the readout {r}", {"readout": r})
          for r in others("readout", headline.readout, "units")),
        *((f"the convention {c}", {"convention": c})
          for c in others("convention", headline.convention) if c != "subject"),
    ]  # fmt: skip


def _difference(
    audited: Audited, rule: str, roi: str, change: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Trained minus the zero point under one choice: mean over seeds, and seeds above 0."""
    axes = {k: v for k, v in change.items() if k != "zero"}
    headline = replace(audited.headline, **axes)
    rows = headline.models
    rows = rows[(rows["rule"] == rule) & (rows["roi"] == roi) & (rows["layer"] == headline.layer)]
    if "readout" in change and set(rows["readout"]) == {"units"}:
        return None
    if "normalisation" in change and set(rows["normalisation"]) == {"none"}:
        return None
    parts = decompose(rows)
    parts = parts[parts["epoch"] == parts["epoch"].max()]
    column = "learning_part" if change.get("zero") else "change"
    values = parts[column].dropna()
    if values.empty:
        return None
    return {
        "difference": float(values.mean()),
        "n_seeds": len(values),
        "n_seeds_up": int((values > 0).sum()),
    }


def luminance_and_noise(audited: Audited) -> Finding:
    """Is the score above the luminance scalar, and where against the noise bound?"""
    question = (
        "Is the score above what luminance alone explains, and where against the noise bound?"
    )
    headline = audited.headline
    values: list[dict[str, Any]] = []
    lines = []
    for roi in headline.rois:
        view = headline.view(roi)
        luminance = view.references.get("luminance")
        best = max(view.references.items(), key=lambda item: item[1], default=None)
        bounds = view.bounds
        for rule in headline.rules:
            rho = float(view.curve(rule).loc[headline.last].mean())
            values.append(
                {
                    "rule": rule, "roi": roi, "rho": rho,
                    "luminance": np.nan if luminance is None else luminance,
                    "best_reference": "" if best is None else best[0],
                    "best_reference_rho": np.nan if best is None else best[1],
                    "noise_lower": np.nan if bounds is None else bounds[0],
                    "noise_upper": np.nan if bounds is None else bounds[1],
                }
            )  # fmt: skip
        of_roi = [v for v in values if v["roi"] == roi]
        if luminance is not None and best is not None:
            below = [v["rule"] for v in of_roi if v["rho"] <= luminance]
            told = (
                f"{', '.join(below)} not above luminance ({luminance:.3f})"
                if below
                else f"every rule above luminance ({luminance:.3f})"
            )
            under = [v["rule"] for v in of_roi if v["rho"] <= best[1]]
            if under and best[0] != "luminance":
                told += f"; {', '.join(under)} not above {best[0]} ({best[1]:.3f})"
            lines.append(f"{roi}: {told}.")
        if bounds is not None and bounds[0] > 0:
            top = max(of_roi, key=lambda v: v["rho"])
            lines.append(
                f"{roi}: the best, {top['rule']} at {top['rho']:.3f}, is "
                f"{top['rho'] / bounds[0]:.0%} of the lower noise bound ({bounds[0]:.3f} to "
                f"{bounds[1]:.3f})."
            )
    if not lines:
        answer = "The table holds neither reference models nor noise bounds."
        return Finding("luminance", question, UNKNOWN, answer, values)
    short = any(v["rho"] <= v["luminance"] for v in values if np.isfinite(v["luminance"]))
    return Finding("luminance", question, WARNING if short else PASS, "\n".join(lines), values)


def _signed(value: float) -> str:
    return f"{value:+.3f}"


#: In the order they are answered. To add one, write a function of what is audited and a line here.
QUESTIONS: tuple[Callable[[Audited], Finding], ...] = (
    state_changed,
    batch_dependence,
    normalisation_share,
    movement,
    best_layer,
    sign_survives,
    luminance_and_noise,
)
