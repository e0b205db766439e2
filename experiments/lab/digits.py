"""Digits without labels: competing spiking cells, a seed a task, and what a seed is read by.

After Diehl & Cook 2015 (10.3389/fncom.2015.00099), on the real digits that scikit-learn ships.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from neurosim.arrays.storage import read_tree, write_tree
from neurosim.arrays.streams import generator
from neurosim.experiments.data import digits
from neurosim.experiments.engine.runners import runner_of
from neurosim.experiments.engine.tasks import AbstractPart
from neurosim.experiments.figures.style import KINDS, RC, save
from neurosim.experiments.job.events import Report
from neurosim.experiments.lab.digits_settings import Settings
from neurosim.experiments.progress.run import finished
from neurosim.experiments.results.table import write_csv
from neurosim.experiments.results.trees import table_of, tree_of
from neurosim.experiments.results.words import counted
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.settings.config import Execution
from neurosim.models.spiking.competitive import (
    ClassOfCell,
    Competition,
    CompetitiveLayer,
    CompetitiveNetwork,
    IncomingSum,
)
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import Ticks
from neurosim.spiking.encoders.registry import Poisson
from neurosim.spiking.timing.reductions import SumOverBatch
from neurosim.spiking.timing.rules import AllPairs
from neurosim.spiking.timing.traces import TraceSTDP
from neurosim.training import cosine
from neurosim.types import Drive

#: Thresholds rise four times as fast as in the paper, which shows 60,000 digits several times for
#: 350 ms each: here every cell has to find its place within some 10,000 presentations of 100 ms.
RISE_MV = 0.2


class DigitsFolder(AskedFolder):
    """A part per seed."""

    def completed(self, record: dict[str, Any]) -> dict[str, Any]:
        # Records of before are the settings alone.
        return record if "settings" in record else {"settings": record}


@dataclass(frozen=True)
class DigitsTask(AbstractPart):
    """One seed: its network read out, trained and read out again."""

    settings: Settings

    @property
    def label(self) -> str:
        """All seeds do the same."""
        return "digits"

    @property
    def n_steps(self) -> int:
        """Epochs."""
        return self.settings.epochs

    def compute(self, report: Report) -> Mapping[str, Any]:
        """``rows``: of the table, by column. ``network``: its weights, and what cells stand for."""
        settings, seed = self.settings, self.seed
        data = digits.load(settings.image_px, settings.n_train, seed)
        net = network(settings, seed)
        rows = evaluate("untrained", net, data, seed)[0]
        rows += [pixel_probe(data, seed)]
        train(net, settings, data.x_train, seed, lambda done: report("epoch", epoch=done))
        found, class_of_cell = evaluate("trained", net, data, seed)
        return {
            "rows": tree_of(pd.DataFrame(rows + found)),
            "network": {
                "weight": net.layer.weight,
                "raised_mv": net.layer.raised,
                "class_of_cell": class_of_cell,
            },
        }


def run(settings: Settings) -> str:
    """Train every seed, write the files; returns the table that is printed."""
    digits.check(settings.image_px, settings.n_train)
    # A blank image: what cannot be encoded is refused before the digits are looked for.
    first = network(settings, settings.seeds[0])
    first.counts(torch.zeros(1, settings.image_px, settings.image_px))
    folder = DigitsFolder(settings.out)
    asked = asdict(settings)
    del asked["out"], asked["workers"]
    with folder.held():
        # Before the work, so that a folder that cannot be written to is refused at once.
        folder.record_asked({"settings": asked})
        tasks = [DigitsTask(settings, seed=seed, folder=folder.path) for seed in settings.seeds]
        runner = runner_of(Execution(workers=settings.workers))
        derived = finished(folder, tasks, runner, settings.workers)
        return derived.words(lambda: _write(folder, tasks, settings))


def _write(
    folder: AskedFolder, tasks: list[DigitsTask], settings: Settings
) -> tuple[str, list[str]]:
    """Table, weights and figure; returns the printed table, and the names of the files."""
    parts = [read_tree(folder.part(task.stem)) for task in tasks]
    table = pd.concat([table_of(part["rows"]) for part in parts], ignore_index=True)
    write_csv(folder.path / "results.csv", table)
    weights = {f"seed{task.seed}": p["network"] for task, p in zip(tasks, parts, strict=True)}
    write_tree(folder.path / "weights.h5", weights)
    first = parts[0]["network"]
    draw(torch.as_tensor(first["weight"]), torch.as_tensor(first["class_of_cell"]), settings)
    mean = table.groupby(["network", "read_by"], sort=False)["accuracy"].agg(["mean", "min", "max"])
    text = (100 * mean).round(1).to_string()
    return (
        f"accuracy on held-out digits, %, {counted(len(tasks), 'seed')}; chance is 10\n{text}",
        ["results.csv", "weights.h5", *(f"receptive_fields.{kind}" for kind in KINDS)],
    )


def network(settings: Settings, seed: int) -> CompetitiveNetwork:
    """The untrained network of a seed, its weights already sharing their fixed sum."""
    dynamics = Competition(
        encoder=Poisson(max_rate_hz=settings.max_rate_hz),
        duration_ms=settings.duration_ms,
        rise_mv=RISE_MV,
    )
    layer = CompetitiveLayer(
        "Excitatory", settings.image_px**2, settings.n_cells, generator=generator(seed, "init")
    )
    net = CompetitiveNetwork(layer, dynamics, evaluation_seed=seed)
    IncomingSum().apply(net)
    return net


def train(
    net: CompetitiveNetwork, settings: Settings, x: torch.Tensor, seed: int,
    told: Callable[[int], None],
) -> None:  # fmt: skip
    """All passes over the images ``x``, without labels; tells how many are done."""
    # Potentiation only, as the fixed sum of a cell's weights depresses what does not grow.
    timing = AllPairs(a_plus=0.002, a_minus=0.0)
    plasticity = TraceSTDP(timing, SumOverBatch())
    rule = LearningRule("stdp", net.dynamics, Ticks(), plasticity)
    constraint, weight = IncomingSum(), net.layer.weight
    n_steps, step = settings.epochs * -(-len(x) // settings.batch_size), 0
    for epoch in range(settings.epochs):
        order = torch.randperm(len(x), generator=generator(seed, "order", epoch))
        spikes = generator(seed, "spikes", epoch)
        for chosen in order.split(settings.batch_size):
            outcome = run_batch(rule, net, Drive(x[chosen], None, spikes))
            change = outcome.changes[f"{net.layer.name}.weight"]
            weight.add_(change, alpha=0.1 + 0.9 * cosine(step / n_steps))
            constraint.apply(net)
            step += 1
        told(epoch + 1)


def evaluate(name: str, net, data, seed: int) -> tuple[list[dict[str, Any]], torch.Tensor]:
    """Accuracy on held-out digits by the class of each cell, and by a linear probe on counts;
    beside these rows, the class of each cell."""
    train, test = net.counts(data.x_train), net.counts(data.x_test)
    cells = ClassOfCell.of(train, data.y_train, digits.N_CLASSES)
    common = {
        "seed": seed,
        "network": name,
        "spikes_per_image": float(test.sum(1).mean()),
        "silent_cells": int((train.sum(0) == 0).sum()),
    }
    by_class = float((cells.predict(test) == data.y_test).double().mean())
    probe = linear_probe(train, data.y_train, test, data.y_test)
    rows = [
        {**common, "read_by": "class of cell", "accuracy": by_class},
        {**common, "read_by": "linear probe", "accuracy": probe},
    ]
    return rows, cells.classes


def pixel_probe(data, seed: int) -> dict[str, Any]:
    """What a linear read-out of the pixels reaches: the digits are an easy set."""
    accuracy = linear_probe(
        data.x_train.flatten(1), data.y_train, data.x_test.flatten(1), data.y_test
    )
    return {"seed": seed, "network": "pixels", "read_by": "linear probe", "accuracy": accuracy}


def linear_probe(x_train, y_train, x_test, y_test) -> float:
    """Accuracy of a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    probe.fit(x_train.numpy(), y_train.numpy())
    return float(probe.score(x_test.numpy(), y_test.numpy()))


def draw(weight: torch.Tensor, class_of_cell: torch.Tensor, settings: Settings) -> None:
    """Every cell's weights as an image, sorted by the class that it stands for."""
    px, n = settings.image_px, len(weight)
    columns = max(1, round((2 * n) ** 0.5))
    rows = -(-n // columns)
    # One picture of all fields, with room between them and for a name above each.
    wide, high = px + 3, px + 9
    mosaic = np.full((rows * high, columns * wide), np.nan)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(0.5 * columns, 0.6 * rows + 0.35), layout="constrained")
        axes = figure.subplots()
        axes.set_axis_off()
        for place, cell in enumerate(class_of_cell.argsort(stable=True).tolist()):
            top, left = high * (place // columns) + 8, wide * (place % columns) + 1
            mosaic[top : top + px, left : left + px] = weight[cell].view(px, px).numpy()
            name = int(class_of_cell[cell])
            axes.text(left + px / 2, top - 1.5, str(name) if name >= 0 else "silent",
                      ha="center", fontsize=6.5)  # fmt: skip
        axes.imshow(mosaic, cmap="magma", vmin=0, interpolation="nearest")
        axes.set_title(
            f"What {n} cells learned (seed {settings.seeds[0]}), and the digit each stands for"
        )
        save(figure, settings.out, "receptive_fields", dpi=130)
