"""The folder of whatever is asked, computed, resumed and checked.

Its *record* says what was asked, its *parts* hold what is finished (a file each), and its *log*
what happened. One process runs it at a time, and it holds one thing: what is asked otherwise is
refused, with the differences.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from neurosim.arrays.storage import (
    DamagedFileError,
    read_tree,
    remove_leftovers,
    set_aside,
    write_text,
    write_tree,
)
from neurosim.experiments.settings.options import require_folder
from neurosim.experiments.settings.texts import why_changed
from neurosim.experiments.system.code import code_sha256
from neurosim.experiments.system.failures import InUseError, differences
from neurosim.experiments.system.locks import is_locked, locked

_VERSIONED = ("neurosim", "torch", "snntorch", "norse", "numpy", "scipy", "numba")


class AskedFolder:
    """Paths below one folder, and the promise that it holds one thing.

    record_name: the file that says what was asked. parts: the folder of finished pieces.
    compared: the groups of the record that have to agree with what is asked now; ``sources`` have
        to where both name one.
    """

    record_name: ClassVar[str] = "asked.json"
    parts: ClassVar[str] = "parts"
    compared: ClassVar[tuple[str, ...]] = ("settings", "data")

    def __init__(self, path: Path, also: Sequence[Path] = ()) -> None:
        """Nothing is written yet.

        Args:
            also: files elsewhere that what is derived here depends on.

        Raises:
            ValueError: the path is a file, or lies below one.
        """
        require_folder(path)
        self.path, self._also = Path(path), also

    @property
    def log(self) -> Path:
        """What happened and how long it took, as JSON lines (``events``)."""
        return self.path / "log.jsonl"

    @property
    def record(self) -> Path:
        """What was asked."""
        return self.path / self.record_name

    @property
    def is_claimed(self) -> bool:
        """Whether the folder holds anything."""
        return self.record.is_file()

    def part(self, stem: str) -> Path:
        """The file of one finished piece."""
        return self.path / self.parts / f"{stem}.h5"

    def lock(self, stem: str) -> Path:
        """The lock of one piece."""
        return self.path / "locks" / f"{stem}.lock"

    @property
    def is_running(self) -> bool:
        """Whether a process runs it now."""
        return is_locked(self.lock("run"))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from running it, and clear away what killed writers left.

        Raises:
            InUseError: another process runs it.
        """
        try:
            with locked(self.lock("run")):
                for folder in (self.path, self.path / self.parts, self.path / "resume"):
                    remove_leftovers(folder)
                yield
        except InUseError:
            raise InUseError(
                f"another process is running {self.path}: follow it with neurosim watch "
                f"{self.path}, or give another --out"
            ) from None

    def holds(self, stem: str, tell: Callable[[str], None]) -> bool:
        """Whether a piece is finished; a damaged file is set aside, and told."""
        return self.read(stem, tell) is not None

    def read(self, stem: str, tell: Callable[[str], None]) -> dict[str, Any] | None:
        """What a finished piece holds; None where it has to be computed (again)."""
        path = self.part(stem)
        if not path.is_file():
            return None
        try:
            return read_tree(path)
        except DamagedFileError:
            tell(f"{path} is damaged: it is now {set_aside(path).name}, and is computed again")
            return None

    def keep(self, stem: str, tree: Mapping[str, Any]) -> None:
        """Store a finished piece, whole or not at all."""
        write_tree(self.part(stem), tree)

    def inputs(self) -> list[Path]:
        """The files that everything derived in the folder is a function of."""
        return [self.record, *sorted((self.path / self.parts).glob("*.h5")), *self._also]

    def record_asked(self, asked: Mapping[str, Any]) -> None:
        """Write down what is asked, or check that it is what the folder already holds.

        Args:
            asked: groups of settings (those in ``compared`` have to agree), ``sources`` of a user's
                own, and what else a reader should know.

        Raises:
            ValueError: the folder holds something else; the message shows the differences.
        """
        there, now = self.check_asked(asked), _through_json(asked)
        codes = there.get("code_sha256", [])
        # Folders of before name one code, those of today that of every start.
        codes = [codes] if isinstance(codes, str) else codes
        provenance = {
            "code_sha256": list(dict.fromkeys([*codes, code_sha256()])),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in _VERSIONED},
        }
        record = {**now, **provenance, **self.added(there, now)}
        if sources := {**there.get("sources", {}), **record.pop("sources", {})}:
            record["sources"] = sources
        write_text(self.record, json.dumps(record, indent=2) + "\n")

    def check_asked(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse what differs from what the folder holds; returns its record (empty: none).

        Raises:
            ValueError: as ``record_asked``.
        """
        now, there = _through_json(asked), self.kept()
        if there is None:
            return {}
        if changed := why_changed(there.get("sources", {}), now.get("sources", {})):
            raise ValueError(f"{self.path}: {changed}")
        other = [
            words
            for group in self.compared
            for words in differences(there.get(group, {}), now.get(group, {}))
        ]
        if other:
            why = self.why_not(there, now)
            raise ValueError(
                f"{self.path} holds a run with other settings ({'; '.join(other)}{why}): "
                "give another --out, or the settings of that run to resume it"
            )
        return there

    def kept(self) -> dict[str, Any] | None:
        """The record as it stands, in the form of today; None where there is none.

        Raises:
            ValueError: it is damaged.
        """
        if not self.is_claimed:
            return None
        try:
            record = self.completed({**json.loads(self.record.read_text(encoding="utf-8"))})
            return {**record, **{name: dict(record.get(name, {})) for name in self.compared}}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.damaged(error)
            return None

    @property
    def codes(self) -> list[str]:
        """SHA-256 of the code of every start, the first one first."""
        return (self.kept() or {}).get("code_sha256", [])

    def completed(self, record: dict[str, Any]) -> dict[str, Any]:
        """A record in the form of today: older ones lack what was added since."""
        return record

    def damaged(self, error: Exception) -> None:
        """What to do about a record that cannot be read."""
        raise ValueError(f"{self.record} is damaged: give another --out") from error

    def added(self, there: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
        """What a record keeps of earlier starts, besides what is asked now."""
        return {}

    def why_not(self, there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
        """Why what differs cannot be gone on with; empty where the differences say it."""
        return ""


def _through_json(asked: Mapping[str, Any]) -> dict[str, Any]:
    """So that tuples compare with the lists that are read back."""
    return json.loads(json.dumps(asked))
