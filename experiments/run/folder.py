"""The folder of one run: its settings, its jobs, its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurosim.arrays.storage import write_text
from neurosim.experiments.data.types import StimulusSet, TrainingImages
from neurosim.experiments.job.revisions import REVISIONS, older, refuse_older, revision_of
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.settings.config import Comparison, Execution, with_defaults
from neurosim.experiments.settings.options import path_text, to_yaml
from neurosim.experiments.settings.texts import file_name
from neurosim.experiments.system.failures import why_not_longer
from neurosim.models.rule_table import base_of


class RunFolder(AskedFolder):
    """Paths below one folder, and the promise that it holds one comparison."""

    record_name, parts = "run.json", "cells"

    @property
    def results(self) -> Path:
        """The tidy table."""
        return self.path / "results.csv"

    @property
    def figures(self) -> Path:
        """The folder of figures."""
        return self.path / "figures"

    def write_configuration(self, settings: Comparison, execution: Execution) -> None:
        """Keep the settings of the last start as a file that runs this again."""
        # A comment is one line, whatever the folder is called.
        name = " ".join(path_text(Path(self.path.name)).split())
        head = f"# {name}: run again with --config\n"
        text = to_yaml(settings, replace(execution, out=self.path))
        write_text(self.path / "config.yaml", head + text)

    def cell(self, rule: str, seed: int) -> Path:
        """The file of one job."""
        return self.part(f"{file_name(rule)}-seed{seed}")

    def resume(self, stem: str) -> Path:
        """What a job that is not finished needs to go on."""
        return self.path / "resume" / f"{stem}.h5"

    def claim(self, settings: Comparison, images: TrainingImages, stimuli: StimulusSet) -> None:
        """Write down what this run is, or check that it is what the folder already holds.

        Rules and seeds may be added: jobs do not depend on each other. The record names all
        that were ever asked for.

        Raises:
            ValueError: the folder holds a run with other settings or data, or a rule that is asked
                for in an earlier revision; the message shows the differences.
        """
        self.check(settings, images, stimuli)
        self.record_asked(_asked(settings, images, stimuli))

    def check(self, settings: Comparison, images: TrainingImages, stimuli: StimulusSet) -> None:
        """Refuse what differs from the run in the folder.

        Raises:
            ValueError: as ``claim``.
        """
        kept = self.check_asked(_asked(settings, images, stimuli))
        if kept and any(base_of(rule) in REVISIONS for rule in settings.rules):
            refuse_older(self.path, older(settings, kept.get("revisions", {}), kept["rules"]))

    def completed(self, record: dict[str, Any]) -> dict[str, Any]:
        _ = {**record["data"]}, [*record["rules"], *record["seeds"]]
        return {**record, "settings": with_defaults(record["settings"])}

    def damaged(self, error: Exception) -> None:
        # Every job says by itself what it is, so nothing is lost.
        self.record.replace(self.record.with_name("run.json.damaged"))

    def added(self, there: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
        first = dict.fromkeys(there.get("rules", []), 1) | there.get("revisions", {})
        return {
            "rules": list(dict.fromkeys([*there.get("rules", []), *now["rules"]])),
            "seeds": list(dict.fromkeys([*there.get("seeds", []), *now["seeds"]])),
            "revisions": {**now["revisions"], **first},
        }

    def why_not(self, there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
        return why_not_longer(there["settings"], now["settings"])


def _asked(settings: Comparison, images: TrainingImages, stimuli: StimulusSet) -> dict[str, Any]:
    return {
        "settings": settings.cell_settings(),
        "data": {"training": images.sha256, "stimuli": stimuli.sha256},
        "rules": settings.rules,
        "seeds": settings.seeds,
        "revisions": {rule: revision_of(settings, rule) for rule in settings.rules},
        "sources": settings.sources(),
    }
