"""The summary of a control command as a page of Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.controls.words import decomposition_in_words, learns, sign_sentence
from neurosim.experiments.figures.style import rule_style
from neurosim.experiments.job.stimulus_content import is_band
from neurosim.experiments.results.words import interval, number

_LEVELS = ("initialised", "statistics-only", "trained")
#: The axis that a command is about, and the word for one entry.
_AXIS = {"normalisation_cross": ("normalisation", "policy"), "resolution_sweep": ("px", "size")}
_GIVEN = ("luminance", "pixels", "gabor", "all")
_REFERENCE = "reference:"


def page(
    name: str,
    tables: Mapping[str, pd.DataFrame | None],
    asked: Mapping[str, Any],
    *,
    layer: str,
    px: int,
    pictures: Sequence[str] = (),
) -> str:
    """One page: what was asked, then a section a ROI.

    Args:
        tables: ``scores`` (a row a rule, state and look), ``decomposition``, ``layer_choice``.
        pictures: names of the PNG files beside the page.
    """
    scores, parts, choice = (tables[key] for key in ("scores", "decomposition", "layer_choice"))
    assert scores is not None
    models = scores[~scores["rule"].str.startswith(_REFERENCE)]
    models = models[models["epoch"].isin([0, models["epoch"].max()])]
    lines = [f"# {name.replace('_', ' ').capitalize()}", "", *_asked(asked, models)]
    for picture in pictures:
        lines += ["", f"![{picture.replace('_', ' ')}]({picture}.png)"]
    for roi in models["roi"].unique():
        of_roi, at = models[models["roi"] == roi], f"{layer}, {px} px"
        bounds = of_roi[["noise_lower", "noise_upper"]].iloc[0]
        lines += ["", f"## {roi}", "", f"Noise bounds {interval(*bounds)}."]
        lines += _references(scores[scores["roi"] == roi])
        if parts is not None:
            here = _first_readout(parts[(parts["roi"] == roi) & (parts["layer"] == layer)])
            lines += ["", f"### Normalisation part and learning part: {at}", ""]
            lines += [*_parts(here[here["px"] == px]), "", *_signs(name, here, px)]
        of_layer = _first_readout(of_roi[of_roi["layer"] == layer])
        lines += ["", f"### Every size: {layer}", "", _TRIPLE, "", *_triples(of_layer, ["px"])]
        lines += ["", f"### Every layer and readout: {px} px", "", _TRIPLE, ""]
        lines += _triples(of_roi[of_roi["px"] == px], ["layer", "readout"])
        lines += ["", f"### Given low-level models: {at}", ""]
        lines += _given(of_layer[of_layer["px"] == px])
        if choice is not None:
            lines += ["", f"### Choice of the layer: {px} px", ""]
            lines += _choices(choice[(choice["roi"] == roi) & (choice["px"] == px)])
    return "\n".join(lines) + "\n"


_TRIPLE = "Each entry: initialised / statistics-only / trained, means over seeds."
_NOTE = (
    "Spearman ρ, `subject_mean`, means over seeds. Bounds: 95 % intervals over new stimuli, "
    "subjects and seeds (crossed bootstrap, corrected; Schuett et al. 2023). Normalisation part: "
    "statistics-only − initialised; learning part: trained − statistics-only."
)


def _asked(asked: Mapping[str, Any], models: pd.DataFrame) -> list[str]:
    n = models.groupby("rule")["n_seeds"].max()
    told = [f"{rule_style(str(rule)).label} {count}" for rule, count in n.items()]
    lines = [f"{_NOTE} Seeds: {', '.join(told)}."]
    if asked:
        run, grid = asked["run"], asked["grid"]
        n_train = run["n_train"]
        # Calibration takes the first of a seed's training images.
        calibration = min(grid["n_calibration"], n_train or grid["n_calibration"])
        n = "all" if n_train is None else f"{n_train:,}"
        lines += [
            "",
            f"Run: {n} images of {run['training']}, {run['epochs']} epochs, seeds "
            f"{', '.join(map(str, run['seeds']))}; stimuli {run['stimuli']}; training size "
            f"{run['training_px']} px, normalisation {run['norm']}, labels {run['labels']}, "
            f"profile {run['profile']}. {calibration} calibration images, "
            f"{grid['n_resamples']} resamples, {grid['n_splits']} halvings.",
        ]
        if asked["simulated"]:
            lines += ["", "**SIMULATED data: nothing here is about brains.**"]
    return lines


def _references(scores: pd.DataFrame) -> list[str]:
    rows = scores[scores["rule"].str.startswith(_REFERENCE)]
    if rows.empty:
        return []
    wide = rows.pivot_table(index="rule", columns="px", values="rho", sort=False)
    body = [
        [str(rule).removeprefix(_REFERENCE), *map(number, values)]
        for rule, values in zip(wide.index, wide.to_numpy(float), strict=True)
    ]
    return ["", *_markdown(["reference model", *(f"{px} px" for px in wide.columns)], body)]


def _keys(rows: pd.DataFrame) -> list[str]:
    """What tells the rows of a table apart: the rule, and the axes on which there is a choice."""
    return ["rule", *(k for k in ("normalisation", "content") if rows[k].nunique() > 1)]


def _parts(rows: pd.DataFrame) -> list[str]:
    shown = decomposition_in_words(rows, [*_keys(rows), "n_seeds"])
    shown["rule"] = [rule_style(rule).label for rule in shown["rule"]]
    up = zip(rows["learning_part_seeds_up"], rows["n_seeds"], strict=True)
    shown["learning part up in"] = [f"{n} of {n_seeds}" for n, n_seeds in up]
    names = {"n_seeds": "seeds", "statistics only": "statistics-only"}
    return _markdown([names.get(name, name) for name in shown], shown.to_numpy().tolist())


def _signs(name: str, rows: pd.DataFrame, px: int) -> list[str]:
    axis, what = _AXIS.get(name, ("px", "size"))
    rows = rows if axis == "px" else rows[rows["px"] == px]
    keys = [key for key in _keys(rows) if key != axis]
    told = []
    for names, of_rule in rows.groupby(keys, sort=False):
        row = dict(zip(keys, names, strict=True))
        if len(of_rule) > 1 and learns(of_rule) and not is_band(row.get("content", "")):
            label = ", ".join(_names(row, keys))
            for part in ("change", "learning_part"):
                told.append(f"- {sign_sentence(label, of_rule, axis, what, part)}")
    return told


def _triples(rows: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """A row a rule and policy, a column a px or layer; empty where there is no such score."""
    keys = _keys(rows)
    rows = rows.assign(column=[" ".join(map(str, each)) for each in rows[columns].to_numpy()])
    shown = list(dict.fromkeys(rows["column"]))
    entries: dict[tuple[str, ...], dict[str, str]] = {}
    for (place, column), of_entry in rows.groupby([rows[keys].apply(tuple, axis=1), "column"],
                                                  sort=False):  # fmt: skip
        values = of_entry.set_index("weights")["rho"]
        entries.setdefault(place, {})[column] = " / ".join(
            number(float(values.get(level, np.nan))) if level in values else "–"
            for level in _LEVELS
        )
    body = [
        [*_names(dict(zip(keys, place, strict=True)), keys), *(of.get(c, "–") for c in shown)]
        for place, of in entries.items()
    ]
    titles = [f"{c} px" for c in shown] if columns == ["px"] else shown
    return _markdown([*keys, *titles], body)


def _given(rows: pd.DataFrame) -> list[str]:
    keys = [*_keys(rows), "weights"]
    columns = [f"rho_given_{name}" for name in _GIVEN]
    # Under other policies the story is the same and the table five times as long; the CSV has it.
    rows = rows[rows["normalisation"].isin(["running", "none"]) | ("running" not in
                set(rows["normalisation"]))]  # fmt: skip
    body = [
        [*_names(row, keys), number(row["rho"]), *(number(row.get(c, np.nan)) for c in columns)]
        for row in rows.to_dict("records")
    ]
    return _markdown([*keys, "ρ", *(f"given {name}" for name in _GIVEN)], body)


def _choices(rows: pd.DataFrame) -> list[str]:
    keys = [*_keys(rows), "weights"]
    body = []
    for row in rows.to_dict("records"):
        of_seeds = "" if row["n_best_layers"] == 1 else " (not in all seeds)"
        body.append(
            [
                *_names(row, keys),
                f"{row['fixed_layer']} {number(row['fixed_rho'])}",
                f"{row['best_layer']}{of_seeds} {number(row['best_rho'])}",
                number(row["held_out_rho"]),
            ]
        )
    return _markdown([*keys, "fixed", "best (as published)", "held-out choice"], body)


def _first_readout(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["readout"] == rows["readout"].iloc[0]] if len(rows) else rows


def _names(row: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    return [rule_style(str(row[k])).label if k == "rule" else str(row[k]) for k in keys]


def _markdown(names: Sequence[str], body: Iterable[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return head + ["| " + " | ".join(row) + " |" for row in body]
