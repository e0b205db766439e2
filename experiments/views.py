"""A run as it goes, on a terminal or in a file: the same events, drawn or told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from neurosim.experiments.board import Board, CellState
from neurosim.experiments.events import Event

#: Redrawn so often a second at most.
_DRAWS_PER_S = 4


class View(Protocol):
    """Shows a board; told of each event after the board has taken it in."""

    def show(self, event: Event) -> None: ...


@contextmanager
def view_of(board: Board, stream: TextIO | None = None) -> Iterator[View]:
    """A live table where ``stream`` (stderr) is a terminal, else one line a checkpoint."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield Lines(board, stream)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream)
    with Live(console=console, refresh_per_second=_DRAWS_PER_S, transient=True) as live:
        # Rows are made when drawn: times go on while no event comes.
        live.get_renderable = lambda: _table(board)  # type: ignore[method-assign]

        def above(text: str) -> None:
            live.console.print(text, markup=False, highlight=False)

        yield Lines(board, stream, above)


class Lines:
    """One line for each checkpoint, end and mishap of a cell."""

    def __init__(self, board: Board, stream: TextIO, print_line=None) -> None:
        self._board, self._stream = board, stream
        self._print = print_line or self._write

    def show(self, event: Event) -> None:
        """Print what a reader of a log file wants to know of an event; mostly nothing."""
        if text := _line(self._board, event):
            self._print(text)

    def _write(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def _line(board: Board, event: Event) -> str:
    kind = event["event"]
    cell = board.cells.get((event.get("rule", ""), event.get("seed", -1)))
    if cell is None:
        return ""
    if kind == "checkpoint":
        test = event.get("test_accuracy")
        last = "" if test is None else f", test accuracy {test:.3f}"
        return f"  {cell.name}: epoch {event['epoch']}/{cell.n_epochs}{_numbers(cell)}{last}"
    if kind == "finished":
        how = "finished before" if event.get("before") else "done"
        left = board.seconds_left()
        rest = f", {duration(left)} left" if left else ""
        return (
            f"  {len(board.in_state('finished'))}/{len(board.cells)} cells: {cell.name} {how}{rest}"
        )
    if kind == "failed":
        return f"  {cell.name} failed: {event['error']}"
    if kind == "lost":
        return (
            f"  {cell.name}: its worker was lost ({event['why']}); it goes on from its last epoch"
        )
    if kind == "waiting":
        return f"  {cell.name}: waiting, another process has it"
    if kind in ("damaged", "not-deterministic"):
        return f"  {cell.name}: {event['message']}"
    return ""


def _numbers(cell: CellState) -> str:
    named = (("loss", cell.loss), ("accuracy", cell.accuracy), ("displacement", cell.displacement))
    return "".join(f", {name} {value:.3f}" for name, value in named if value is not None)


def duration(seconds: float) -> str:
    """``3:07`` or ``2:03:07``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _table(board: Board):
    """The running cells, and a bar over all."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("cell", "epoch", "", "loss", "accuracy", "moved", "phase", "left"):
        table.add_column(name, justify="left" if name in ("cell", "", "phase") else "right")
    for cell in board.in_state("running"):
        left = board.seconds_left_of(cell)
        table.add_row(
            cell.name,
            f"{cell.epoch:.1f}/{cell.n_epochs}",
            ProgressBar(total=cell.n_epochs, completed=cell.epoch, width=16),
            *(
                "" if v is None else f"{v:.3f}"
                for v in (cell.loss, cell.accuracy, cell.displacement)
            ),
            cell.phase.replace("_", " "),
            "" if left is None else duration(left),
        )
    left = board.seconds_left()
    counts = ", ".join(
        f"{len(found)} {state}"
        for state in ("finished", "running", "waiting", "failed")
        if (found := board.in_state(state))
    )
    share = board.share_done()
    line = Table.grid(padding=(0, 1))
    line.add_row(
        ProgressBar(total=1.0, completed=share, width=30),
        Text(f"{share:4.0%}  {counts}" + (f"  {duration(left)} left" if left else "")),
    )
    return Group(table, line)
