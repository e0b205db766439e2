"""The published profile against the published numbers: weights moved, and training accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from neurosim.arrays.storage import read_tree, write_text, write_tree
from neurosim.arrays.streams import generator
from neurosim.experiments.data.loaded import training_images_of
from neurosim.experiments.engine.runners import runner_of
from neurosim.experiments.engine.tasks import AbstractTask
from neurosim.experiments.job.batches import epoch_batches, normalise
from neurosim.experiments.job.events import Report
from neurosim.experiments.job.job import build_learner
from neurosim.experiments.job.switches import profile_of
from neurosim.experiments.progress.run import finished
from neurosim.experiments.published.targets import BOUNDED, LAYERS, PUBLISHED
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.settings.config import Comparison, Execution
from neurosim.models.rule_table import rule_of
from neurosim.training import Trainer, movement

Logged = dict[str, list[float]]


class NumbersFolder(AskedFolder):
    """A file per rule and seed, rewritten after each epoch."""

    parts = ""


@dataclass(frozen=True)
class TrainingTask(AbstractTask):
    """One rule's training, without any evaluation."""

    settings: Comparison
    rule: str

    @property
    def label(self) -> str:
        """The rule."""
        return self.rule

    @property
    def n_steps(self) -> int:
        """Epochs."""
        return self.settings.epochs

    @property
    def cost(self) -> float:
        """Of an epoch, by the rule."""
        return rule_of(self.rule).cost

    def perform(self, report: Report) -> None:
        """Train to the end, from where the file is: a list an epoch for each quantity."""
        settings, path = self.settings, NumbersFolder(self.folder).part(self.stem)
        images = training_images_of(settings.training, self.data_dir)
        subset = images.subset(settings.n_train, None, self.seed)
        x, y = normalise(subset.x_train), torch.as_tensor(subset.y_train)
        learner = build_learner(settings, self.rule, self.seed, len(images.class_names))
        initial = {name: t.clone() for name, t in learner.tensors().items()}
        n_steps = len(x) // settings.batch_size * settings.epochs
        trainer = Trainer(learner.parts, n_steps)
        identity = f"{settings.cell_settings()} {self.rule} {self.seed} {images.sha256}"
        log: Logged = {name: [] for name in (*LAYERS, "accuracy")}
        if path.is_file():
            tree = read_tree(path)
            if tree["identity"] != identity:
                raise ValueError(f"{path} is of another training: give another --out")
            learner.load(tree["tensors"])
            trainer.load_state(tree["trainer"])
            log = logged(path)
        begun = len(log["accuracy"])
        augmentations = profile_of(settings).augmentations
        for epoch in range(begun + 1, settings.epochs + 1):
            n_correct = n_seen = 0
            noise = generator(self.seed, f"noise/{self.rule}", epoch)
            for batch in epoch_batches(
                x, y, seed=self.seed, epoch=epoch, batch_size=settings.batch_size,
                augmentation=settings.augmentation, augmentations=augmentations,
            ):  # fmt: skip
                done = trainer.step(*batch, noise)
                n_correct, n_seen = n_correct + done.n_correct, n_seen + done.n_images
            now = learner.tensors()
            for name in LAYERS:
                moved = movement(initial[f"{name}.weight"], now[f"{name}.weight"])
                log[name].append(100 * moved.displacement)
            log["accuracy"].append(n_correct / n_seen)
            state = {"tensors": now, "trainer": trainer.state(), "log": log}
            write_tree(path, {"identity": identity, **state})
            report("epoch", epoch=epoch, accuracy=log["accuracy"][-1],
                   displacement=min(log[name][-1] for name in LAYERS) / 100)  # fmt: skip
        report("finished", before=begun == settings.epochs)


def logged(path: Path) -> Logged:
    """Quantity -> its value after each epoch, from the file of one training."""
    tree = read_tree(path, only=("log",))
    return {name: list(map(float, values)) for name, values in tree["log"].items()}


def run(settings: Comparison, execution: Execution, out: Path) -> str:
    """Train every rule, write ``published_numbers.csv``; returns the table."""
    (seed,) = settings.seeds
    images, folder = training_images_of(settings.training, execution.data_dir), NumbersFolder(out)
    with folder.held():
        folder.record_asked(
            {
                "command": "published_numbers",
                "settings": settings.cell_settings(),
                "data": {"training": images.sha256},
            }
        )
        tasks = [
            TrainingTask(settings, rule, seed=seed, folder=out, data_dir=execution.data_dir)
            for rule in settings.rules
        ]
        finished(folder, tasks, runner_of(execution), execution.workers)
        table = compared({task.rule: logged(folder.part(task.stem)) for task in tasks})
        write_text(out / "published_numbers.csv", table.to_csv(index=False))
    return table.to_string(index=False, float_format=lambda v: f"{v:.4g}", na_rep="-")


def compared(measured: Mapping[str, Mapping[str, Sequence[float]]]) -> pd.DataFrame:
    """A table: rule, quantity, measured (last epoch), published, ``deviation`` (relative; NaN where
    the published figure is absent, a bound or 0), ``agrees`` (within 15 %, or within the bound)."""
    rows = []
    for rule, log in measured.items():
        moved, accuracy = PUBLISHED[rule]
        targets = [*zip((f"{name} moved (%)" for name in LAYERS), LAYERS, moved, strict=True),
                   ("training accuracy", "accuracy", accuracy)]  # fmt: skip
        for quantity, key, published in targets:
            value, agrees = log[key][-1], None
            relative = np.nan
            if published is not None:
                bound = rule in BOUNDED and key != "accuracy"
                if not bound and published:
                    relative = value / published - 1
                # 0.0 is printed to one decimal.
                agrees = value < max(published, 0.05) if bound or not published else (
                    abs(relative) <= 0.15
                )  # fmt: skip
            rows.append(
                {
                    "rule": rule,
                    "quantity": quantity,
                    "epochs": len(log[key]),
                    "measured": value,
                    "published": published,
                    "deviation": relative,
                    "agrees": agrees,
                }
            )
    return pd.DataFrame(rows)
