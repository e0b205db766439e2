"""Digits without labels: competing spiking cells learn what handwritten digits look like.

    python experiments/unsupervised_digits.py --out runs/digits

After Diehl & Cook 2015 (10.3389/fncom.2015.00099), on the real digits that scikit-learn ships.
Writes ``results.csv``, ``receptive_fields.png`` and ``weights.h5``, and prints how well held-out
digits are told apart: by the trained network, by the same network untrained, and by linear probes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.experiments.settings.options import (
    Layer,
    Parser,
    add_options,
    build,
    option,
    require_folder,
    require_seeds,
)
from neurosim.experiments.system.failures import exit_status, require_same
from neurosim.experiments.system.threads import one_thread

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Settings:
    """What the numbers depend on, and where they go."""

    seeds: tuple[int, ...] = option((0, 1, 2), "each splits, draws and orders anew")
    epochs: int = option(8, "passes over the training digits")
    n_train: int = option(1400, "digits to learn from; the rest of 1,797 are held out")
    n_cells: int = option(100, "excitatory cells")
    image_px: int = option(28, "8: as they are; 28: as many inputs as MNIST (784)")
    batch_size: int = option(20, "digits whose changes are added up before the weights move")
    duration_ms: float = option(100.0, "length of a presentation")
    max_rate_hz: float = option(128.0, "Poisson rate of a white pixel")
    out: Path = option(Path("runs/digits"), "folder of the results")

    def __post_init__(self) -> None:
        for name in ("epochs", "n_cells", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        require_seeds("seeds", self.seeds)
        require_folder(self.out)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the experiment; returns the exit status."""
    one_thread()
    return exit_status(partial(_command, argv), interrupted="no result was written")


def _command(argv: Sequence[str] | None) -> None:
    parser = Parser(
        description=__doc__.split("\n")[0], epilog="The figure shows the first seed's network."
    )
    add_options(parser, Settings, "settings")
    layer = Layer.from_command_line(parser.parse_args(argv), Settings)
    print(run(build(Settings, Settings(), layer)))


def run(settings: Settings) -> str:
    """Train every seed, write the files; returns the table that is printed."""
    import pandas as pd
    import torch
    from tqdm import tqdm

    from neurosim.experiments.data import digits
    from neurosim.experiments.results.table import write_csv
    from neurosim.storage import whole_or_nothing, write_tree

    digits.check(settings.image_px, settings.n_train)
    asked = _asked(settings)
    networks = [network(settings, seed) for seed in settings.seeds]
    # A blank image: what cannot be encoded is refused before the digits are looked for.
    networks[0].counts(torch.zeros(1, settings.image_px, settings.image_px))
    splits = [digits.load(settings.image_px, settings.n_train, seed) for seed in settings.seeds]
    rows: list[dict[str, Any]] = []
    weights: dict[str, Any] = {}
    with (
        # Begun before the work, so that a folder that cannot be written to is refused at once.
        whole_or_nothing(settings.out / "asked.json") as record,
        tqdm(total=len(splits) * settings.epochs, unit="epoch", disable=None) as progress,
    ):
        record.write_text(asked, encoding="utf-8")
        for seed, net, data in zip(settings.seeds, networks, splits, strict=True):
            rows += evaluate("untrained", net, data, seed)[0]
            rows += [pixel_probe(data, seed)]
            train(net, settings, data.x_train, seed, progress)
            found, class_of_cell = evaluate("trained", net, data, seed)
            rows += found
            weights[f"seed{seed}"] = {
                "weight": net.layer.weight,
                "raised_mv": net.layer.raised,
                "class_of_cell": class_of_cell,
            }
    table = pd.DataFrame(rows)
    write_csv(settings.out / "results.csv", table)
    write_tree(settings.out / "weights.h5", weights)
    first = weights[f"seed{settings.seeds[0]}"]
    draw(first["weight"], first["class_of_cell"], settings)
    mean = table.groupby(["network", "read_by"], sort=False)["accuracy"].agg(["mean", "min", "max"])
    text = (100 * mean).round(1).to_string()
    return f"accuracy on held-out digits, %, {len(splits)} seed(s); chance is 10\n{text}"


def _asked(settings: Settings) -> str:
    """What the folder will be of, as JSON.

    Raises:
        ValueError: it is of other settings already, naming what differs.
    """
    asked = {**asdict(settings), "seeds": list(settings.seeds)}
    del asked["out"]
    require_same(settings.out / "asked.json", asked)
    return json.dumps(asked, indent=2) + "\n"


def network(settings: Settings, seed: int):
    """The untrained network of a seed, its weights already sharing their fixed sum."""
    from neurosim.models.spiking.competitive import (
        Competition,
        CompetitiveLayer,
        CompetitiveNetwork,
        IncomingSum,
    )
    from neurosim.spiking.encoders.registry import Poisson
    from neurosim.streams import generator

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


#: Thresholds rise four times as fast as in the paper, which shows 60,000 digits several times for
#: 350 ms each: here every cell has to find its place within some 10,000 presentations of 100 ms.
RISE_MV = 0.2


def train(net, settings: Settings, x: torch.Tensor, seed: int, progress) -> None:
    """All passes over the images ``x``, without labels."""
    import torch

    from neurosim.models.spiking.competitive import IncomingSum
    from neurosim.rule import LearningRule, run_batch
    from neurosim.solvers import Ticks
    from neurosim.spiking.timing.reductions import SumOverBatch
    from neurosim.spiking.timing.rules import AllPairs
    from neurosim.spiking.timing.traces import TraceSTDP
    from neurosim.streams import generator
    from neurosim.training import cosine
    from neurosim.types import Drive

    # Potentiation only, as the fixed sum of a cell's weights depresses what does not grow.
    timing = AllPairs(a_plus=0.002, a_minus=0.0)
    plasticity = TraceSTDP(timing, net.dynamics.dt_ms, SumOverBatch())
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
        progress.update()


def evaluate(name: str, net, data, seed: int) -> tuple[list[dict[str, Any]], torch.Tensor]:
    """Accuracy on held-out digits by the class of each cell, and by a linear probe on counts;
    beside these rows, the class of each cell."""
    from neurosim.experiments.data.digits import N_CLASSES
    from neurosim.models.spiking.competitive import ClassOfCell

    train, test = net.counts(data.x_train), net.counts(data.x_test)
    cells = ClassOfCell.of(train, data.y_train, N_CLASSES)
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
    import matplotlib
    import numpy as np
    from matplotlib.figure import Figure

    from neurosim.experiments.figures.style import RC, save

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


if __name__ == "__main__":
    sys.exit(main())
