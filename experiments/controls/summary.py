"""What a control command found, small enough to keep beside the code: means over seeds, rounded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurosim.arrays.storage import whole_or_nothing, write_text
from neurosim.experiments.controls.page import page
from neurosim.experiments.results.choice import last_layer
from neurosim.experiments.results.table import write_csv
from neurosim.experiments.run.stored import WEIGHTS

#: Digits after the point: rho is not reproducible to better over stimuli.
DIGITS = 4
#: What was asked for, beside the tables of a control command.
ASKED = "asked.json"
_WEIGHTS = {weights.replace("-", "_"): weights for weights in WEIGHTS}
_LOOK = ["px", "content", "normalisation", "readout", "layer", "roi"]
_STATE = ["rule", "weights", "epoch"]
_GIVEN = ["rho_given_luminance", "rho_given_pixels", "rho_given_gabor", "rho_given_all"]


@dataclass(frozen=True)
class Found:
    """The tables of one control command, and what it was asked.

    scores: ``subject_mean`` rows alone. decomposition, choice: None where the command was run
    without resamples or splits. asked: empty where nothing was noted.
    """

    name: str
    folder: Path
    scores: pd.DataFrame
    decomposition: pd.DataFrame | None
    choice: pd.DataFrame | None
    asked: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Found:
        """Read a folder that a control command wrote.

        Raises:
            FileNotFoundError: it holds no scores.csv.
            ValueError: a table is not what one of
                the commands writes.
        """
        file = folder / "scores.csv"
        if not file.is_file():
            raise FileNotFoundError(
                f"{folder} holds no scores.csv: give a folder that normalisation_cross.py or "
                "resolution_sweep.py wrote (by default RUN/controls/normalisation_cross)"
            )
        scores = _table(file, [*_STATE, *_LOOK, "seed", "convention", "rho"])
        asked = folder / ASKED
        try:
            noted = json.loads(asked.read_text("utf-8")) if asked.is_file() else {}
        except ValueError as error:
            raise ValueError(f"{asked} is no JSON ({error}): run the command again") from error
        parts, choice = folder / "decomposition.csv", folder / "layer_choice.csv"
        return cls(
            name=noted.get("command", folder.resolve().name),
            folder=folder,
            scores=scores[scores["convention"] == "subject_mean"],
            decomposition=_table(parts, ["rule", *_LOOK, "change"]) if parts.is_file() else None,
            choice=_table(choice, [*_STATE, "fixed_rho"]) if choice.is_file() else None,
            asked=noted,
        )


def score_summary(found: Found) -> pd.DataFrame:
    """Means over seeds of every state of the weights; reference models follow.

    ``rho_lower``, ``rho_upper``: 95 % interval over seeds and stimuli, of the last checkpoint;
    empty where none was computed. ``not_trained_seeds``: in how many seeds this layer counts as
    not trained.
    """
    rows = found.scores.assign(weights=found.scores["weights"].fillna(""))
    of_rules = ~rows["rule"].str.startswith("reference:")
    grouped = rows.assign(epoch=rows["epoch"].fillna(-1)).groupby(
        [*_STATE, *_LOOK], sort=False, dropna=False
    )
    table = grouped.agg(
        n_seeds=("seed", "nunique"),
        rho=("rho", "mean"),
        sd=("rho", "std"),
        **{name: (name, "mean") for name in _GIVEN if name in rows},
        noise_lower=("noise_lower", "first"),
        noise_upper=("noise_upper", "first"),
        not_trained_seeds=("trained", lambda seeds: int((seeds == "not trained").sum())),
    ).reset_index()
    if of_rules.any() and found.decomposition is not None:
        table = table.merge(_intervals(found), on=[*_STATE, *_LOOK], how="left", validate="1:1")
    else:
        table["rho_lower"] = table["rho_upper"] = pd.NA
    table["epoch"] = table["epoch"].replace(-1, pd.NA).astype("Int64")
    for bound in ("rho_lower", "rho_upper"):
        table.insert(table.columns.get_loc("sd"), bound, table.pop(bound))
    return rounded(table)


def _intervals(found: Found) -> pd.DataFrame:
    """The bounds of each level, one row a state and look."""
    assert found.decomposition is not None
    last = found.scores["epoch"].max()
    parts = []
    for column, weights in _WEIGHTS.items():
        part = found.decomposition[["rule", *_LOOK]].copy()
        for bound in ("lower", "upper"):
            name = f"{column}_{bound}"
            known = name in found.decomposition
            part[f"rho_{bound}"] = found.decomposition[name] if known else float("nan")
        part["weights"] = weights
        part["epoch"] = 0 if weights == "initialised" else last
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def choice_summary(found: Found) -> pd.DataFrame | None:
    """Means over seeds of the three ways to choose a layer; ``best_layer``: of most seeds."""
    if found.choice is None:
        return None
    keys = [*_STATE, "px", "content", "normalisation", "roi"]
    table = found.choice.groupby(keys, sort=False, dropna=False).agg(
        n_seeds=("seed", "nunique"),
        fixed_layer=("fixed_layer", "first"),
        fixed_rho=("fixed_rho", "mean"),
        best_rho=("best_rho", "mean"),
        held_out_rho=("held_out_rho", "mean"),
        best_layer=("best_layer", lambda names: str(names.value_counts().index[0])),
        n_best_layers=("best_layer", "nunique"),
    )
    return rounded(table.reset_index())


def rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Every number to ``DIGITS``; no negative zero."""
    return table.round(DIGITS).map(lambda v: v + 0.0 if isinstance(v, float) else v)


def summarise(found: Found, out: Path, layer: str | None, px: int | None) -> list[Path]:
    """Write the summary of one folder; returns the files.

    Raises:
        ValueError: the folder's scores hold no such layer or px.
    """
    if layer is None:
        layer = str(found.asked.get("layer") or last_layer(found.scores))
    _check("layer", layer, found.scores["layer"].unique())
    sizes = sorted(found.scores["px"].dropna().astype(int).unique().tolist())
    px = sizes[-1] if px is None else px
    _check("px", px, sizes)
    parts = None if found.decomposition is None else rounded(found.decomposition)
    tables = {
        "scores": score_summary(found),
        "decomposition": parts,
        "layer_choice": choice_summary(found),
    }
    names = [picture.stem for picture in pictures(found.folder)]
    text = page(found.name, tables, found.asked, layer=layer, px=px, pictures=names)
    written = []
    for name, table in tables.items():
        if table is not None:
            written.append(out / f"{found.name}_{name}.csv")
            # The levels stand in the scores.
            levels = [f"{name}_{bound}" for name in _WEIGHTS for bound in ("lower", "upper")]
            write_csv(written[-1], table.drop(columns=levels, errors="ignore"))
    written.append(out / f"{found.name}.md")
    write_text(written[-1], text)
    for picture in pictures(found.folder):
        written.append(out / picture.name)
        with whole_or_nothing(written[-1]) as temporary:
            shutil.copyfile(picture, temporary)
    return written


def pictures(folder: Path) -> list[Path]:
    """The figures of a folder as PNG, by name."""
    return sorted(folder.glob("*.png"))


def _check(what: str, given: Any, known: Any) -> None:
    if given not in list(known):
        there = ", ".join(str(each) for each in known if isinstance(each, (int, str)))
        raise ValueError(f"no scores of {what} {given}: there are those of {there}")


def _table(file: Path, needed: Sequence[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(file, keep_default_na=False, na_values=[""])
    except ValueError as error:
        raise ValueError(f"{file} is no table ({error}): run the command again") from error
    missing = [name for name in needed if name not in table]
    if missing:
        raise ValueError(
            f"{file} has no column {', '.join(missing)}: give a folder that "
            "normalisation_cross.py or resolution_sweep.py wrote"
        )
    return table
