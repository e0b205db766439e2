"""Readings: which numbers of the results table are called a rule's alignment and its change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from neurosim.experiments.results.table import selection

_CELL = ["rule", "seed", "roi"]


@dataclass(frozen=True)
class ZeroPoint:
    """What a change is counted from.

    says: in words. rows: the rows of a ``selection`` that hold it.
    """

    says: str
    rows: Callable[[pd.DataFrame], pd.DataFrame]


#: The change is what learning did.
STATISTICS_ONLY = ZeroPoint(
    "the same passes at learning rate 0",
    lambda table: table[table["statistics_only"] & (table["epoch"] == table["epoch"].max())],
)
#: At epoch 0 batch norm has seen no batch and is the identity: the change is what learning and
#: normalisation did together (Leutenegger 2026, arXiv 2605.30556).
AS_INITIALISED = ZeroPoint(
    "the network as initialised, what normalisation does included",
    lambda table: table[(table["epoch"] == 0) & ~table["statistics_only"]],
)


@dataclass(frozen=True)
class LayerChoice:
    """Which layer speaks for a network.

    layer: the same one at every epoch; ``""``: the last one scored. best: the one with the highest
    score, chosen anew for each seed, ROI and epoch on the very stimuli that score it: optimistic,
    and two ends of a trajectory may be two layers.
    """

    layer: str = ""
    best: bool = False

    @property
    def says(self) -> str:
        """In words."""
        if self.best:
            return "the best layer, chosen anew at each epoch"
        return f"{self.layer or 'the last layer'} at every epoch"

    def choose(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One row a rule, seed and ROI."""
        if self.best:
            scored = rows.dropna(subset=["rho"])
            return scored.loc[scored.groupby(_CELL)["rho"].idxmax()]
        return rows[rows["layer"] == (self.layer or rows["layer"].unique()[-1])]


@dataclass(frozen=True)
class Reading:
    """A zero point and a layer choice, under the running statistics."""

    zero: ZeroPoint = STATISTICS_ONLY
    layer: LayerChoice = LayerChoice()

    def read(self, table: pd.DataFrame, *, px: int) -> pd.DataFrame:
        """One row a rule, seed and ROI: ``start``, ``final``, ``change = final - start``, and the
        layers that the two ends are read from (``start_layer``, ``final_layer``).

        Args:
            table: as ``results.csv`` holds it; references are left out.
        """
        rows = selection(table, px=px)
        rows = rows[rows["epoch"].notna()]
        last = rows[(rows["epoch"] == rows["epoch"].max()) & ~rows["statistics_only"]]
        ends = [
            self.layer.choose(end)
            .set_index(_CELL)[["rho", "layer"]]
            .rename(columns={"rho": name, "layer": f"{name}_layer"})
            for name, end in (("start", self.zero.rows(rows)), ("final", last))
        ]
        both = ends[1].join(ends[0], validate="1:1").reset_index()
        return both.assign(change=both["final"] - both["start"])[
            [*_CELL, "start", "final", "change", "start_layer", "final_layer"]
        ]
