"""Readings: which numbers of the results table are called a rule's alignment and its change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, final

import pandas as pd

from neurosim.experiments.results.table import selection

_CELL = ["rule", "seed", "roi"]


class AbstractZeroPoint(ABC):
    """What a change is counted from; ``says``: in words."""

    says: ClassVar[str]

    @abstractmethod
    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a ``selection`` that hold the zero point."""


@final
@dataclass(frozen=True)
class StatisticsOnly(AbstractZeroPoint):
    """The same passes at learning rate 0: the change is what learning did."""

    says = "the same passes at learning rate 0"

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[table["statistics_only"] & (table["epoch"] == table["epoch"].max())]


@final
@dataclass(frozen=True)
class AsInitialised(AbstractZeroPoint):
    """Epoch 0, where batch norm has seen no batch and is the identity: the change is what learning
    and normalisation did together (Leutenegger 2026, arXiv 2605.30556)."""

    says = "the network as initialised, what normalisation does included"

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[(table["epoch"] == 0) & ~table["statistics_only"]]


class AbstractLayerChoice(ABC):
    """Which layer speaks for a network; ``says``: in words."""

    @property
    @abstractmethod
    def says(self) -> str:
        """In words."""

    @abstractmethod
    def choose(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One row a rule, seed and ROI."""


@final
@dataclass(frozen=True)
class OneLayer(AbstractLayerChoice):
    """The same layer at every epoch.

    layer: its name; None: the last one scored.
    """

    layer: str | None = None

    @property
    def says(self) -> str:
        return f"{self.layer or 'the last layer'} at every epoch"

    def choose(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows[rows["layer"] == (self.layer or rows["layer"].unique()[-1])]


@final
@dataclass(frozen=True)
class BestLayer(AbstractLayerChoice):
    """The layer with the highest score, chosen anew for each seed, ROI and epoch on the very
    stimuli that score it: optimistic, and two ends of a trajectory may be two layers."""

    says = "the best layer, chosen anew at each epoch"

    def choose(self, rows: pd.DataFrame) -> pd.DataFrame:
        scored = rows.dropna(subset=["rho"])
        return scored.loc[scored.groupby(_CELL)["rho"].idxmax()]


@dataclass(frozen=True)
class Reading:
    """A zero point and a layer choice, under the running statistics."""

    zero: AbstractZeroPoint = field(default_factory=StatisticsOnly)
    layer: AbstractLayerChoice = field(default_factory=OneLayer)

    def read(
        self,
        table: pd.DataFrame,
        *,
        px: int,
        readout: str = "gap",
        convention: str = "subject_mean",
    ) -> pd.DataFrame:
        """One row a rule, seed and ROI: ``start``, ``final``, ``change = final - start``, and the
        layers that the two ends are read from (``start_layer``, ``final_layer``).

        Args:
            table: as ``results.csv`` holds it; references are left out.
        """
        rows = selection(table, px=px, readout=readout, convention=convention)
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
