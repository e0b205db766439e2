"""A run on a terminal: what the table holds at every width, and what another terminal sees."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

from neurosim.experiments.job.events import Log
from neurosim.experiments.progress.board import Board
from neurosim.experiments.progress.live_table import live_table
from neurosim.experiments.progress.views import view_of
from neurosim.experiments.progress.watch import watch
from neurosim.experiments.run.folder import RunFolder

CELLS = [("pc-supervised", 123), ("bp", 123), ("bp", 42), ("untrained", 42)]
START = {"event": "start", "cells": CELLS, "n_epochs": 4, "n_workers": 2,
         "costs": {"pc-supervised": 6.0, "bp": 1.6, "untrained": 0.8}}  # fmt: skip


def _begun(rule: str, seed: int, at: float = 0.0) -> list[dict]:
    """A cell whose every epoch takes 100 s and that is at 1.5 of 4: 250 s are left of it."""
    cell = {"rule": rule, "seed": seed}
    learned = {"loss": 1.25, "accuracy": 0.5, "displacement": 0.034}
    return [
        {"event": "begun", "time": at, **cell},
        {"event": "checkpoint", "epoch": 0, "test_accuracy": 0.1, "time": at, **cell},
        {"event": "progress", "epoch": 1.5, "phase": "statistics_only", "time": at + 150, **cell,
         **learned},
    ]  # fmt: skip


def _finished(rule: str, seed: int, at: float) -> list[dict]:
    cell = {"rule": rule, "seed": seed}
    return [
        {"event": "checkpoint", "epoch": 4, "test_accuracy": 0.75, "time": at, **cell},
        {"event": "finished", "time": at, **cell},
    ]


def _board(*events: dict) -> Board:
    board = Board()
    for event in (START, *events):
        board.feed(event)
    return board


def _drawn(board: Board, width: int, height: int = 24) -> list[str]:
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None)
    console.print(live_table(board, width, height))
    return out.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize("width", [200, 120, 80, 60, 40, 30])
def test_every_width_has_a_line_a_cell_and_the_time_left(width: int) -> None:
    board = _board(*_begun("pc-supervised", 123), *_begun("bp", 42))
    heading, first, second, over_all = _drawn(board, width)
    assert all(len(line) <= width for line in (heading, first, second, over_all))
    assert first.startswith("pc-supervised")
    assert heading.split()[-1] == "left"
    # 2.5 epochs at 100 s each; rules differ in cost, but both were timed.
    assert [line.split()[-1] for line in (first, second)] == ["4:10", "4:10"]
    # 250 + 250 + 400 s, and 4 epochs of untrained at the mean of 100 s x .8 / 6 and x .8 / 1.6;
    # by two workers.
    assert over_all.split("left")[0].split()[-1] == "8:33"


def test_a_wide_terminal_shows_everything_that_is_known() -> None:
    heading, row, *_ = _drawn(_board(*_begun("pc-supervised", 123)), 120)
    names = ["rule,", "seed", "epoch", "loss", "accuracy", "test", "moved", "phase", "left"]
    assert heading.split() == names
    for shown in ("pc-supervised 123", "1.5/4", "1.250", "0.500", "0.100", "3.4%"):
        assert shown in row
    assert "statistics" in row


@pytest.mark.parametrize("width", [80, 40])
def test_nothing_jumps_while_a_cell_goes_through_its_phases(width: int) -> None:
    board, headings = _board(), []
    for event in _begun("bp", 42):
        board.feed(event)
        headings.append(_drawn(board, width)[0])
    assert len(set(headings)) == 1


def test_the_time_left_shares_the_rest_among_the_workers() -> None:
    """Two bp cells with 250 s and 400 s to go, two workers, the others done: the longer one."""
    others = [e for cell in (CELLS[0], CELLS[3]) for e in _finished(*cell, at=0)]
    board = _board(*others, *_begun("bp", 42))
    assert board.seconds_left() == pytest.approx(400)
    board.n_workers = 1
    assert board.seconds_left() == pytest.approx(650)


def test_a_low_terminal_says_how_many_cells_it_leaves_out() -> None:
    board = _board(*(e for cell in CELLS for e in _begun(*cell)))
    lines = _drawn(board, 80, height=6)
    assert len(lines) == 5
    assert lines[-2] == "and 2 more"


def test_failures_stand_in_the_line_over_all() -> None:
    board = _board(*_begun("bp", 42), {"event": "failed", "rule": "bp", "seed": 42, "error": "x"})
    (line,) = _drawn(board, 80)
    assert "1 failed" in line


def test_where_there_is_no_terminal_lines_are_plain() -> None:
    out = io.StringIO()
    board = Board()
    with view_of(board, out) as view:
        for event in (START, *_begun("bp", 42), *_finished("bp", 42, 400)):
            board.feed(event)
            view.show(event)
    assert "\x1b" not in out.getvalue()
    # The longest cell decides: an epoch of pc-supervised costs 6 / 1.6 of the 100 s of bp.
    assert out.getvalue().splitlines() == [
        "  bp seed 42: epoch 0/4, test accuracy 0.100",
        "  bp seed 42: epoch 4/4, loss 1.250, accuracy 0.500, displacement 0.034, "
        "test accuracy 0.750",
        "  1/4 jobs: bp seed 42 done, test accuracy 0.750, 25:00 left",
    ]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def _write(folder: RunFolder, *events: dict) -> None:
    log = Log(folder.log)
    for event in events:
        log.write(event)


def test_watching_tells_of_the_last_start_alone(folder: RunFolder) -> None:
    done = [e for cell in CELLS for e in (*_begun(*cell), *_finished(*cell, at=400))]
    _write(folder, START, *_begun("bp", 42), {"event": "end", "status": "interrupted"})
    _write(folder, START, *done, {"event": "end", "status": "finished"})
    out = io.StringIO()
    assert watch(folder.path, out) == 0
    assert out.getvalue().count("bp seed 42: epoch 0/4") == 1


def test_watching_a_run_that_was_killed_ends(folder: RunFolder) -> None:
    """No process holds the folder: nothing more will come."""
    _write(folder, START, *_begun("bp", 42))
    out = io.StringIO()
    assert watch(folder.path, out) == 1
    assert "run again to resume" in out.getvalue()


@contextmanager
def _terminal(
    columns: int, *command: str
) -> Iterator[tuple[Callable[[], list[str]], subprocess.Popen]]:
    """A command under a pseudo-terminal, and the screen as it is."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.set_blocking(ours, False)
    hidden = {"COLUMNS", "LINES", "NO_COLOR", "TERM"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment["TERM"] = "xterm-256color"
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True
    )
    os.close(theirs)
    screen = pyte.Screen(columns, 24)
    stream = pyte.ByteStream(screen)

    def shown() -> list[str]:
        try:
            while data := os.read(ours, 65536):
                stream.feed(data)
        except OSError:  # nothing now, or (when it has ended) no more
            pass
        return [line.rstrip() for line in screen.display if line.strip()]

    try:
        yield shown, process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _until(shown: Callable[[], list[str]], pattern: str, deadline_s: float = 60) -> list[str]:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        lines = shown()
        if any(re.search(pattern, line) for line in lines):
            return lines
        time.sleep(0.05)
    raise AssertionError(f"{pattern!r} was not shown: {lines}")


def test_another_terminal_follows_a_run_and_ends_with_it(folder: RunFolder) -> None:
    command = "from neurosim.experiments.training_dynamics import main; raise SystemExit(main())"
    with folder.held():
        _write(folder, START, *_begun("bp", 42))
        watched = (sys.executable, "-c", command, "--watch", str(folder.path))
        with _terminal(80, *watched) as (shown, process):
            lines = _until(shown, r"^bp 42 +1\.5/4 .* statistics +4:10$")
            assert re.match(r"rule, seed +epoch .* left$", lines[0])
            assert "0 of 4 jobs done, 1 running" in lines[-1]
            progress = {"event": "progress", "epoch": 2.5, "phase": "learning", "loss": 0.875}
            _write(folder, {**progress, "rule": "bp", "seed": 42, "time": 250})
            _until(shown, r"^bp 42 +2\.5/4 +0\.875 .* learning +2:30$")
            _write(folder, *_finished("bp", 42, 400))
            lines = _until(shown, r"1 of 4 jobs done")
            assert lines[0] == "  1/4 jobs: bp seed 42 done, test accuracy 0.750, 25:00 left"
            for rule, seed in CELLS:
                _write(folder, *_finished(rule, seed, 400))
            _write(folder, {"event": "end", "status": "finished"})
            assert process.wait(60) == 0
            assert "all jobs are finished" in shown()[-1], "the table is gone"
