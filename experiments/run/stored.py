"""A finished run as later evaluations need it: its settings, and the networks its cells hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurosim.experiments.job.job import read_table
from neurosim.experiments.job.revisions import revision_of
from neurosim.experiments.run.record import RunRecord
from neurosim.experiments.settings.config import Comparison
from neurosim.storage import DamagedFileError, read_tree

#: What a network's weights have been through.
INITIALISED, STATISTICS_ONLY, TRAINED = "initialised", "statistics-only", "trained"
WEIGHTS = (INITIALISED, STATISTICS_ONLY, TRAINED)


@dataclass(frozen=True)
class State:
    """One network of one cell.

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
                # Runs made before cells kept this state hold it for going on from the last epoch.
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


@dataclass(frozen=True)
class StoredRun:
    """What a run folder holds.

    settings: of the run, with every rule and seed that was ever asked for.
    cells: (rule, seed) -> file, finished ones of today's revision; unfinished: names of the others.
    data: SHA-256 of training images and stimuli.
    """

    path: Path
    settings: Comparison
    cells: Mapping[tuple[str, int], Path]
    unfinished: Sequence[str]
    data: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> StoredRun:
        """Read ``run.json`` and look at every cell.

        Raises:
            FileNotFoundError: no run there.
            ValueError: none of its cells is finished, or
                run.json is not what a run writes.
        """
        record = RunRecord.read(path)
        finished: dict[tuple[str, int], Path] = {}
        unfinished = []
        for (rule, seed), file in record.cells().items():
            tree = read_tree(file, only=("finished", "identity")) if file.is_file() else {}
            revision = json.loads(tree.get("identity", "{}")).get("revision", 1)
            if tree.get("finished") and revision != revision_of(record.settings, rule):
                # Its networks would be shown images through another front end than they had.
                unfinished.append(f"{rule} seed {seed} (of an earlier revision)")
            elif tree.get("finished"):
                finished[rule, seed] = file
            else:
                unfinished.append(f"{rule} seed {seed}")
        if not finished:
            raise ValueError(
                f"no cell of {path} is finished ({', '.join(unfinished)}): run the comparison to "
                "its end first"
            )
        return cls(record.path, record.settings, finished, unfinished, record.data)

    def states(self, epochs: Sequence[int] | None = None) -> list[State]:
        """The three zero points and ends of every cell, or of these trained epochs.

        Args:
            epochs: checkpoints > 0; None: the last one.

        Raises:
            ValueError: an epoch is no checkpoint of the run.
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
            State(rule, seed, weights, epoch, path)
            for (rule, seed), path in self.cells.items()
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
        tables = [read_table(path) for path in self.cells.values()]
        rows = [t[~t["statistics_only"].astype(bool)][columns].drop_duplicates() for t in tables]
        return pd.concat(rows, ignore_index=True)
