"""A board as a table that fits the terminal: one line a running job, one line over all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurosim.experiments.progress.board import Board, JobState
from neurosim.experiments.results.words import number

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Between columns.
_GAP = 1
_BAR = 12
_NAME = "rule, seed"
#: Phases with a longer name in the log.
_PHASES = {"statistics_only": "statistics"}


def duration(seconds: float) -> str:
    """``3:07`` or ``2:03:07``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _number(value: float | None, shown: Callable[[float], str] = number) -> str:
    return "" if value is None else shown(value)


def _left(board: Board, job: JobState) -> str:
    left = board.seconds_left_of(job)
    return "" if left is None else duration(left)


@dataclass(frozen=True)
class _Column:
    """One column; its width is kept free whatever it holds, so that nothing jumps."""

    name: str
    width: int
    text: Callable[[Board, JobState], str]
    is_word: bool = False


_BAR_COLUMN = _Column("", _BAR, lambda board, job: "", is_word=True)
#: After the job's name.
_COLUMNS = (
    _Column("epoch", 8, lambda _, job: f"{job.epoch:.1f}/{job.n_epochs}"),
    _BAR_COLUMN,
    _Column("loss", 6, lambda _, job: _number(job.loss)),
    _Column("accuracy", 8, lambda _, job: _number(job.accuracy)),
    _Column("test", 6, lambda _, job: _number(job.test_accuracy)),
    _Column("moved", 7, lambda _, job: _number(job.displacement, "{:.1%}".format)),
    _Column("phase", 10, lambda _, job: _PHASES.get(job.phase, job.phase), is_word=True),
    _Column("left", 8, _left),
)
#: What is left out, one after the other, where the terminal is too narrow.
_DROPPED = ("", "phase", "test", "loss", "moved", "accuracy", "epoch")


def columns_for(width: int, name_width: int) -> list[_Column]:
    """The columns that fit beside a name; the time left always stays."""
    shown = list(_COLUMNS)
    for name in _DROPPED:
        if name_width + sum(column.width + _GAP for column in shown) <= width:
            break
        shown = [column for column in shown if column.name != name]
    return shown


def live_table(board: Board, width: int, height: int) -> RenderableType:
    """The running jobs, as many as fit, and a line over all."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    running = board.in_state("running")
    if not running:
        return _summary(board, width)
    # "bp 42": every letter counts.
    names = {id(job): f"{job.rule} {job.seed}" for job in board.jobs.values()}
    longest = max(map(len, (_NAME, *names.values())))
    columns = columns_for(width, longest)
    room = width - sum(column.width + _GAP for column in columns)
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(_NAME, width=max(1, min(longest, room)), no_wrap=True)
    for column in columns:
        table.add_column(
            column.name, width=column.width, no_wrap=True,
            justify="left" if column.is_word else "right",
        )  # fmt: skip
    # The heading, the line over all, and a line for what is left out.
    n_shown = len(running) if len(running) <= height - 3 else max(1, height - 4)
    for job in running[:n_shown]:
        bar = ProgressBar(total=job.n_epochs, completed=job.epoch, width=_BAR)
        table.add_row(
            names[id(job)], *(bar if c is _BAR_COLUMN else c.text(board, job) for c in columns)
        )
    more = len(running) - n_shown
    return Group(table, *([f"and {more} more"] if more else []), _summary(board, width))


def _summary(board: Board, width: int) -> RenderableType:
    """A bar over all, how many jobs are done, and the time left."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    share, left = board.share_done(), board.seconds_left()
    counts = [f"{len(board.in_state('finished'))} of {len(board.jobs)} jobs done"]
    counts += [
        f"{len(found)} {state}"
        for state in ("running", "failed")
        if (found := board.in_state(state))
    ]
    rest = f"{duration(left)} left  " if left else ""
    text = Text(f"{share:4.0%}  {rest}{', '.join(counts)}", no_wrap=True, overflow="ellipsis")
    if board.in_state("failed"):
        text.highlight_words([counts[-1]], "bold red")
    room = width - text.cell_len - 1
    line = Table.grid(padding=(0, 1, 0, 0))
    if room < _BAR:
        line.add_row(text)
    else:
        line.add_row(ProgressBar(total=1.0, completed=share, width=min(room, 30)), text)
    return line
