"""One job of the comparison: a rule and a seed, trained and evaluated at every checkpoint.

A job is a pure function of the settings, the rule and the seed; its files (``store``) let
it go on from its last epoch wherever it was ended.
"""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.experiments.data.types import StimulusSet, TrainingImages
from neurosim.experiments.job.batches import LABELS, epoch_batches, first_batches, normalise
from neurosim.experiments.job.evaluate import Evaluation, test_accuracy
from neurosim.experiments.job.events import Report
from neurosim.experiments.job.facts import moved_without_learning
from neurosim.experiments.job.measures import Measures
from neurosim.experiments.job.store import JobStore
from neurosim.experiments.job.store import read_table as read_table
from neurosim.experiments.job.switches import profile_of
from neurosim.experiments.settings.config import Comparison
from neurosim.models.rule_table import rule_of
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.training import BatchLog, Trainer, movement

#: Batches between two measurements of what only the dynamics can tell (angles cost two sweeps).
MEASURED_EVERY = 10

#: Seconds between two reports from within an epoch.
_REPORTED_EVERY_S = 0.2


@dataclass(frozen=True)
class JobData:
    """Images of one seed, normalised once, and the evaluation."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    n_classes: int
    evaluation: Evaluation

    @classmethod
    def prepare(
        cls,
        settings: Comparison,
        seed: int,
        images: TrainingImages,
        stimuli: StimulusSet,
        device: torch.device,
    ) -> JobData:
        """Draw the subset of a seed and put everything on the device."""
        subset = images.subset(settings.n_train, settings.n_test, seed)
        x_train = normalise(subset.x_train)
        if x_train.shape[-1] != settings.training_px:
            raise ValueError(
                f"training images are {x_train.shape[-1]} px, the settings say "
                f"training_px = {settings.training_px}: set it to the images' size"
            )
        profile = profile_of(settings)
        evaluation = Evaluation.prepare(
            stimuli,
            px=settings.evaluation_px,
            calibration=x_train[: settings.n_calibration].to(device),
            policies=settings.normalisation,
            readouts=settings.readouts,
            augmented=partial(
                first_batches,
                x_train.to(device),
                seed=seed,
                batch_size=settings.batch_size,
                augmentation=settings.augmentation,
                augmentations=profile.augmentations,
            ),
            extraction=profile.extraction,
            measures=Measures.of(settings),
            device=device,
        )
        return cls(
            x_train.to(device),
            LABELS[settings.labels](torch.as_tensor(subset.y_train), seed).to(device),
            normalise(subset.x_test).to(device),
            torch.as_tensor(subset.y_test, device=device),
            len(images.class_names),
            evaluation,
        )


@dataclass
class EpochLog:
    """Sums over the batches of an epoch."""

    loss: float = 0.0
    n_correct: int = 0
    n_images: int = 0
    n_batches: int = 0
    n_energy_steps: int = 0
    n_energy_rises: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    measured: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, log: BatchLog) -> None:
        """Take in one batch."""
        self.loss += log.loss
        self.n_correct += log.n_correct
        self.n_images += log.n_images
        self.n_batches += 1
        for outcome in log.outcomes:
            energies = np.asarray(outcome.settled.energies)
            self.n_energy_steps += max(0, len(energies) - 1)
            self.n_energy_rises += int((np.diff(energies) > 0).sum())
        self.reasons[log.outcomes[0].settled.reason.split(":")[0]] += 1

    def measure(self, learner: Learner, batch: BatchLog) -> None:
        """Take in what the dynamics alone can tell of a batch."""
        for part, outcome in zip(learner.parts, batch.outcomes, strict=True):
            found = part.rule.dynamics.measurements(outcome.point, outcome.settled.state)
            for quantity, by_layer in found.items():
                for layer, value in by_layer.items():
                    self.measured.setdefault(quantity, {}).setdefault(layer, []).append(value)

    def mean_of(self, quantity: str, layer: str) -> float:
        """Mean over the measured batches; NaN where the layer has no such quantity."""
        return float(np.mean(self.measured[quantity].get(layer, [np.nan])))

    def row(self) -> dict[str, Any]:
        """One row of the epoch table."""
        monotone = (
            1 - self.n_energy_rises / self.n_energy_steps if self.n_energy_steps else float("nan")
        )
        return {
            "train_loss": self.loss / self.n_batches,
            "train_accuracy": self.n_correct / self.n_images,
            "energy_monotone_share": monotone,
            "stop_reason": ", ".join(f"{k} x{n}" for k, n in sorted(self.reasons.items())),
        }


@dataclass(frozen=True)
class Track:
    """A learner on its way through the epochs: the one that learns, or the second zero point.

    The second zero point is the same learner making the same passes at learning rate 0.
    """

    learner: Learner
    trainer: Trainer
    statistics_only: bool

    @property
    def name(self) -> str:
        """The name of its state in the job's file."""
        return "statistics_only" if self.statistics_only else "learning"

    def state(self) -> dict[str, Any]:
        """All that a resumed track needs: a tree of arrays."""
        return {"tensors": self.learner.tensors(), "trainer": self.trainer.state()}

    def load_state(self, tree: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave, after a round through a file."""
        self.learner.load(tree["tensors"])
        self.trainer.load_state(tree["trainer"])


def build_learner(
    settings: Comparison, rule: str, seed: int, n_classes: int, device: torch.device | None = None
) -> Learner:
    """The learner of a job as it starts."""
    start = SharedStart(
        seed,
        settings.training_px,
        n_classes,
        architecture=settings.network,
        cell=settings.cell,
        encoder=settings.encoder,
        timing=settings.timing,
        weight_dependence=settings.weight_dependence,
        norm=settings.norm,
        device=device,
    )
    return profile_of(settings).learner(rule, start, settings.schedule)


class Job:
    """A rule and a seed on their way through the checkpoints.

    Args:
        store: the job's files; where they exist, the job goes on from them.
        report: told of progress.
    """

    def __init__(
        self,
        settings: Comparison,
        rule: str,
        seed: int,
        data: JobData,
        store: JobStore,
        device: torch.device,
        report: Report,
    ) -> None:
        self.settings, self.rule, self.seed = settings, rule, seed
        self.data, self.store, self.device, self.report = data, store, device, report
        learner = self._fresh_learner()
        # Copied: a spiking network takes a while to build, as its thresholds are calibrated.
        still = copy.deepcopy(learner).without_learning()
        self.initial = {k: t.clone() for k, t in learner.tensors().items()}
        n_batches = len(data.x_train) // settings.batch_size
        n_steps = n_batches * settings.epochs
        self.tracks = (
            Track(learner, Trainer(learner.parts, n_steps), statistics_only=False),
            Track(still, Trainer(still.parts, n_steps), statistics_only=True),
        )
        self.n_batches = n_batches
        self.epoch = 0
        self.tables: list[pd.DataFrame] = []
        self.weights: dict[str, Mapping[str, Any]] = {}

    def run(self) -> None:
        """Train to the last checkpoint, going on from the files where there are any."""
        if not self._load():
            self._checkpoint([EpochLog()])
            self._save_state()
        for epoch in range(self.epoch + 1, self.settings.epochs + 1):
            logs = [self._train_epoch(track, epoch) for track in self.tracks]
            self.epoch = epoch
            self.report("epoch", epoch=epoch, **self._state_of_learning(logs[0]),
                        learning_s=logs[0].seconds, statistics_only_s=logs[1].seconds)  # fmt: skip
            if epoch in self.settings.checkpoints:
                self._checkpoint(logs)
            if epoch < self.settings.epochs:
                self._save_state()

    def _fresh_learner(self) -> Learner:
        return build_learner(self.settings, self.rule, self.seed, self.data.n_classes, self.device)

    def _train_epoch(self, track: Track, epoch: int) -> EpochLog:
        # A control sees the noise of its rule: only the change of weights tells them apart.
        # So do variants of one rule.
        known = rule_of(self.rule)
        stream = f"noise/{known.control_of or known.name}"
        log, noise = EpochLog(), generator(self.seed, stream, epoch)
        batches = epoch_batches(
            self.data.x_train,
            self.data.y_train,
            seed=self.seed,
            epoch=epoch,
            batch_size=self.settings.batch_size,
            augmentation=self.settings.augmentation,
            augmentations=profile_of(self.settings).augmentations,
        )
        started = told = time.perf_counter()
        for index, (x, y) in enumerate(batches):
            batch = track.trainer.step(x, y, noise)
            log.add(batch)
            if index % MEASURED_EVERY == 0:
                log.measure(track.learner, batch)
            if (now := time.perf_counter()) - told > _REPORTED_EVERY_S:
                told = now
                done = epoch - 1 + (track.statistics_only + (index + 1) / self.n_batches) / 2
                state = {} if track.statistics_only else self._state_of_learning(log)
                self.report("progress", epoch=done, phase=track.name, **state)
        log.seconds = time.perf_counter() - started
        return log

    def _state_of_learning(self, log: EpochLog) -> dict[str, float]:
        """Loss and accuracy of the epoch so far; displacement of the least moved scored layer of
        the body."""
        current, roles = self.tracks[0].learner.tensors(), self.tracks[0].learner.roles
        moved = [
            movement(self.initial[f"{layer}.weight"], current[f"{layer}.weight"]).displacement
            for layer in roles.scored
            if layer in roles.body
        ]
        row = log.row()
        return {
            "loss": row["train_loss"],
            "accuracy": row["train_accuracy"],
            "displacement": min(moved),
        }

    def _checkpoint(self, logs: Sequence[EpochLog]) -> None:
        """Evaluate the tracks that have a log, and write what is known by now."""
        self.report("progress", epoch=float(self.epoch), phase="evaluation")
        started = time.perf_counter()
        for track, log in zip(self.tracks, logs, strict=False):
            self._evaluate(track, log)
        seconds = time.perf_counter() - started
        table = pd.concat(self.tables, ignore_index=True)
        finished = self.epoch == self.settings.epochs
        self.store.save_results(self.epoch, table, self.weights, finished=finished)
        accuracy = float(self.tables[-len(logs)]["test_accuracy"].iloc[0])
        self.report("checkpoint", epoch=self.epoch, evaluation_s=seconds, n_evaluations=len(logs),
                    test_accuracy=accuracy)  # fmt: skip

    def _evaluate(self, track: Track, log: EpochLog) -> None:
        learner = track.learner
        table = self.data.evaluation.table(learner)
        table.insert(0, "rule", self.rule)
        table.insert(1, "seed", self.seed)
        table.insert(2, "epoch", self.epoch)
        table.insert(3, "statistics_only", track.statistics_only)
        table["test_accuracy"] = test_accuracy(learner, self.data.x_test, self.data.y_test)
        for name, value in (log.row() if log.n_batches else _EMPTY_ROW).items():
            table[name] = value
        per_layer = self._per_layer(learner, log)
        self.tables.append(table.join(per_layer, on="layer"))
        tensors = learner.tensors()
        name = f"epoch_{self.epoch}"
        if track.statistics_only:
            # What did not move stands in epoch_0: statistics and thresholds are all that is left.
            name = f"statistics_only_{self.epoch}"
            tensors = {k: t for k, t in tensors.items() if not torch.equal(t, self.initial[k])}
        self.weights[name] = {k: t.cpu().numpy().copy() for k, t in tensors.items()}

    def _per_layer(self, learner: Learner, log: EpochLog) -> pd.DataFrame:
        current = learner.tensors()
        rows = {}
        for layer in learner.roles.scored:
            moved = movement(self.initial[f"{layer}.weight"], current[f"{layer}.weight"])
            rows[layer] = {
                "displacement": moved.displacement,
                "direction_change": moved.direction_change,
                "layer_rule": learner.rule_of(layer),
                "adapts": moved_without_learning(learner),
                **{quantity: log.mean_of(quantity, layer) for quantity in log.measured},
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    def _save_state(self) -> None:
        self.store.save_state(self.epoch, {track.name: track.state() for track in self.tracks})

    def _load(self) -> bool:
        saved = self.store.load()
        if saved is None:
            return False
        for track in self.tracks:
            track.load_state(saved.tracks[track.name])
        self.epoch, self.tables, self.weights = saved.epoch, [saved.table], saved.weights
        return True


#: What a table says of an epoch that was not trained.
_EMPTY_ROW = {
    "train_loss": np.nan,
    "train_accuracy": np.nan,
    "energy_monotone_share": np.nan,
    "stop_reason": "",
}
