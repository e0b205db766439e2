"""The report's table of published numbers: of runs on THINGS alone."""

from __future__ import annotations

from typing import Any

import pandas as pd

from neurosim.experiments.figures.style import rule_style
from neurosim.experiments.report.tables import Column, Field, Table
from neurosim.experiments.results.choice import REFERENCE, Headline
from neurosim.experiments.results.published_things import VALID, beside, is_things
from neurosim.experiments.results.words import number, signed

_WORDS = ("source", "quantity", "rule", "region", "layer", "normalisation", "convention", "status")


def published_tables(headline: Headline, stimuli: str) -> list[Table]:
    """One table for runs on THINGS, none for others."""
    if not is_things(stimuli):
        return []
    rows = beside(headline.table, readout=headline.readout)
    # Of trajectories and sweeps that this run has not, the figure says more; the file holds all.
    told = rows["series"].isin(["first paper", "normalisation"]) & (rows["quantity"] == "change")
    rows = rows[rows["ours"].notna() | told | (rows["series"] == "first paper")]
    lines = [_line(row) for row in rows.to_dict("records")]
    # The two scores stand left of what is long: a table wider than the page scrolls.
    names = ["quantity", "rule", "region", "layer", "px", "epoch", "published", "this run",
             "status", "normalisation", "convention", "source"]  # fmt: skip
    other = "" if stimuli == "things" else f" This run is of {stimuli}, other photographs."
    return [
        Table(
            "Published numbers for THINGS",
            [Column(name, name in _WORDS) for name in names],
            lines,
            "Leutenegger 2026: 720 first exemplars, three subjects, five seeds. Change: trained "
            "minus untrained; its normalisation is that of the untrained network, the trained "
            "one has running statistics. A dash: this run has no score at these axes. Rules of "
            f"the profile reference differ from the published ones.{other} All numbers with "
            "intervals and notes: published.csv.",
        )
    ]


def _line(row: dict[str, Any]) -> list[Field]:
    rule, shown = str(row["rule"]), signed if row["quantity"] == "change" else number
    known = not rule.startswith(REFERENCE)
    content = "" if row["content"] == "native" else f", {row['content']}"
    pairs = f", {row['pairs']} pairs" if row["pairs"] else ""
    px = int(row["px"])
    epoch = row["epoch"]
    return [
        Field.name(f"{row['quantity']}{content}"),
        Field.name(rule_style(rule).label if known else rule.removeprefix(REFERENCE)),
        Field.name(str(row["roi"])),
        Field.name(str(row["layer"])),
        Field(str(px), px),
        Field("–") if pd.isna(epoch) else Field(str(int(epoch)), int(epoch)),
        Field.score(float(row["value"]), shown_as=shown),
        Field.score(float(row["ours"]), shown_as=shown),
        Field.name(str(row["status"]), mark=row["status"] != VALID),
        Field.name(str(row["normalisation"])),
        Field.name(f"{row['convention']}{pairs}"),
        Field.name(str(row["source"])),
    ]
