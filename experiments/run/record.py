"""``run.json``, read: what a run folder says of the run it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import Comparison


@dataclass(frozen=True)
class RunRecord:
    """What a run is.

    folder: where it is. settings: with every rule and seed that was ever asked for.
    data: SHA-256 of ``training`` images and ``stimuli``. content: all of ``run.json``.
    """

    folder: RunFolder
    settings: Comparison
    data: Mapping[str, str]
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read the ``run.json`` of a run folder.

        Raises:
            FileNotFoundError: no run there.
            ValueError: a file, not a folder; or ``run.json`` is not what a run writes.
        """
        folder = RunFolder(Path(path))
        if not folder.is_claimed:
            raise FileNotFoundError(
                f"no run in {path} (it has no {folder.record.name}): give the folder that "
                "a comparison wrote"
            )
        try:
            content = json.loads(folder.record.read_text(encoding="utf-8"))
            asked = {"rules": content["rules"], "seeds": [int(s) for s in content["seeds"]]}
            settings = Comparison.from_dict({**content["settings"], **asked})
            data = {name: str(sha256) for name, sha256 in content["data"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{folder.record} is not what this version writes ({_lack(error)}): restore it, or "
                "run the comparison again into another folder"
            ) from error
        return cls(folder, settings, data, content)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    def cells(self) -> dict[tuple[str, int], Path]:
        """(rule, seed) -> its file, there or not, in the order of the settings."""
        return {
            (rule, seed): self.folder.cell(rule, seed)
            for rule in self.settings.rules
            for seed in self.settings.seeds
        }


def _lack(error: Exception) -> str:
    """What is wrong with a record, in words."""
    if isinstance(error, json.JSONDecodeError):
        return "it is no JSON"
    if isinstance(error, KeyError):
        return f"it has no entry {error.args[0]!r}"
    if isinstance(error, ValueError):
        return str(error)
    return "its entries are other ones"
