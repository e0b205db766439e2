"""What the control commands print: a table at one choice of axes, and sentences."""

from __future__ import annotations

import pandas as pd

from neurosim.experiments.controls.result import Result
from neurosim.experiments.job.evaluate import NO_NORMALISATION
from neurosim.experiments.job.stimulus_content import is_band
from neurosim.experiments.results.words import interval, number, signed

#: Its trained state is its statistics-only one.
_LEVELS = ("initialised", "statistics_only", "trained")
_PARTS = ("normalisation_part", "learning_part", "change")


def cross_in_words(result: Result) -> str:
    """Every policy at the largest px and the chosen layer, and where the sign of the change
    depends on it."""
    if "decomposition" not in result.tables:
        return "no resamples were asked for: scores.csv holds every score"
    table = _at(result)
    table = table[table["px"] == table["px"].max()]
    lines = []
    for roi, of_roi in table.groupby("roi", sort=False):
        lines += ["", f"{_simulated(result)}{roi}, {result.layer}, {of_roi['px'].iloc[0]} px:"]
        shown = decomposition_in_words(of_roi, ["rule", "normalisation", "n_seeds"])
        lines.append(shown.to_string(index=False))
        for rule, of_rule in of_roi.groupby("rule", sort=False):
            if learns(of_rule) and set(of_rule["normalisation"]) != {NO_NORMALISATION}:
                lines.append(sign_sentence(str(rule), of_rule, "normalisation", "policy"))
    return "\n".join([*lines, _INTERVALS])


def sweep_in_words(result: Result) -> str:
    """Every px and content at the chosen layer, and where the sign depends on the size.

    Contents whose names depend on the size (bands) are in the table and have no sentence.
    """
    if "decomposition" not in result.tables:
        return "no resamples were asked for: scores.csv holds every score"
    table = _at(result)
    lines = []
    for (roi, policy), part in table.groupby(["roi", "normalisation"], sort=False):
        lines += ["", f"{_simulated(result)}{roi}, {result.layer}, normalisation {policy}:"]
        shown = decomposition_in_words(part, ["rule", "content", "px", "n_seeds"])
        lines.append(shown.to_string(index=False))
        for (rule, content), of_rule in part.groupby(["rule", "content"], sort=False):
            if learns(of_rule) and len(of_rule) > 1 and not is_band(str(content)):
                lines.append(sign_sentence(f"{rule}, {content}", of_rule, "px", "size"))
    return "\n".join([*lines, _INTERVALS])


def learns(rows: pd.DataFrame) -> bool:
    """Whether learning moved any score of a rule: none, exactly, where every weight is held."""
    return bool((rows["learning_part"] != 0).any())


_INTERVALS = (
    "Bounds: 95 % interval over new stimuli, subjects and seeds (decomposition.csv holds all); "
    "a sign counts as certain where the interval leaves out 0."
)


_WHERE = {"size": "at", "policy": "under"}
#: What trained is held against, by the part that is their difference.
_BASE = {"change": "initialised", "learning_part": "statistics-only"}


def sign_sentence(name: str, rows: pd.DataFrame, axis: str, what: str, part: str = "change") -> str:
    """Where trained lies above its base and where below, by one axis.

    Args:
        part: ``change`` (base: initialised) or ``learning_part`` (base: statistics-only).
    """
    base = _BASE[part]
    groups: dict[str, list[str]] = {"above": [], "below": [], "not told apart from": []}
    for row in rows.to_dict("records"):
        if row[f"{part}_lower"] > 0:
            groups["above"].append(str(row[axis]))
        elif row[f"{part}_upper"] < 0:
            groups["below"].append(str(row[axis]))
        else:
            groups["not told apart from"].append(str(row[axis]))
    held = {word: entries for word, entries in groups.items() if entries}
    if len(held) == 1:
        word = next(iter(held))
        if word == "not told apart from":
            return f"{name}: trained is not told apart from {base} {_WHERE[what]} any {what}."
        return f"{name}: trained lies {word} {base} {_WHERE[what]} every {what}."
    told = "; ".join(
        f"{word} it {_WHERE[what]} {', '.join(entries)}" for word, entries in held.items()
    )
    return f"{name}: whether trained lies above {base} depends on the {what}: {told}."


def _at(result: Result) -> pd.DataFrame:
    table = result.tables["decomposition"]
    rows = table[table["layer"] == result.layer]
    return rows[rows["readout"] == rows["readout"].iloc[0]]


def _simulated(result: Result) -> str:
    return "SIMULATED " if result.simulated else ""


def decomposition_in_words(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Levels and parts as text, parts with their intervals: of a terminal and of a page."""
    shown = rows[keys].astype(str)
    for name in (*_LEVELS, *_PARTS):
        shown[name.replace("_", " ")] = rows[name].map(signed if name in _PARTS else number)
        if name in _PARTS:
            bounds = zip(rows[f"{name}_lower"], rows[f"{name}_upper"], strict=True)
            shown[name.replace("_", " ")] += [f" {interval(*each)}" for each in bounds]
    return shown
