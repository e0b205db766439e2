"""Audit: what a change from the untrained network is made of, and whether its sign holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.audit.copies import empty_controls
from neurosim.experiments.audit.types import (
    PASS,
    UNKNOWN,
    WARNING,
    Audited,
    Finding,
    worst,
)
from neurosim.experiments.results.seed_intervals import (
    NEGLIGIBLE,
    interval,
    share_of_statistics,
    told_apart,
)
from neurosim.experiments.results.table import EVALUATED_BATCH, adapts
from neurosim.experiments.results.words import signed

#: A normalisation part of this share of a change is named in the warning.
_MOST_SHARE = 0.5
#: A difference below this is 0 to three digits: it has no sign.
_NOTHING = 0.0005
#: The zero point without which no sign is known to be learning's.
_PASSES = "the statistics-only zero point"


def normalisation_share(audited: Audited) -> Finding:
    """How much of each change is normalisation?"""
    question = "How much of each change from epoch 0 is normalisation, and how much is learning?"
    rows = audited.headline.models
    by_batch = [
        rule
        for rule in rows.loc[rows["normalisation"] == EVALUATED_BATCH, "rule"].unique()
        if rule in audited.rules
    ]
    verdict, values, lines = PASS, [], []
    empty = empty_controls(audited)
    for roi in audited.headline.rois:
        for rule in audited.rules:
            if why := why_no_parts(audited, rule, roi, empty):
                verdict = worst(verdict, UNKNOWN)
                lines += [f"{rule}: {why}."] * (f"{rule}: {why}." not in lines)
                continue
            parts = audited.change(rule, roi).dropna(subset=["learning_part", "change"])
            mean = parts[["normalisation_part", "learning_part", "change"]].astype(float).mean()
            share = np.nan if rule in by_batch else share_of_statistics(parts)
            own, apart = _split_in_words(parts, share)
            verdict = worst(verdict, own)
            values.append(
                {"rule": rule, "roi": roi, "n_seeds": len(parts), **mean, "share": share,
                 "most": own == WARNING and mean["normalisation_part"] * mean["change"] > 0}
            )  # fmt: skip
            lines.append(
                f"{rule} in {roi}: {signed(mean['change'])} = "
                f"{signed(mean['normalisation_part'])} by the "
                f"{adapts(audited.table, rule) or 'statistics'} that passes leave behind "
                f"and {signed(mean['learning_part'])} by learning"
                f"{apart}{audited.seeds_in_words(rule, len(parts))}."
            )
    n = sum(value["most"] for value in values)
    if values:
        lines.insert(0, "The change from epoch 0 and its two parts, means over seeds:")
    if n:
        lines.insert(0, f"In {n} of {len(values)} changes at least half is not learning.")
    if by_batch:
        verdict = WARNING
        lines.insert(
            0,
            f"{', '.join(by_batch)}: normalised by the images that are evaluated ({EVALUATED_BATCH}"
            "), so that no pass at learning rate 0 can tell what normalisation does to the score.",
        )
    if not lines:
        return Finding("normalisation", question, UNKNOWN, "The table holds no rule that learns.")
    if values:
        verdict = _of_seeds(audited, verdict, lines)
    return Finding("normalisation", question, verdict, "\n".join(lines), values)


def _split_in_words(parts: pd.DataFrame, share: float) -> tuple[str, str]:
    """Verdict of one split, and what it adds to its numbers."""
    change, statistics = (parts[n].astype(float) for n in ("change", "normalisation_part"))
    mean, of_it = float(change.mean()), float(statistics.mean())
    if np.isfinite(share):
        of_words = f" ({share:.0%} normalisation)"
    elif len(parts) < 2:
        of_words = ""
    elif abs(mean) < NEGLIGIBLE:
        of_words = " (no change to speak of)"
    elif (np.sign(change) != np.sign(mean)).any():
        of_words = " (its sign differs between seeds)"
    elif not told_apart(change):
        of_words = " (its interval over seeds includes zero)"
    elif told_apart(statistics) and of_it * (mean - of_it) < 0 and abs(of_it) >= NEGLIGIBLE:
        return WARNING, " (the two pull apart)"
    else:
        of_words = " (a part's interval over seeds includes zero)"
    direction = np.sign(mean)
    if abs(mean) < NEGLIGIBLE:
        return UNKNOWN, of_words
    if direction * of_it >= _MOST_SHARE * abs(mean) and (len(parts) < 2 or told_apart(change)):
        return WARNING, of_words
    less_than_half = interval(direction * (_MOST_SHARE * change - statistics))[0] > 0
    return PASS if less_than_half and told_apart(change) else UNKNOWN, of_words


def sign_survives(audited: Audited) -> Finding:
    """Does the sign of trained minus untrained survive each control?"""
    question = "Does the sign of the difference between trained and untrained survive each control?"
    verdict, values, lines = PASS, [], []
    empty = empty_controls(audited)
    for roi in audited.headline.rois:
        for rule in audited.rules:
            reference = _difference(audited, rule, roi, {})
            if reference is None:
                verdict = worst(verdict, UNKNOWN)
                line = f"{rule}: {why_no_change(audited, rule, roi) or 'its scores are undefined'}."
                lines += [line] * (line not in lines)
                continue
            held = {
                control: found
                for control, change in _controls(audited)
                if not (control == _PASSES and rule in empty)
                and (found := _difference(audited, rule, roi, change)) is not None
            }
            values += [
                {"rule": rule, "roi": roi, "control": control, **found}
                for control, found in {**held, "": reference}.items()
            ]
            own, told = _sign_in_words(reference, held)
            if own != WARNING and _PASSES not in held:
                own, why = UNKNOWN, why_no_parts(audited, rule, roi, empty)
                told += f"; whether learning made it is not known: {why}"
            verdict = worst(verdict, own)
            seeds = audited.seeds_in_words(rule, reference["n_seeds"])
            lines.append(f"{rule} in {roi}: {signed(reference['difference'])}{told}{seeds}.")
    if not lines:
        return Finding("sign", question, UNKNOWN, "The table holds no rule that learns.", values)
    head = (
        f"Trained minus untrained at {audited.where()} (means over seeds), and one thing changed:"
    )
    verdict = _of_seeds(audited, verdict, lines) if values else verdict
    return Finding("sign", question, verdict, "\n".join([head, *lines]), values)


def _sign_in_words(
    reference: Mapping[str, Any], held: Mapping[str, Mapping[str, Any]]
) -> tuple[str, str]:
    """Verdict of one difference under its controls, and what it adds to its number."""
    if _has_no_sign(reference):
        return UNKNOWN, "; over seeds it is not told apart from zero"
    gone = {n: f for n, f in held.items() if abs(f["difference"]) < _NOTHING}
    turned = {
        n: f for n, f in held.items()
        if n not in gone and f["difference"] * reference["difference"] < 0
    }  # fmt: skip
    asked = {*turned, _PASSES} & (held.keys() - gone.keys())
    unsure = [name for name in held if name in asked and _has_no_sign(held[name])]
    flips = {n: f for n, f in turned.items() if n not in unsure}
    told = ""
    if flips:
        named = ", ".join(f"{n} ({signed(f['difference'])})" for n, f in flips.items())
        told += f"; the sign turns with {named}"
    if gone:
        told += f"; nothing is left (under {_NOTHING}) with {', '.join(gone)}"
    if unsure:
        told += f"; over seeds it is not told apart from zero with {', '.join(unsure)}"
    if flips or gone:
        return WARNING, told
    if unsure:
        return UNKNOWN, told
    return PASS, f"; the same sign under all {len(held)} controls" * bool(held)


def _has_no_sign(found: Mapping[str, Any]) -> bool:
    """Whether zero lies in the interval over seeds; of one seed there is none to ask."""
    return found["n_seeds"] > 1 and found["low"] <= 0 <= found["high"]


def _of_seeds(audited: Audited, verdict: str, lines: list[str]) -> str:
    """The verdict, and what would tell where an interval does not."""
    if any("interval over seeds" in line or "over seeds it is not" in line for line in lines):
        lines.append("More seeds narrow the intervals.")
    return audited.pass_of_seeds(verdict, lines)


def _controls(audited: Audited) -> list[tuple[str, dict[str, Any]]]:
    """Control in words -> what it changes of the headline's choice."""
    headline, models = audited.headline, audited.models

    def others(column: str, chosen: Any, besides: str = "") -> list[Any]:
        there = models[column].dropna().unique()
        return [value for value in there if value not in (chosen, besides)]

    return [
        (_PASSES, {"zero": "statistics-only"}),
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
    axes = {name: value for name, value in change.items() if name != "zero"}
    column = "learning_part" if "zero" in change else "change"
    values = audited.change(rule, roi, **axes)[column].astype(float).dropna()
    if values.empty:
        return None
    low, high = interval(values)
    return {
        "difference": float(values.mean()), "low": low, "high": high,
        "n_seeds": len(values), "n_seeds_up": int((values > 0).sum()),
    }  # fmt: skip


def why_no_change(audited: Audited, rule: str, roi: str) -> str:
    """Why a rule's scores have no difference from epoch 0, and how to give one; "" where one is."""
    layer, models = audited.headline.layer, audited.models
    rows = models[(models["rule"] == rule) & ~models["statistics_only"].astype(bool)]
    if audited.change(rule, roi)["change"].notna().any():
        return ""
    if layer not in set(rows["layer"]):
        return f"it has no layer {layer}; it has {', '.join(map(str, rows['layer'].unique()))}"
    rows = rows[rows["layer"] == layer]
    starts, ends = rows[rows["epoch"] == 0], rows[rows["epoch"] > 0]
    if starts.empty:
        return "no epoch 0 was given: give the network as initialised too, with epoch=0"
    if ends.empty:
        return "no epoch after 0 was given: give the trained network too"
    for name, what in (("px", "px"), ("seed", "seeds"), ("normalisation", "normalisation"),
                       ("readout", "readout")):  # fmt: skip
        if not set(starts[name]) & set(ends[name]):
            first, later = (", ".join(map(str, r[name].unique())) for r in (starts, ends))
            return (
                f"epoch 0 was given of {what} {first}, epoch {int(ends['epoch'].max())} of "
                f"{what} {later}: give both of the same"
            )
    return "epoch 0 and a later one do not agree in px, seed, normalisation and readout at once"


def why_no_parts(audited: Audited, rule: str, roi: str, empty: Collection[str]) -> str:
    """Why a rule's change cannot be split, and how it could be; "" where it can.

    Args:
        empty: rules whose statistics-only activations control nothing (``empty_controls``).
    """
    if why := why_no_change(audited, rule, roi):
        return why
    how = (
        "run the same passes at learning rate 0 from epoch 0 and give the network with "
        "statistics_only=True"
    )
    if rule in empty:
        return (
            "its statistics-only activations are the same as those of epoch 0 and control nothing; "
            f"{how}, or say normalisation='none' if it keeps no statistics"
        )
    if audited.change(rule, roi)["learning_part"].notna().any():
        return ""
    end = audited.ends[rule]
    twins = audited.models
    twins = twins[(twins["rule"] == rule) & twins["statistics_only"].astype(bool)]
    epochs = sorted(int(epoch) for epoch in twins["epoch"].dropna().unique())
    if epochs and end not in epochs:
        there = ", ".join(map(str, epochs))
        return f"statistics-only passes were given of epoch {there}, not of {end}: {how}"
    return f"no statistics-only network of epoch {end} was given: {how}"
