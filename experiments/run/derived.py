"""What a folder derives from its parts, and from which inputs each of these files was made.

Tables, audit, figures, report and printed words are functions of the parts, the record and the
code. ``derived.json`` holds a digest of these inputs and the SHA-256 of every file that was made of
them, so that a command that is started again makes what is missing, damaged or of other inputs,
and no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurosim.arrays.storage import write_text
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.system.code import code_sha256

NAME, WORDS = "derived.json", "summary.txt"


@dataclass(frozen=True)
class Derived:
    """The state of a folder.

    inputs: digest of the parts, the record and the code. files: name -> SHA-256, of what was made
    of these inputs. finished: names of the parts that are finished.
    """

    path: Path
    inputs: str
    files: dict[str, str]
    finished: list[str]

    @classmethod
    def of(cls, folder: AskedFolder) -> Derived:
        """Look at a folder; a record that is damaged, or of other inputs, counts for nothing."""
        inputs = _digest(folder.inputs())
        try:
            kept = json.loads((folder.path / NAME).read_text(encoding="utf-8"))
            if kept["inputs"] == inputs:
                return cls(folder.path, inputs, dict(kept["files"]), list(kept["finished"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return cls(folder.path, inputs, {}, [])

    def missing(self, names: Iterable[str]) -> list[str]:
        """Of some files, those that are not there as they were made of these inputs."""
        return [
            name for name in names
            if name not in self.files or _sha256(self.path / name) != self.files[name]
        ]  # fmt: skip

    def made(self, names: Iterable[str]) -> None:
        """Put on record that files were made of these inputs now."""
        found = {name: _sha256(self.path / name) for name in names}
        self.files.update({name: sha256 for name, sha256 in found.items() if sha256})
        self._write()

    def make(self, names: Sequence[str], write: Callable[[], object]) -> None:
        """Let ``write`` make some files together, where any of them is missing."""
        if self.missing(names):
            write()
            self.made(names)

    def words(self, write: Callable[[], tuple[str, list[str]]]) -> str:
        """What a command says of these inputs, kept beside the files it is of: ``write`` makes all
        of them, and returns the words and the files' names, where any is missing."""
        kept = self.path / WORDS
        if WORDS not in self.files or self.missing(self.files):
            text, names = write()
            write_text(kept, text)
            self.made([*names, WORDS])
        return kept.read_text(encoding="utf-8")

    def finish(self, parts: Iterable[str]) -> None:
        """Put on record that parts are finished."""
        self.finished[:] = dict.fromkeys([*self.finished, *parts])
        self._write()

    def _write(self) -> None:
        kept = {"inputs": self.inputs, "finished": self.finished, "files": self.files}
        write_text(self.path / NAME, json.dumps(kept, indent=2) + "\n")


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256(code_sha256().encode())
    for path in files:
        digest.update(f"\0{path.name}\0{_sha256(path)}".encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    """Of a file; empty where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
