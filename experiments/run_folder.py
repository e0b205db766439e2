"""The folder of one run: its settings, its cells, its results."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from neurosim.experiments.config import Comparison
from neurosim.experiments.data_types import StimulusSet, TrainingImages
from neurosim.storage import write_text

_VERSIONED = ("neurosim", "torch", "snntorch", "norse", "numpy", "scipy", "numba")


class RunFolder:
    """Paths below one folder, and the promise that it holds one comparison."""

    def __init__(self, path: Path) -> None:
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
    def is_claimed(self) -> bool:
        """Whether the folder holds a run."""
        return self._record.is_file()

    @property
    def _record(self) -> Path:
        return self.path / "run.json"

    def cell(self, rule: str, seed: int) -> Path:
        """The file of one cell."""
        return self.path / "cells" / f"{rule}-seed{seed}.h5"

    def claim(self, settings: Comparison, images: TrainingImages, stimuli: StimulusSet) -> None:
        """Write down what this run is, or check that it is what the folder already holds.

        Rules and seeds may be added: cells do not depend on each other. The record names all
        that were ever asked for.

        Raises:
            ValueError: the folder holds a run with other settings or data; the message shows the
                differences.
        """
        record = {
            "settings": settings.cell_settings(),
            "data": {"training": images.sha256, "stimuli": stimuli.sha256},
        }
        # A round through JSON, so that tuples compare with the lists that are read back.
        record = json.loads(json.dumps(record))
        rules, seeds = list(settings.rules), list(settings.seeds)
        if self.is_claimed:
            kept = json.loads(self._record.read_text(encoding="utf-8"))
            self._check(kept, record)
            rules = list(dict.fromkeys([*kept["rules"], *rules]))
            seeds = list(dict.fromkeys([*kept["seeds"], *seeds]))
        provenance = {
            "python": platform.python_version(),
            "versions": {name: version(name) for name in _VERSIONED},
            "rules": rules,
            "seeds": seeds,
        }
        write_text(self._record, json.dumps({**record, **provenance}, indent=2) + "\n")

    def _check(self, kept: dict[str, Any], asked: dict[str, Any]) -> None:
        differences = [
            f"{name}: {kept[group].get(name)!r} there, {asked[group].get(name)!r} asked"
            for group in ("settings", "data")
            for name in sorted({*kept[group], *asked[group]})
            if kept[group].get(name) != asked[group].get(name)
        ]
        if differences:
            raise ValueError(
                f"{self.path} holds a run with other settings ({'; '.join(differences)}): "
                "give another --out, or the settings of that run to resume it"
            )

    def cells_of(self, settings: Comparison) -> list[Path]:
        """Every cell file of the folder, those of these settings first and in their order."""
        asked = [self.cell(rule, seed) for rule in settings.rules for seed in settings.seeds]
        others = sorted(set((self.path / "cells").glob("*.h5")) - set(asked))
        return [*asked, *others]
