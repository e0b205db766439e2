"""The two files of a job: what it found, and what it needs to go on.

*Results* hold the table and the weights of every checkpoint; they grow and stay. The *resume
state* holds weights, statistics and optimiser moments of both tracks after the last epoch; it is
written after each epoch and removed with the last. Random streams need no state: they are functions
of seed, name and epoch (``neurosim.arrays.streams``). Results are written before the state of the
same epoch, so a state never stands alone; what results hold beyond it is computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurosim.arrays.storage import DamagedFileError, read_tree, set_aside, write_tree
from neurosim.experiments.data.types import StimulusSet, TrainingImages
from neurosim.experiments.job.revisions import refuse_older, revision_of
from neurosim.experiments.settings.config import Comparison, with_defaults
from neurosim.experiments.settings.texts import why_changed
from neurosim.experiments.system.failures import differences

Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Saved:
    """Where a job was left: after ``epoch``, with all checkpoints up to it."""

    epoch: int
    tracks: Tree
    table: pd.DataFrame
    weights: dict[str, Tree]


@dataclass(frozen=True)
class JobStore:
    """Reads and writes the files of one job.

    Args:
        results, resume: the two files.
        identity: what they must say of themselves (``job_identity``).
        on_damage: told of a damaged file in a sentence, after it was set aside.
    """

    results: Path
    resume: Path
    identity: str
    on_damage: Callable[[str], None] = print

    def is_finished(self) -> bool:
        """Whether the last checkpoint is there, whole.

        Raises:
            ValueError: the file is of a job with another identity; the message shows the
                difference.
        """
        tree = self._read(self.results)
        return tree is not None and bool(tree["finished"])

    def load(self) -> Saved | None:
        """What to go on from; None to begin anew."""
        results, state = self._read(self.results), self._read(self.resume)
        if results is None:
            return None
        # Jobs of before the two files were apart hold their state themselves.
        state = state or results
        if "tracks" not in state:
            return None
        epoch = int(state["epoch"])
        if epoch > int(results["epoch"]) and _checkpoint_between(self.identity, results, epoch):
            return None
        table = table_of(results)
        weights = {
            name: kept
            for name, kept in results["weights"].items()
            if int(name.rsplit("_", 1)[1]) <= epoch
        }
        return Saved(epoch, state["tracks"], table[table["epoch"] <= epoch], weights)

    def save_results(
        self, epoch: int, table: pd.DataFrame, weights: Mapping[str, Tree], *, finished: bool
    ) -> None:
        """Write what was found up to a checkpoint."""
        write_tree(
            self.results,
            {
                "identity": self.identity,
                "epoch": epoch,
                "finished": finished,
                "table": {name: table[name].to_numpy() for name in table},
                "column_order": list(table.columns),
                "weights": weights,
            },
        )
        if finished:
            self.resume.unlink(missing_ok=True)

    def save_state(self, epoch: int, tracks: Tree) -> None:
        """Write what is needed to go on after an epoch."""
        write_tree(self.resume, {"identity": self.identity, "epoch": epoch, "tracks": tracks})

    def _read(self, path: Path) -> dict[str, Any] | None:
        """A whole file; None where there is none, or none that can be used any more."""
        if not path.is_file():
            return None
        try:
            tree = read_tree(path)
            there = json.loads(tree["identity"])
        except (DamagedFileError, KeyError, json.JSONDecodeError) as error:
            kept = set_aside(path)
            what = "is damaged" if isinstance(error, DamagedFileError) else "is not a job's file"
            self.on_damage(f"{path} {what}: it is now {kept.name}, and is computed again")
            return None
        check_identity(path, there, json.loads(self.identity))
        return tree


def _checkpoint_between(identity: str, results: Tree, epoch: int) -> bool:
    """Whether the state is ahead of results that lack a checkpoint (an older copy, say)."""
    checkpoints = json.loads(identity).get("checkpoints", [])
    return any(int(results["epoch"]) < checkpoint <= epoch for checkpoint in checkpoints)


def table_of(tree: Tree) -> pd.DataFrame:
    """The result table in a job's tree."""
    return pd.DataFrame({name: tree["table"][name] for name in tree["column_order"]})


def read_table(path: Path) -> pd.DataFrame:
    """The result table of a job's file.

    Raises:
        FileNotFoundError, DamagedFileError: as ``read_tree``.
    """
    return table_of(read_tree(path, only=("table", "column_order")))


def job_identity(
    settings: Comparison, rule: str, seed: int, images: TrainingImages, stimuli: StimulusSet
) -> str:
    """Everything a job's numbers depend on, as JSON: a file of another job is not taken up."""
    identity = {
        **settings.cell_settings(),
        "rule": rule,
        "seed": seed,
        "training_sha256": images.sha256,
        "stimuli_sha256": stimuli.sha256,
        "revision": revision_of(settings, rule),
        # What is a user's own may change under the same name.
        **({"sources": sources} if (sources := settings.sources(rule)) else {}),
    }
    return json.dumps(identity, sort_keys=True)


def check_identity(path: Path, there: Tree, asked: Tree) -> None:
    """Refuse a file of another job, or of an earlier revision of its rule.

    Raises:
        ValueError: naming every difference.
    """
    there = {"revision": 1, **with_defaults(there)}
    if changed := why_changed(there.get("sources", {}), asked.get("sources", {})):
        raise ValueError(f"{path}: {changed}")
    other = differences(there, asked)
    if [words.split(":")[0] for words in other] == ["revision"]:
        refuse_older(path, [asked["rule"]])
    if other:
        raise ValueError(
            f"{path} is of another run ({'; '.join(other)}): move it away or give another --out"
        )
