"""Shared by the predictive-coding measurements: data, epochs, scores. Run by command only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.models.network.normalisation import Fixed, Running, Statistics, StatisticsOf
from neurosim.models.rules.learner import Learner
from neurosim.training import BatchLog, Trainer

MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
SD = torch.tensor([0.247, 0.243, 0.261]).view(1, 3, 1, 1)
BATCH = 128


@dataclass(frozen=True)
class Images:
    """CIFAR-10: the training images of one seed and the held-out ones, normalised."""

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor


def load(seed: int, n_train: int = 8000) -> Images:
    """A random subset of the training images, as the comparison draws one for each seed."""
    folder = os.environ.get("NEUROSIM_DATA")
    if folder is None:
        raise SystemExit("set NEUROSIM_DATA to the folder that holds cifar10_12k.npz")
    with np.load(Path(folder) / "cifar10_12k.npz", allow_pickle=False) as file:
        arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    chosen = torch.randperm(len(arrays["x_train"]), generator=generator(seed, "subset"))[:n_train]

    def pixels(images: np.ndarray) -> Tensor:
        return (torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255 - MEAN) / SD

    return Images(
        pixels(arrays["x_train"])[chosen],
        torch.from_numpy(arrays["y_train"]).long()[chosen],
        pixels(arrays["x_test"]),
        torch.from_numpy(arrays["y_test"]).long(),
    )


def batches(images: Images, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Whole batches in the order of this seed and epoch; no augmentation."""
    order = torch.randperm(len(images.x), generator=generator(seed, "order", epoch))
    for start in range(0, len(order) - BATCH + 1, BATCH):
        index = order[start : start + BATCH]
        yield images.x[index], images.y[index]


def train(
    learner: Learner,
    images: Images,
    seed: int,
    n_epochs: int,
    *,
    each_batch: Callable[[BatchLog], None] = lambda log: None,
    each_epoch: Callable[[int], None] = lambda epoch: None,
) -> None:
    """Train with the real trainer; each_epoch is also called with 0 before the first."""
    trainer = Trainer(learner.parts, n_epochs * (len(images.x) // BATCH))
    each_epoch(0)
    for epoch in range(1, n_epochs + 1):
        draws = generator(seed, "rule", epoch)
        for x, y in batches(images, seed, epoch):
            each_batch(trainer.step(x, y, draws))
        each_epoch(epoch)


def represent(
    learner: Learner,
    x: Tensor,
    layer: str,
    statistics: StatisticsOf = Running(),  # noqa: B008
) -> Tensor:
    """One layer's activity, in batches."""
    return torch.cat([learner.represent(part, statistics)[layer] for part in x.split(500)])


def accuracy(learner: Learner, images: Images) -> float:
    """Held-out accuracy of the head."""
    logits = represent(learner, images.x_test, "head")
    return float((logits.argmax(1) == images.y_test).double().mean())


@torch.no_grad()
def calibrated(learner: Learner, x: Tensor) -> dict[str, Statistics]:
    """Statistics of each normalised layer pooled over clean training images."""
    statistics: dict[str, Statistics] = {
        layer.name: Running() for part in learner.parts for layer in part.net.layers
    }
    for layer in learner.normalised_layers():
        if layer.norm is None:
            break
        current = layer.current(x).double()
        axes = (0, 2, 3)
        fixed = Fixed(current.mean(axes).float(), current.var(axes, correction=0).float())
        statistics[layer.name] = fixed
        x = torch.cat([layer.respond(layer.current(part), fixed) for part in x.split(500)])
    return statistics


@torch.no_grad()
def ridge_probe(
    features: Tensor,
    y: Tensor,
    test: Tensor,
    y_test: Tensor,
    penalties: Sequence[float] = (3e2, 1e3, 3e3, 1e4),
) -> float:
    """Accuracy of a ridge classifier on standardised features, the penalty chosen on a fifth
    of the training images held out."""
    mean, sd = features.flatten(1).mean(0), features.flatten(1).std(0) + 1e-8
    features, test = (features.flatten(1) - mean) / sd, (test.flatten(1) - mean) / sd
    targets = torch.nn.functional.one_hot(y, 10).to(features) - 0.1
    cut = len(y) * 4 // 5
    gram, right = features[:cut].t() @ features[:cut], features[:cut].t() @ targets[:cut]
    rest = features[cut:]

    def hits(x: Tensor, labels: Tensor, gram: Tensor, right: Tensor, penalty: float) -> float:
        factor = torch.linalg.cholesky(gram + penalty * torch.eye(len(gram)))
        return float(
            ((x @ torch.cholesky_solve(right, factor)).argmax(1) == labels).double().mean()
        )

    held = [hits(rest, y[cut:], gram, right, penalty) for penalty in penalties]
    gram, right = gram + rest.t() @ rest, right + rest.t() @ targets[cut:]
    return hits(test, y_test, gram, right, penalties[int(np.argmax(held))])
