"""Scoring one network of a finished run on a grid of controls, as a task.

One file a network, named by a hash of all it depends on: networks that several jobs share (the
untrained ones of a seed) are scored once, and what is there is not computed again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.experiments.controls.state_scores import Grid, Scores, score
from neurosim.experiments.data.loaded import data_of
from neurosim.experiments.engine.tasks import AbstractPart
from neurosim.experiments.job.batches import first_batches, normalise
from neurosim.experiments.job.evaluate import Evaluation, low_level_rdms
from neurosim.experiments.job.events import Report
from neurosim.experiments.job.network import network_of
from neurosim.experiments.job.stimulus_content import shown
from neurosim.experiments.job.switches import profile_of
from neurosim.experiments.results.trees import table_of, tree_of
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.run.stored import State, StoredRun
from neurosim.experiments.settings.config import Comparison
from neurosim.experiments.settings.texts import may_spike

#: Changes when scores are computed otherwise, so that files of before are not taken up.
_FORMAT = "neurosim-controls-3"
_WITHOUT_EFFECT = {
    "epochs", "checkpoints", "evaluation_px", "normalisation", "readouts", "n_test",
    "n_calibration", "schedule", "labels",
}  # fmt: skip


class ControlFolder(AskedFolder):
    """The scores of networks of one run; any grid may be asked for, one after the other."""

    parts, compared = "states", ("data",)


@dataclass(frozen=True)
class ControlTask(AbstractPart):
    """Scoring one network; ``key``: the hash of all that its scores depend on."""

    kind = ControlFolder

    settings: Comparison
    state: State
    grid: Grid
    key: str

    @classmethod
    def of(
        cls, run: StoredRun, state: State, grid: Grid, folder: Path, data_dir: Path | None
    ) -> ControlTask:
        """The task of a state."""
        return cls(run.settings, state, grid, key(run, state, grid), seed=state.seed,
                   folder=folder, data_dir=data_dir)  # fmt: skip

    @property
    def stem(self) -> str:
        """What its file is called."""
        return self.key

    @property
    def label(self) -> str:
        """The network, without its seed."""
        return f"{self.state.rule} {self.state.weights} {self.state.epoch}"

    def own_sources(self) -> dict[str, str]:
        return self.settings.sources(self.state.rule)

    @property
    def cost(self) -> float:
        """Spiking networks take longest."""
        return 4.0 if may_spike(self.state.rule) else 1.0

    def compute(self, report: Report) -> Mapping[str, Any]:
        """The scores, as a tree."""
        learner = self.state.learner(self.settings)
        scores = score(
            learner,
            _evaluation(self.settings, self.seed, self.grid, self.data_dir),
            _shown(self.settings, self.grid, self.data_dir),
            {px: _references(self.settings, px, self.data_dir) for px in self.grid.px},
            self.grid,
        )
        return {
            "format": _FORMAT,
            "state": self.state.name,
            "fingerprint": learner.fingerprint(),
            "table": tree_of(scores.table),
            "resampled": tree_of(scores.resampled),
            "samples": scores.samples,
            "choice": tree_of(scores.choice),
        }


def key(run: StoredRun, state: State, grid: Grid) -> str:
    """Hash of all that the scores of a state depend on."""
    asked = {
        "format": _FORMAT,
        "grid": dataclasses.asdict(grid),
        "data": dict(run.data),
        # Of the settings, those that say what the tensors are weights of, and what calibrates;
        # a default is left out, so that a setting added later leaves old scores valid.
        "settings": {
            name: value
            for name, value in run.settings.cell_settings().items()
            if name not in _WITHOUT_EFFECT and value != getattr(Comparison(), name)
        },
        "seed": state.seed,
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    output = network_of(run.settings).layers[-1].name
    for name, tensor in sorted(state.tensors().items()):
        # The output is not scored, and feedback weights are not shown anything.
        if not name.startswith((f"{output}.", "feedback.")):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()[:32]


@lru_cache(maxsize=2)
def _evaluation(settings: Comparison, seed: int, grid: Grid, data_dir: Path | None):
    """Calibration images of one seed; the stimuli are shown apart."""
    images, stimuli = data_of(settings.training, settings.stimuli, data_dir)
    x = normalise(images.subset(settings.n_train, 1, seed).x_train)
    augmented = partial(
        first_batches, x, seed=seed, batch_size=settings.batch_size,
        augmentations=profile_of(settings).augmentations,
        augmentation=settings.augmentation,
    )  # fmt: skip
    return Evaluation.prepare(
        stimuli, px=(), calibration=x[: grid.n_calibration], policies=grid.normalisation,
        readouts=grid.readouts, augmented=augmented,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _shown(settings: Comparison, grid: Grid, data_dir: Path | None):
    _, stimuli = data_of(settings.training, settings.stimuli, data_dir)
    return {px: shown(stimuli, px, settings.training_px, grid.content) for px in grid.px}


@lru_cache(maxsize=16)
def _references(settings: Comparison, px: int, data_dir: Path | None):
    return low_level_rdms(data_of(settings.training, settings.stimuli, data_dir)[1], px)


def scores_of(tree: Mapping[str, Any]) -> Scores:
    """The scores that a file holds."""
    return Scores(
        table=table_of(tree["table"]),
        resampled=table_of(tree["resampled"]),
        samples=tree["samples"],
        choice=table_of(tree["choice"]),
    )
