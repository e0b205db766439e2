"""A run folder as the report reads it, finished or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neurosim.experiments.run.record import RunRecord
from neurosim.experiments.settings.config import Comparison
from neurosim.storage import DamagedFileError, read_tree


@dataclass(frozen=True)
class CellState:
    """How far one cell is.

    epoch: its last checkpoint; None where nothing can be read.
    note: why nothing can be read; empty else.
    """

    rule: str
    seed: int
    path: Path
    epoch: int | None
    finished: bool
    note: str = ""

    @classmethod
    def read(cls, rule: str, seed: int, path: Path) -> CellState:
        """Look at a cell's file."""
        if not path.is_file():
            return cls(rule, seed, path, None, False, "not begun")
        try:
            tree = read_tree(path, only=("epoch", "finished"))
            return cls(rule, seed, path, int(tree["epoch"]), bool(tree["finished"]))
        except (DamagedFileError, KeyError) as error:
            return cls(rule, seed, path, None, False, f"cannot be read: {error}")

    @property
    def in_words(self) -> str:
        """Its state for the table of cells."""
        if self.epoch is None:
            return self.note
        return "finished" if self.finished else f"in flight, after epoch {self.epoch}"


@dataclass(frozen=True)
class ReportedRun:
    """Settings, record and cells of a run folder.

    settings: with every rule and seed that was ever asked for.
    record: ``run.json`` as it stands.
    """

    path: Path
    settings: Comparison
    record: Mapping[str, Any]
    cells: Sequence[CellState]

    @classmethod
    def read(cls, path: Path) -> ReportedRun:
        """Read ``run.json`` and look at every cell.

        Raises:
            FileNotFoundError: no run there.
            ValueError: ``run.json`` is not what a run writes, or
                no cell has reached a checkpoint.
        """
        record = RunRecord.read(path)
        cells = [CellState.read(rule, seed, file) for (rule, seed), file in record.cells().items()]
        if all(cell.epoch is None for cell in cells):
            raise ValueError(
                f"no cell of {path} has reached a checkpoint: a report needs one; wait, or run "
                "the comparison"
            )
        return cls(record.path, record.settings, record.content, cells)

    @cached_property
    def readable(self) -> list[CellState]:
        """The cells with a checkpoint."""
        return [cell for cell in self.cells if cell.epoch is not None]

    @property
    def n_finished(self) -> int:
        """Cells with their last checkpoint."""
        return sum(cell.finished for cell in self.cells)

    @property
    def is_partial(self) -> bool:
        """Whether any cell asked for is not finished."""
        return self.n_finished < len(self.cells)

    def tables(self) -> list[pd.DataFrame]:
        """The result tables of all readable cells."""
        from neurosim.experiments.job.job import read_table

        return [read_table(cell.path) for cell in self.readable]

    def weights(self, cell: CellState, epoch: int) -> dict[str, Any]:
        """Every tensor of a cell after a checkpoint, as arrays."""
        return read_tree(cell.path, only=("weights",))["weights"][f"epoch_{epoch}"]

    def furthest(self, rule: str) -> CellState | None:
        """The cell of a rule that is shown where one has to stand for all: the furthest, and of
        those the first seed."""
        of_rule = [cell for cell in self.readable if cell.rule == rule]
        return max(of_rule, key=lambda cell: cell.epoch or 0, default=None)
