"""What happens in a run, as events: told by tasks, written to a log, shown while it runs.

An event is a flat mapping with ``event`` (its kind) and, of a task, ``rule`` and ``seed``. Only the
process that was started by the user writes the log; workers send their events to it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

Event = dict[str, Any]


class Report(Protocol):
    """Told of one event of a task.

    ``progress``: epoch (with its fraction), phase, and loss, accuracy, displacement while learning.
    ``epoch``: the same after a whole epoch, learning_s, statistics_only_s.
    ``checkpoint``: epoch, evaluation_s, n_evaluations, test_accuracy.
    ``placed``: pid, host. ``waiting``: for another process that has the task.
    ``damaged``, ``not-deterministic``: message. ``finished``: before (whether it was already).
    """

    def __call__(self, event: str, /, **values: Any) -> None: ...


class Log:
    """A file of JSON lines that one process appends to.

    A disk that is full must not end a run that could still keep its tasks: what cannot be written
    is left out, and ``is_complete`` says so.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.is_complete = Path(path), True
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, event: Event) -> None:
        """Append one event, with the time in seconds since 1970."""
        # A NaN is no JSON.
        kept = {k: None if v != v else v for k, v in event.items()}
        line = json.dumps({"time": round(time.time(), 3), **kept}) + "\n"
        try:
            # One write, after what a killed writer may have left of a line.
            with self.path.open("ab") as file:
                if file.tell() and not _ends_with_newline(self.path):
                    line = "\n" + line
                file.write(line.encode())
        except OSError:
            self.is_complete = False


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def parse(text: str) -> Iterator[Event]:
    """The events in some whole lines; what is no event (a torn line) is passed over."""
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(event, dict) and "event" in event:
            yield event


def read_log(path: Path) -> list[Event]:
    """All events of a log; none where there is no log."""
    try:
        return list(parse(Path(path).read_text(encoding="utf-8", errors="replace")))
    except FileNotFoundError:
        return []
