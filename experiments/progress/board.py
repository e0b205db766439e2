"""Where every cell of a run is, and how long the rest will take: built from its events alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from neurosim.experiments.job.events import Event

#: What a cell costs per epoch, relative to others, until its own time is known.
RELATIVE_COST = {
    "untrained": 0.8, "frozen-conv": 1.0, "bp": 1.6, "fa": 1.6, "dfa": 1.6, "sign-symmetric": 1.6,
    "kolen-pollack": 1.8, "pc-supervised": 6.0, "pc": 9.0, "stdp": 5.0, "frozen-stdp": 3.0,
}  # fmt: skip


@dataclass
class CellState:
    """What is known of one cell.

    state: waiting, running, finished or failed. accuracy: in training, this epoch; test_accuracy:
    at the last checkpoint. displacement: of the conv layer that moved least. begun, begun_at: when,
    and from which epoch, it went on in this start.
    """

    rule: str
    seed: int
    n_epochs: int
    state: str = "waiting"
    phase: str = ""
    epoch: float = 0.0
    loss: float | None = None
    accuracy: float | None = None
    test_accuracy: float | None = None
    displacement: float | None = None
    error: str = ""
    begun: float | None = None
    begun_at: float | None = None
    seconds_per_epoch: float | None = None

    @property
    def name(self) -> str:
        """The cell as shown."""
        return f"{self.rule} seed {self.seed}"

    @property
    def left(self) -> float:
        """Epochs still to do."""
        return 0.0 if self.state in ("finished", "failed") else self.n_epochs - self.epoch


@dataclass
class Board:
    """All cells of a run.

    Feed it the events in order; ``seconds_left`` needs the clock of the events' ``time``.
    """

    cells: dict[tuple[str, int], CellState] = field(default_factory=dict)
    n_workers: int = 1
    notes: list[str] = field(default_factory=list)
    ended: str = ""
    clock: Callable[[], float] = time.time

    def feed(self, event: Event) -> None:
        """Take in one event; ``start`` begins anew, an unknown kind changes nothing."""
        kind = event["event"]
        if kind == "start":
            self.cells = {
                (rule, seed): CellState(rule, seed, event["n_epochs"])
                for rule, seed in event["cells"]
            }
            self.n_workers, self.notes, self.ended = event["n_workers"], [], ""
            return
        if kind == "end":
            self.ended = event["status"]
            return
        cell = self.cells.get((event.get("rule", ""), event.get("seed", -1)))
        if cell is not None:
            self._feed_cell(cell, kind, event)

    def _feed_cell(self, cell: CellState, kind: str, event: Event) -> None:
        now = event.get("time", self.clock())
        if kind == "begun":
            cell.state, cell.phase, cell.begun, cell.begun_at = "running", "", now, None
        elif kind in ("progress", "epoch", "checkpoint"):
            _take(cell, event)
            cell.phase = event.get("phase", kind)
            if cell.begun_at is None:
                cell.begun, cell.begun_at = now, cell.epoch
            elif cell.begun is not None and cell.epoch > cell.begun_at:
                cell.seconds_per_epoch = (now - cell.begun) / (cell.epoch - cell.begun_at)
        elif kind == "waiting":
            cell.phase = "another process has it"
        elif kind == "finished":
            cell.state, cell.epoch = "finished", float(cell.n_epochs)
        elif kind == "failed":
            cell.state, cell.error = "failed", event["error"]
        elif kind == "lost":
            cell.state, cell.phase = "waiting", f"worker lost ({event['why']})"
            self.notes.append(f"{cell.name}: its worker was lost ({event['why']})")
        elif kind in ("damaged", "not-deterministic"):
            self.notes.append(event["message"])

    def in_state(self, state: str) -> list[CellState]:
        """The cells in one state."""
        return [cell for cell in self.cells.values() if cell.state == state]

    def share_done(self) -> float:
        """Share of the work that is done, cells weighed by what an epoch of them costs."""
        total = sum(_cost(cell) * cell.n_epochs for cell in self.cells.values())
        left = sum(_cost(cell) * cell.left for cell in self.cells.values())
        return 1 - left / total if total else 1.0

    def seconds_left_of(self, cell: CellState) -> float | None:
        """Time until a cell is done; None while nothing like it was timed."""
        rate = cell.seconds_per_epoch or self._rate_of(cell.rule)
        return None if rate is None else rate * cell.left

    def seconds_left(self) -> float | None:
        """Time until the run is done: the rest shared by the workers, or its longest cell."""
        times = [self.seconds_left_of(cell) for cell in self.cells.values() if cell.left]
        known = [seconds for seconds in times if seconds is not None]
        if len(known) < len(times) or not times:
            return 0.0 if not times else None
        return max(sum(known) / max(1, min(self.n_workers, len(times))), max(known))

    def _rate_of(self, rule: str) -> float | None:
        """Seconds an epoch: as another seed of the rule took, else as other rules cost."""
        timed = [cell for cell in self.cells.values() if cell.seconds_per_epoch is not None]
        alike = [cell for cell in timed if cell.rule == rule] or timed
        if not alike:
            return None
        scaled = [
            (cell.seconds_per_epoch or 0.0) * RELATIVE_COST.get(rule.split()[0], 2.0) / _cost(cell)
            for cell in alike
        ]
        return sum(scaled) / len(scaled)


def _cost(cell: CellState) -> float:
    return RELATIVE_COST.get(cell.rule.split()[0], 2.0)


def _take(cell: CellState, event: Event) -> None:
    values: dict[str, Any] = {
        name: event[name]
        for name in ("epoch", "loss", "accuracy", "displacement", "test_accuracy")
        if event.get(name) is not None
    }
    for name, value in values.items():
        setattr(cell, name, float(value))
