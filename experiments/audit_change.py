"""Audit: what a change from the untrained network is made of, and whether its sign holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurosim.experiments.audit_types import PASS, UNKNOWN, WARNING, Audited, Finding, signed
from neurosim.experiments.figure_data import REFERENCE
from neurosim.experiments.results import EVALUATED_BATCH, decompose

#: A learning part of less than this share of a change is named in the warning.
_MOST_SHARE = 0.5
#: Changes of rho below this are not divided by.
_SMALL = 0.005
#: A difference below this is 0 to three digits: it has no sign.
_NOTHING = 0.0005


def normalisation_share(audited: Audited) -> Finding:
    """How much of each change is normalisation?"""
    question = "How much of each change from epoch 0 is normalisation, and how much is learning?"
    headline = audited.headline
    values, lines = [], []
    rows = headline.models
    by_batch = list(rows.loc[rows["normalisation"] == EVALUATED_BATCH, "rule"].unique())
    for roi in headline.rois:
        parts = headline.view(roi).parts(headline.last)
        for rule in audited.rules:
            of_rule = parts[parts["rule"] == rule].dropna(subset=["normalisation_part", "change"])
            if of_rule.empty:
                continue
            mean = of_rule[["normalisation_part", "learning_part", "change"]].mean()
            unseen = abs(mean["change"]) < _SMALL or rule in by_batch
            signs = np.sign(of_rule["change"])
            differ = bool((signs != signs.iloc[0]).any())
            share = np.nan if unseen or differ else mean["normalisation_part"] / mean["change"]
            values.append(
                {"rule": rule, "roi": roi, "n_seeds": len(of_rule), **mean, "share": share}
            )
            what = f"{rule} in {roi}: {signed(mean['change'])}"
            of = (
                f"{signed(mean['normalisation_part'])} by the statistics that passes leave behind "
                f"and {signed(mean['learning_part'])} by learning"
            )
            apart = " (its sign differs between seeds)" if differ else _share_in_words(share)
            lines.append(f"{what} = {of}{apart}.")
    if not values:
        answer = "The table has no epoch 0 or no statistics-only rows: changes cannot be split."
        return Finding("normalisation", question, UNKNOWN, answer)
    shares = [v["share"] for v in values if np.isfinite(v["share"])]
    verdict = WARNING if any(share >= _MOST_SHARE for share in shares) else PASS
    if verdict == WARNING:
        n = sum(share >= _MOST_SHARE for share in shares)
        lines.insert(0, f"In {n} of {len(values)} changes at least half is not learning.")
    if by_batch:
        verdict = WARNING
        lines.insert(
            0,
            f"{', '.join(by_batch)}: normalised by the images that are evaluated ({EVALUATED_BATCH}"
            "), so that no pass at learning rate 0 can tell what normalisation does to the score.",
        )
    verdict = audited.pass_of_seeds(verdict, lines)
    return Finding("normalisation", question, verdict, "\n".join(lines), values)


def _share_in_words(share: float) -> str:
    """The share of normalisation, where it is one: two parts of one sign."""
    if not np.isfinite(share):
        return ""
    if -0.005 < share <= 1:
        return f" ({abs(share):.0%} normalisation)"
    return " (the two pull apart)"


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
            gone: list[tuple[str, float]] = []
            kept: list[tuple[str, float]] = []
            for control, change in _controls(audited):
                found = _difference(audited, rule, roi, change)
                if found is None or control == "":
                    continue
                values.append({"rule": rule, "roi": roi, "control": control, **found})
                same = np.sign(found["difference"]) == np.sign(reference["difference"])
                nothing = abs(found["difference"]) < _NOTHING
                into = gone if nothing else kept if same else flips
                into.append((control, found["difference"]))
            values.append({"rule": rule, "roi": roi, "control": "", **reference})
            told = f"{rule} in {roi}: {signed(reference['difference'])}"
            if flips:
                any_flip = True
                named = ", ".join(f"{control} ({signed(value)})" for control, value in flips)
                told += f"; the sign turns with {named}"
            if gone:
                any_flip = True
                named = ", ".join(control for control, _ in gone)
                told += f"; nothing is left (under {_NOTHING}) with {named}"
            if flips or gone:
                lines.append(f"{told}.")
            elif kept:
                lines.append(f"{told}; the same sign under all {len(kept)} controls.")
    if not lines:
        answer = "The table has no untrained scores to compare with, or no control."
        return Finding("sign", question, UNKNOWN, answer, values)
    head = (
        f"Trained minus untrained at {headline.layer}, {headline.px} px, "
        f"{headline.normalisation}, {headline.readout} (means over seeds), and one thing changed:"
    )
    verdict = audited.pass_of_seeds(WARNING if any_flip else PASS, lines)
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
