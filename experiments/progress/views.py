"""A run as it goes, on a terminal or in a file: the same events, drawn or told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from neurosim.experiments.job.events import Event
from neurosim.experiments.progress.board import Board, JobState
from neurosim.experiments.progress.live_table import duration, live_table
from neurosim.experiments.results.words import number

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
        # Rows are made when drawn: times go on while no event comes, and a window changes its size.
        live.get_renderable = lambda: live_table(  # type: ignore[method-assign]
            board, console.width, console.height
        )

        def above(text: str) -> None:
            live.console.print(text, markup=False, highlight=False)

        yield Lines(board, stream, above)


class Lines:
    """One line for each checkpoint, end and mishap of a job.

    above: prints a line above a table, which shows the checkpoints; None: lines stand alone.
    """

    def __init__(
        self, board: Board, stream: TextIO, above: Callable[[str], None] | None = None
    ) -> None:
        self._board, self._stream = board, stream
        self._print = above or self._write
        self._alone = above is None

    def show(self, event: Event) -> None:
        """Print what a reader of a log file wants to know of an event; mostly nothing."""
        if event["event"] == "checkpoint" and not self._alone:
            return
        if text := _line(self._board, event):
            self._print(text)

    def _write(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def _line(board: Board, event: Event) -> str:
    kind = event["event"]
    if kind == "end" and event["status"] == "finished":
        return "  all jobs are finished; their results are put together now"
    job = board.jobs.get((event.get("rule", ""), event.get("seed", -1)))
    if job is None:
        return ""
    if kind == "checkpoint":
        test = event.get("test_accuracy")
        last = "" if test is None else f", test accuracy {number(test)}"
        return f"  {job.name}: epoch {event['epoch']}/{job.n_epochs}{_numbers(job)}{last}"
    if kind == "finished":
        how = "finished before" if event.get("before") else "done"
        if job.test_accuracy is not None:
            how += f", test accuracy {number(job.test_accuracy)}"
        left = board.seconds_left()
        rest = f", {duration(left)} left" if left else ""
        return f"  {len(board.in_state('finished'))}/{len(board.jobs)} jobs: {job.name} {how}{rest}"
    if kind == "failed":
        return f"  {job.name} failed: {event['error']}"
    if kind == "lost":
        return f"  {job.name}: its worker was lost ({event['why']}); it goes on from its last epoch"
    if kind == "waiting":
        return f"  {job.name}: waiting, another process has it"
    if kind in ("damaged", "not-deterministic"):
        return f"  {job.name}: {event['message']}"
    return ""


def _numbers(job: JobState) -> str:
    named = (("loss", job.loss), ("accuracy", job.accuracy), ("displacement", job.displacement))
    return "".join(f", {name} {number(value)}" for name, value in named if value is not None)
