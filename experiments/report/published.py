"""The report's table of published numbers: of runs on THINGS alone."""

from __future__ import annotations

from typing import Any

import pandas as pd

from neurosim.experiments.figures.style import rule_style
from neurosim.experiments.report.tables import Column, Table, whole
from neurosim.experiments.results.choice import REFERENCE, Headline
from neurosim.experiments.results.published_things import VALID, beside, is_things
from neurosim.experiments.results.words import number, signed

#: The two scores stand left of what is long: a table wider than the page scrolls.
_COLUMNS = (
    Column("quantity"), Column("rule"), Column("region"), Column("layer"), Column("px", whole),
    Column("epoch", whole), Column("published", number), Column("this run", number),
    Column("status", marked=lambda text: text != VALID), Column("normalisation"),
    Column("convention"), Column("source"),
)  # fmt: skip


def published_tables(headline: Headline, stimuli: str) -> list[Table]:
    """One table for runs on THINGS, none for others."""
    if not is_things(stimuli):
        return []
    rows = beside(headline.table, readout=headline.readout)
    # Of trajectories and sweeps that this run has not, the figure says more; the file holds all.
    told = rows["series"].isin(["first paper", "normalisation"]) & (rows["quantity"] == "change")
    rows = rows[rows["ours"].notna() | told | (rows["series"] == "first paper")]
    other = "" if stimuli == "things" else f" This run is of {stimuli}, other photographs."
    return [
        Table.of(
            "Published numbers for THINGS",
            _COLUMNS,
            [_line(row) for row in rows.to_dict("records")],
            "Leutenegger 2026: 720 first exemplars, three subjects, five seeds. Change: trained "
            "minus untrained; its normalisation is that of the untrained network, the trained "
            "one has running statistics. A dash: this run has no score at these axes. Rules of "
            f"the profile reference differ from the published ones.{other} All numbers with "
            "intervals and notes: published.csv.",
        )
    ]


def _line(row: dict[str, Any]) -> list[Any]:
    rule = str(row["rule"])
    known = not rule.startswith(REFERENCE)
    content = "" if row["content"] == "native" else f", {row['content']}"
    pairs = f", {row['pairs']} pairs" if row["pairs"] else ""
    score = Column("", signed if row["quantity"] == "change" else number)
    return [
        f"{row['quantity']}{content}",
        rule_style(rule).label if known else rule.removeprefix(REFERENCE),
        row["roi"], row["layer"], row["px"],
        float("nan") if pd.isna(row["epoch"]) else row["epoch"],
        score.field(row["value"]), score.field(row["ours"]), row["status"], row["normalisation"],
        f"{row['convention']}{pairs}", row["source"],
    ]  # fmt: skip
