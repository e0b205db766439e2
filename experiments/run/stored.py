"""The one reader of a run folder: what was asked, how far each job is, the networks they hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from neurosim.arrays.storage import DamagedFileError, read_tree
from neurosim.experiments.job.job import build_learner
from neurosim.experiments.job.network import network_of
from neurosim.experiments.job.revisions import revision_of
from neurosim.experiments.job.store import read_table
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import Comparison
from neurosim.experiments.settings.texts import why_changed
from neurosim.models.rules.learner import Learner
from neurosim.naming.own import MissingSourceError

#: What a network's weights have been through.
INITIALISED, STATISTICS_ONLY, TRAINED = "initialised", "statistics-only", "trained"
WEIGHTS = (INITIALISED, STATISTICS_ONLY, TRAINED)


@dataclass(frozen=True)
class State:
    """One network of one job.

    weights: one of ``WEIGHTS``. epoch: after how many passes (0 for initialised).
    """

    rule: str
    seed: int
    weights: str
    epoch: int
    path: Path

    @property
    def name(self) -> str:
        """The state in words."""
        return f"{self.rule} seed {self.seed}, {self.weights}, epoch {self.epoch}"

    def tensors(self) -> dict[str, Any]:
        """Every tensor by name, as arrays.

        Raises:
            DamagedFileError: the file does not hold this state.
        """
        kept = read_tree(self.path, only=("weights",)).get("weights", {})
        name = f"epoch_{self.epoch}"
        if self.weights == STATISTICS_ONLY:
            moved = kept.get(f"statistics_only_{self.epoch}")
            if moved is None:
                # Runs made before jobs kept this state hold it for going on from the last epoch.
                tree = read_tree(self.path, only=("epoch", "tracks"))
                if tree["epoch"] == self.epoch and "statistics_only" in tree.get("tracks", {}):
                    moved = tree["tracks"]["statistics_only"]["tensors"]
            if moved is not None:
                return {**kept["epoch_0"], **moved}
        elif name in kept:
            return kept[name]
        raise DamagedFileError(
            f"{self.path} holds no {self.weights} network of epoch {self.epoch}: "
            "run the comparison again into another folder"
        )

    def learner(self, settings: Comparison) -> Learner:
        """The network, ready to be shown something."""
        return learner_of(settings, self.rule, self.seed, self.tensors())


def learner_of(settings: Comparison, rule: str, seed: int, tensors: Mapping[str, Any]) -> Learner:
    """The network of a job with these tensors; those of other checkpoints can be loaded into it."""
    n_classes = len(tensors[f"{network_of(settings).layers[-1].name}.bias"])
    learner = build_learner(settings, rule, seed, n_classes)
    learner.load(tensors)
    return learner


@dataclass(frozen=True)
class StoredJob:
    """How far one job is.

    epoch: its last checkpoint; None where nothing can be read. is_finished: that is the last one.
    is_current: of today's revision of its rule. note: why nothing can be read; empty else.
    """

    rule: str
    seed: int
    path: Path
    epoch: int | None = None
    is_finished: bool = False
    is_current: bool = True
    note: str = ""

    @classmethod
    def read(cls, settings: Comparison, rule: str, seed: int, path: Path) -> StoredJob:
        """Look at a job's file."""
        if not path.is_file():
            return cls(rule, seed, path, note="not begun")
        try:
            tree = read_tree(path, only=("epoch", "finished", "identity"))
            revision = json.loads(tree.get("identity", "{}")).get("revision", 1)
            return cls(rule, seed, path, int(tree["epoch"]), bool(tree["finished"]),
                       revision == revision_of(settings, rule))  # fmt: skip
        except (DamagedFileError, KeyError) as error:
            return cls(rule, seed, path, note=f"cannot be read: {error}")

    @property
    def name(self) -> str:
        """The job as named in sentences."""
        # Networks of an earlier one would be shown images through another front end than they had.
        old = self.is_finished and not self.is_current
        return f"{self.rule} seed {self.seed}" + " (of an earlier revision)" * old

    @property
    def in_words(self) -> str:
        """Its state."""
        if self.epoch is None:
            return self.note
        return "finished" if self.is_finished else f"in flight, after epoch {self.epoch}"


@dataclass(frozen=True)
class StoredRun:
    """What a run folder holds, finished or not.

    settings: of the run, with every rule and seed that was ever asked for.
    record: ``run.json`` as it stands.
    """

    path: Path
    settings: Comparison
    record: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> StoredRun:
        """Read the ``run.json`` of a run folder.

        Raises:
            FileNotFoundError: no run there.
            ValueError: a file, not a folder; ``run.json`` is not what a run writes; or something of
                a user's own in it is gone or has changed.
        """
        folder = RunFolder(Path(path))
        if not folder.is_claimed:
            raise FileNotFoundError(
                f"no run in {path} (it has no {folder.record.name}): give the folder that "
                "a comparison wrote"
            )
        try:
            record = json.loads(folder.record.read_text(encoding="utf-8"))
            asked = {"rules": record["rules"], "seeds": [int(s) for s in record["seeds"]]}
            settings = Comparison.from_dict({**record["settings"], **asked})
            record["data"] = {name: str(sha256) for name, sha256 in record["data"].items()}
        except MissingSourceError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{folder.record} is not what this version writes ({_lack(error)}): restore it, or "
                "run the comparison again into another folder"
            ) from error
        if changed := why_changed(record.get("sources", {}), settings.sources()):
            raise ValueError(f"{path}: {changed}")
        return cls(folder.path, settings, record)

    @property
    def data(self) -> Mapping[str, str]:
        """SHA-256 of the ``training`` images and the ``stimuli``."""
        return self.record["data"]

    @cached_property
    def jobs(self) -> list[StoredJob]:
        """Every job that was ever asked for, there or not, in the order of the settings."""
        folder = RunFolder(self.path)
        return [
            StoredJob.read(self.settings, rule, seed, folder.cell(rule, seed))
            for rule in self.settings.rules
            for seed in self.settings.seeds
        ]

    @cached_property
    def readable(self) -> list[StoredJob]:
        """The jobs with a checkpoint."""
        return [job for job in self.jobs if job.epoch is not None]

    @cached_property
    def finished(self) -> list[StoredJob]:
        """The jobs with their last checkpoint, of today's revision."""
        return [job for job in self.jobs if job.is_finished and job.is_current]

    @property
    def unfinished(self) -> list[str]:
        """Names of the others."""
        return [job.name for job in self.jobs if job not in self.finished]

    @property
    def n_finished(self) -> int:
        """Jobs with their last checkpoint."""
        return sum(job.is_finished for job in self.jobs)

    @property
    def is_partial(self) -> bool:
        """Whether any job asked for is not finished."""
        return self.n_finished < len(self.jobs)

    def require_checkpoint(self) -> StoredRun:
        """This run, if any of its jobs has reached a checkpoint.

        Raises:
            ValueError: none has.
        """
        if not self.readable:
            raise ValueError(
                f"no job of {self.path} has reached a checkpoint: a report needs one; wait, or run "
                "the comparison"
            )
        return self

    def require_finished(self) -> StoredRun:
        """This run, if any of its jobs is finished.

        Raises:
            ValueError: none is.
        """
        if not self.finished:
            raise ValueError(
                f"no job of {self.path} is finished ({', '.join(self.unfinished)}): run the "
                "comparison to its end first"
            )
        return self

    def weights(self, job: StoredJob, epoch: int) -> dict[str, Any]:
        """Every tensor of a job after a checkpoint, as arrays."""
        return State(job.rule, job.seed, TRAINED, epoch, job.path).tensors()

    def furthest(self, rule: str) -> StoredJob | None:
        """The job of a rule that is shown where one has to stand for all: the furthest, and of
        those the first seed."""
        of_rule = [job for job in self.readable if job.rule == rule]
        return max(of_rule, key=lambda job: job.epoch or 0, default=None)

    def states(self, epochs: Sequence[int] | None = None) -> list[State]:
        """The three zero points and ends of every finished job, or of these trained epochs.

        Args:
            epochs: checkpoints > 0; None: the last one.

        Raises:
            ValueError: an epoch is not a checkpoint of the run.
        """
        last = self.settings.epochs
        wanted = [last] if epochs is None else list(epochs)
        there = self.settings.checkpoints[1:]
        unknown = [str(epoch) for epoch in wanted if epoch not in there]
        if unknown:
            raise ValueError(
                f"no checkpoint after epoch {', '.join(unknown)}: "
                f"{self.path} holds {', '.join(map(str, there))}"
            )
        return [
            State(job.rule, job.seed, weights, epoch, job.path)
            for job in self.finished
            for weights, epoch in [
                (INITIALISED, 0),
                (STATISTICS_ONLY, last),
                *((TRAINED, epoch) for epoch in wanted),
            ]
        ]

    def movement(self) -> pd.DataFrame:
        """Per rule, seed, epoch and layer: displacement, direction change and what goes with it."""
        columns = [
            "rule", "seed", "epoch", "layer", "layer_rule", "displacement", "direction_change",
            "test_accuracy",
        ]  # fmt: skip
        tables = [read_table(job.path) for job in self.finished]
        rows = [t[~t["statistics_only"].astype(bool)][columns].drop_duplicates() for t in tables]
        return pd.concat(rows, ignore_index=True)


def _lack(error: Exception) -> str:
    """What is wrong with a record, in words."""
    if isinstance(error, json.JSONDecodeError):
        return "it is not JSON"
    if isinstance(error, KeyError):
        return f"it has no entry {error.args[0]!r}"
    if isinstance(error, ValueError):
        return str(error)
    return "its entries are other ones"
