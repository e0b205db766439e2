"""The folder of one run: its settings, its cells, its results."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.experiments.job.revisions import REVISIONS, older, refuse_older, revision_of
from neurosim.experiments.settings.config import Comparison, Execution, with_defaults
from neurosim.experiments.settings.options import path_text, require_folder, to_yaml
from neurosim.experiments.system.failures import InUseError, differences, why_not_longer
from neurosim.experiments.system.locks import is_locked, locked
from neurosim.storage import remove_leftovers, write_text

if TYPE_CHECKING:
    from neurosim.experiments.data.types import StimulusSet, TrainingImages

_VERSIONED = ("neurosim", "torch", "snntorch", "norse", "numpy", "scipy", "numba")


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """SHA-256 over every source file of neurosim, by path and content."""
    # Found from one of each package: a checkout and an installation lay them out differently.
    import neurosim
    import neurosim.experiments
    import neurosim.models
    import neurosim.rsa

    digest = hashlib.sha256()
    packages = (neurosim, neurosim.models, neurosim.rsa, neurosim.experiments)
    for package in packages:
        folder = Path(package.__path__[0]).resolve()
        # An installation lays the three others inside the first: each file counts once, as its own.
        inner = [Path(p.__path__[0]).resolve() for p in packages if p is not package]
        for file in sorted(folder.rglob("*.py")):
            if any(file.is_relative_to(other) and other.is_relative_to(folder) for other in inner):
                continue
            name = f"{package.__name__}/{file.relative_to(folder).as_posix()}"
            digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


class RunFolder:
    """Paths below one folder, and the promise that it holds one comparison."""

    def __init__(self, path: Path) -> None:
        require_folder(path)
        self.path = path

    @property
    def results(self) -> Path:
        """The tidy table."""
        return self.path / "results.csv"

    @property
    def figures(self) -> Path:
        """The folder of figures."""
        return self.path / "figures"

    @property
    def log(self) -> Path:
        """What happened and how long it took, as JSON lines (``events``)."""
        return self.path / "log.jsonl"

    @property
    def configuration(self) -> Path:
        """The settings of the last start, as ``--config`` reads them."""
        return self.path / "config.yaml"

    def write_configuration(self, settings: Comparison, execution: Execution) -> None:
        """Keep the settings as a file that runs this again."""
        # A comment is one line, whatever the folder is called.
        name = " ".join(path_text(Path(self.path.name)).split())
        head = f"# {name}: run again with --config\n"
        write_text(self.configuration, head + to_yaml(settings, replace(execution, out=self.path)))

    @property
    def is_running(self) -> bool:
        """Whether a process runs it now."""
        return is_locked(self._lock)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from running it, and clear away what killed writers left.

        Raises:
            InUseError: another process runs it.
        """
        try:
            with locked(self._lock):
                for folder in (self.path, self.path / "cells", self.path / "resume"):
                    remove_leftovers(folder)
                yield
        except InUseError:
            raise InUseError(
                f"another process is running {self.path}: follow it with --watch {self.path}, or "
                "give another --out"
            ) from None

    @property
    def _lock(self) -> Path:
        return self.path / "locks" / "run.lock"

    @property
    def is_claimed(self) -> bool:
        """Whether the folder holds a run."""
        return self.record.is_file()

    @property
    def record(self) -> Path:
        """What the run is (``run_record`` reads it)."""
        return self.path / "run.json"

    def cell(self, rule: str, seed: int) -> Path:
        """The file of one cell."""
        return self.path / "cells" / f"{rule}-seed{seed}.h5"

    def resume(self, rule: str, seed: int) -> Path:
        """What a cell that is not finished needs to go on."""
        return self.path / "resume" / f"{rule}-seed{seed}.h5"

    def claim(self, settings: Comparison, images: TrainingImages, stimuli: StimulusSet) -> None:
        """Write down what this run is, or check that it is what the folder already holds.

        Rules and seeds may be added: cells do not depend on each other. The record names all
        that were ever asked for.

        Raises:
            ValueError: the folder holds a run with other settings or data, or a rule that is asked
                for in an earlier revision; the message shows the differences.
        """
        record = self.check(settings, images, stimuli)
        rules, seeds = list(settings.rules), list(settings.seeds)
        codes = [code_sha256()]
        revisions = {rule: revision_of(settings, rule) for rule in rules}
        if (kept := self._kept()) is not None:
            rules = list(dict.fromkeys([*kept["rules"], *rules]))
            seeds = list(dict.fromkeys([*kept["seeds"], *seeds]))
            codes = list(dict.fromkeys([*kept.get("code_sha256", []), *codes]))
            first = dict.fromkeys(kept["rules"], 1) | kept.get("revisions", {})
            revisions = {**revisions, **first}
        provenance = {
            "code_sha256": codes,
            "python": platform.python_version(),
            "versions": {name: version(name) for name in _VERSIONED},
            "rules": rules,
            "seeds": seeds,
            "revisions": revisions,
        }
        write_text(self.record, json.dumps({**record, **provenance}, indent=2) + "\n")

    @property
    def codes(self) -> list[str]:
        """SHA-256 of the code of every start, the first one first."""
        return (self._kept() or {}).get("code_sha256", [])

    def _kept(self) -> dict[str, Any] | None:
        if not self.is_claimed:
            return None
        try:
            kept = json.loads(self.record.read_text(encoding="utf-8"))
            _ = {**kept["settings"], **kept["data"]}, [*kept["rules"], *kept["seeds"]]
        except (ValueError, KeyError, TypeError):
            # Every cell says by itself what it is, so nothing is lost.
            self.record.replace(self.record.with_name("run.json.damaged"))
            return None
        return kept

    def check(
        self, settings: Comparison, images: TrainingImages, stimuli: StimulusSet
    ) -> dict[str, Any]:
        """Refuse what differs from the run in the folder; returns what a record says of it.

        Raises:
            ValueError: as ``claim``.
        """
        record = {
            "settings": settings.cell_settings(),
            "data": {"training": images.sha256, "stimuli": stimuli.sha256},
        }
        # A round through JSON, so that tuples compare with the lists that are read back.
        asked = json.loads(json.dumps(record))
        kept = self._kept()
        if kept is None:
            return asked
        kept["settings"] = with_defaults(kept["settings"])
        other = [
            words
            for group in ("settings", "data")
            for words in differences(kept[group], asked[group])
        ]
        if other:
            why = why_not_longer(kept["settings"], asked["settings"])
            raise ValueError(
                f"{self.path} holds a run with other settings ({'; '.join(other)}{why}): "
                "give another --out, or the settings of that run to resume it"
            )
        if set(settings.rules) & set(REVISIONS):
            refuse_older(self.path, older(settings, kept.get("revisions", {}), kept["rules"]))
        return asked

    def cells_of(self, settings: Comparison) -> list[Path]:
        """Every cell file of the folder, those of these settings first and in their order."""
        asked = [self.cell(rule, seed) for rule in settings.rules for seed in settings.seeds]
        others = sorted(set((self.path / "cells").glob("*.h5")) - set(asked))
        return [*asked, *others]
