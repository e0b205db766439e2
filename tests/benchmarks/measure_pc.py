"""Predictive coding on CIFAR-10 beside its controls; prints one table.

    NEUROSIM_DATA=... python tests/benchmarks/measure_pc.py supervised --seeds 42 123 456
    NEUROSIM_DATA=... python tests/benchmarks/measure_pc.py hybrid --seeds 42 123 456

8,000 training images, batch 128, no augmentation, 2,000 held-out images (standard error of an
accuracy about .011).
"""

from __future__ import annotations

import argparse
import copy
import itertools
from dataclasses import dataclass, field

import pandas as pd
import pc_bench as bench
import torch
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.models.catalogue import RULES, backprop
from neurosim.models.network.graph import Network
from neurosim.models.rules.generative import reconstruct
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.models.rules.pc_hybrid import HybridPredictiveCoding
from neurosim.models.spiking.feature_measures import participation_ratio, unexplained_variance
from neurosim.rule import LearningRule, run_batch
from neurosim.training import BatchLog, initial_weights, movement
from neurosim.types import Drive

CONVOLUTIONS = ("Conv1", "Conv2", "Conv3")


@dataclass
class EnergySteps:
    """Counts relaxation steps that did not raise the energy."""

    n_fallen: int = 0
    n_steps: int = 0
    reasons: set[str] = field(default_factory=set)

    def __call__(self, log: BatchLog) -> None:
        settled = log.outcomes[0].settled
        self.n_fallen += sum(b <= a for a, b in itertools.pairwise(settled.energies))
        self.n_steps += max(len(settled.energies) - 1, 0)
        self.reasons.add(settled.reason)

    @property
    def monotone(self) -> float:
        return self.n_fallen / self.n_steps if self.n_steps else float("nan")


def cosines_with_bp(
    rule: LearningRule, net: Network, images: bench.Images, seed: int
) -> dict[str, float]:
    """Cosine of each weight change with BP's in the same weights, the mean over four batches."""
    net, sums = copy.deepcopy(net), dict.fromkeys(CONVOLUTIONS, 0.0)
    for index, (x, y) in enumerate(itertools.islice(bench.batches(images, seed, 0), 4)):
        changes = [
            run_batch(r, net, Drive(x, y, generator(seed, "cosine", index))).changes
            for r in (rule, backprop())
        ]
        for name in sums:
            ours, theirs = (c[f"{name}.weight"].flatten() for c in changes)
            sums[name] += float(torch.nn.functional.cosine_similarity(ours, theirs, dim=0)) / 4
    return sums


def moved(net: Network, start: dict[str, Tensor]) -> dict[str, float]:
    """Displacement and direction change of each convolution."""
    columns = {}
    for layer in net.layers[:3]:
        change = movement(start[layer.name], layer.weight.detach())
        columns[f"disp {layer.name}"] = change.displacement
        columns[f"turn {layer.name}"] = change.direction_change
    return columns


def supervised(seed: int, n_epochs: int) -> list[dict]:
    images, rows = bench.load(seed), []
    for name in ("bp", "pc-supervised", "frozen-conv"):
        learner, steps = RULES[name](SharedStart(seed)), EnergySteps()
        net, row = learner.parts[0].net, {"seed": seed, "rule": name}
        start = initial_weights(net)

        def note(epoch: int, learner=learner, net=net, row=row, name=name) -> None:
            if epoch:
                row[f"acc {epoch}"] = bench.accuracy(learner, images)
            if epoch == 1 and name == "pc-supervised":
                found = cosines_with_bp(learner.parts[0].rule, net, images, seed)
                row.update({f"cos {key}": value for key, value in found.items()})

        bench.train(learner, images, seed, n_epochs, each_batch=steps, each_epoch=note)
        rows.append(row | {"monotone": steps.monotone} | moved(net, start))
        print(rows[-1], flush=True)
    return rows


def features(learner: Learner, images: bench.Images) -> tuple[Tensor, Tensor]:
    """Conv3 with statistics calibrated on clean training images."""
    statistics = bench.calibrated(learner, images.x[:2000])
    return tuple(
        bench.represent(learner, x, "Conv3", statistics) for x in (images.x, images.x_test)
    )  # type: ignore[return-value]


def feature_row(learner: Learner, images: bench.Images) -> dict[str, float]:
    train, test = features(learner, images)
    return {
        "probe": bench.ridge_probe(train, images.y, test, images.y_test),
        "participation": participation_ratio(test),
        "dead": float((test.amax((0, 2, 3)) <= 0).sum()),
    }


def image_error(learner: Learner, images: bench.Images) -> float:
    """Unexplained variance of 512 held-out images predicted from the feed-forward sweep."""
    part = learner.parts[0]
    dynamics = part.rule.dynamics
    assert isinstance(dynamics, HybridPredictiveCoding)
    statistics = bench.calibrated(learner, images.x[:2000])
    x = images.x_test[:512]
    lowest = bench.represent(learner, x, "Conv1", statistics)
    return unexplained_variance(x, reconstruct(dynamics.generative, lowest))


def randomly_displaced(start: SharedStart, trained: Network, seed: int) -> Learner:
    """Untrained convolutions moved as far as the trained ones, in a random direction."""
    learner = RULES["untrained"](start)
    draw = generator(seed, "random displacement")
    with torch.no_grad():
        for layer, other in zip(learner.parts[0].net.layers, trained.layers, strict=False):
            way = torch.randn(layer.weight.shape, generator=draw)
            layer.weight += way * ((other.weight - layer.weight).norm() / way.norm())
    return learner


def hybrid(seed: int, n_epochs: int) -> list[dict]:
    images, start = bench.load(seed), SharedStart(seed)
    untrained = RULES["untrained"](start)
    rows = [{"seed": seed, "rule": "untrained"} | feature_row(untrained, images)]
    learner, steps = RULES["pc"](start), EnergySteps()
    net = learner.parts[0].net
    weights, row = initial_weights(net), {"seed": seed, "rule": "pc"}

    def note(epoch: int) -> None:
        row[f"image error {epoch}"] = image_error(learner, images)
        if 0 < epoch < n_epochs:
            row[f"probe {epoch}"] = feature_row(learner, images)["probe"]

    bench.train(learner, images, seed, n_epochs, each_batch=steps, each_epoch=note)
    row |= feature_row(learner, images) | {"monotone": steps.monotone} | moved(net, weights)
    row["acc"] = bench.accuracy(learner, images)
    rows.append(row)
    rows.append(
        {"seed": seed, "rule": "random displacement"}
        | feature_row(randomly_displaced(start, net, seed), images)
    )
    frozen = RULES["frozen-conv"](start)
    bench.train(frozen, images, seed, n_epochs)
    rows.append({"seed": seed, "rule": "frozen-conv", "acc": bench.accuracy(frozen, images)})
    for row in rows:
        print(row, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("form", choices=("supervised", "hybrid"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 123, 456])
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    measure = supervised if options.form == "supervised" else hybrid
    rows = [row for seed in options.seeds for row in measure(seed, options.epochs)]
    table = pd.DataFrame(rows)
    pd.set_option("display.width", 250, "display.max_columns", 50, "display.precision", 3)
    print(table.to_string(index=False))
    print("\nmean over seeds")
    print(table.drop(columns="seed").groupby("rule", sort=False).mean().T.to_string())


if __name__ == "__main__":
    main()
