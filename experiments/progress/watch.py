"""Following a run from another terminal, by its log alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from neurosim.experiments.job.events import Event, parse
from neurosim.experiments.progress.board import Board
from neurosim.experiments.progress.views import view_of
from neurosim.experiments.run.asked import AskedFolder

#: Seconds between two looks at the log.
_POLL_S = 0.5


def watch(path: Path, stream: TextIO | None = None) -> int:
    """Show a run until it ends; returns 0 if all its jobs are finished, else 1.

    Raises:
        FileNotFoundError: the folder holds no run.
    """
    folder = AskedFolder(Path(path))
    if not folder.log.is_file():
        raise FileNotFoundError(f"no run in {path}: it has no {folder.log.name}")
    board = Board()
    with view_of(board, stream) as view:
        for event in _follow(folder):
            board.feed(event)
            view.show(event)
    if board.ended == "finished":
        return 0
    how = {"": "was ended", "failed": "ended with failed jobs"}.get(board.ended, board.ended)
    print(f"{path} {how}: run again to resume", file=stream or sys.stderr)
    return 1


def _follow(folder: AskedFolder) -> Iterator[Event]:
    """The events of the last start, as they come, until it ends or its process is gone."""
    with folder.log.open("rb") as file:
        kept, ended, last = b"", False, True
        while True:
            # Asked before reading: what a process wrote before it ended is read.
            running = folder.is_running
            kept += file.read()
            whole, newline, kept = kept.rpartition(b"\n")
            events = list(parse((whole + newline).decode(errors="replace")))
            if last and events:
                # What earlier starts did is in the files they left.
                starts = [i for i, event in enumerate(events) if event["event"] == "start"]
                events, last = events[starts[-1] if starts else 0 :], False
            for event in events:
                ended = event["event"] == "end" or (ended and event["event"] != "start")
                yield event
            if ended or not running:
                return
            time.sleep(_POLL_S)
