"""Measure the STDP part on CIFAR-10: what moved, who fires, what a linear probe reads.

    NEUROSIM_DATA=... python tests/benchmarks/measure_stdp.py --seeds 1 2 3 --epochs 1

Prints one line a seed and epoch for the trained network, the same network under the same
passes without learning, and the untrained network without competition. The probe is a ridge
regression onto the classes, its penalty chosen on a fifth of the training images.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.models.network.builders import convolutional_network
from neurosim.models.network.graph import Network
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feedback import Transpose
from neurosim.models.spiking.dynamics import SpikingDynamics, SpikingNetwork
from neurosim.models.spiking.stdp import OPTIMISER, stdp_part
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule
from neurosim.solvers import Direct
from neurosim.spiking.cells.registry import CELLS
from neurosim.spiking.encoders.registry import ENCODERS
from neurosim.spiking.population.competition import NoCompetition
from neurosim.training import Optimiser, Part, Trainer, initial_weights, movement, without_learning

BATCH = 128
CONTROLS = ("initial", "no-learning", "no-competition")
PENALTIES = (30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4)


def load(path: Path, n_train: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Normalised training and test images with labels; training images a subset of the seed."""
    with np.load(path, allow_pickle=False) as data:
        chosen = torch.randperm(len(data["x_train"]), generator=generator(seed, "subset"))[:n_train]
        arrays = [data[k] for k in ("x_train", "y_train", "x_test", "y_test")]
    arrays[0], arrays[1] = arrays[0][chosen.numpy()], arrays[1][chosen.numpy()]
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
    sd = torch.tensor([0.247, 0.243, 0.261]).view(1, 3, 1, 1)
    images = [(torch.from_numpy(a).permute(0, 3, 1, 2) / 255 - mean) / sd for a in arrays[::2]]
    labels = [torch.from_numpy(a.astype(np.int64)).flatten() for a in arrays[1::2]]
    return images[0], labels[0], images[1], labels[1]


def augment(x: Tensor, g: torch.Generator) -> Tensor:
    """Random crop of the reflect-padded image, random flip."""
    padded = F.pad(x, (4, 4, 4, 4), mode="reflect")
    rows, columns = torch.randint(0, 9, (2, len(x)), generator=g).tolist()
    flip = (torch.rand(len(x), generator=g) < 0.5).view(-1, 1, 1, 1)
    size = x.shape[-1]
    x = torch.stack(
        [p[:, r : r + size, c : c + size] for p, r, c in zip(padded, rows, columns, strict=True)]
    )
    return torch.where(flip, x.flip(3), x)


def readout(shared: Network) -> Part:
    """FC1 and head under backpropagation, on the spike counts of Conv3."""
    rule = LearningRule("bp", ErrorCircuit(Transpose()), Direct(), ErrorTimesPre())
    return Part(rule, shared.readout(), Optimiser(weight_decay=1e-4, clip_norm=1.0))


def epoch(trainer: Trainer, x: Tensor, y: Tensor, seed: int, index: int) -> float:
    """One pass with augmentation; returns seconds of processor time."""
    order = torch.randperm(len(x), generator=generator(seed, "order", index))
    crops, spikes = generator(seed, "augmentation", index), generator(seed, "spikes", index)
    started = time.process_time()
    for chosen in order[: len(x) // BATCH * BATCH].split(BATCH):
        trainer.step(augment(x[chosen], crops), y[chosen], spikes)
    return time.process_time() - started


def features(net: SpikingNetwork, x: Tensor) -> dict[str, Tensor]:
    """Layer name -> spike counts summed over a 4 x 4 grid, ``(images, maps * 16)``."""
    batches = [
        {name: F.adaptive_avg_pool2d(a, 4).flatten(1) for name, a in net.represent(part).items()}
        for part in x.split(500)
    ]
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def probe(train: Tensor, y: Tensor, test: Tensor, y_test: Tensor) -> float:
    """Test accuracy of a ridge classifier."""
    mean, sd = train.mean(0), train.std(0) + 1e-3
    train, test = ((f - mean) / sd for f in (train, test))
    target = F.one_hot(y, 10).float() - 0.1
    n_held = len(train) // 5
    held, rest = train[:n_held], train[n_held:]
    gram_held, cross_held = held.T @ held, held.T @ target[:n_held]
    gram, cross = rest.T @ rest, rest.T @ target[n_held:]
    eye = torch.eye(len(gram))

    def fit(penalty: float, gram: Tensor, cross: Tensor) -> Tensor:
        return torch.cholesky_solve(cross, torch.linalg.cholesky(gram + penalty * eye))

    scores = [
        float(((held @ fit(p, gram, cross)).argmax(1) == y[:n_held]).float().mean())
        for p in PENALTIES
    ]
    best = fit(PENALTIES[int(np.argmax(scores))], gram + gram_held, cross + cross_held)
    return float(((test @ best).argmax(1) == y_test).float().mean())


def line(label: str, net: SpikingNetwork, start: dict[str, Tensor], data, n_probe: int) -> None:
    """One row of the table."""
    x, y, x_test, y_test = data
    train, test = features(net, x[:n_probe]), features(net, x_test)
    scores = [probe(train[n], y[:n_probe], test[n], y_test) for n in train]
    moved = [movement(start[layer.name], layer.weight) for layer in net.layers]
    rates = net.rates(x[:500])
    dead = [100 * float((r < 1e-5).float().mean()) for r in rates.values()]
    columns = [
        " ".join(f"{s:.3f}" for s in scores),
        " ".join(f"{m.displacement:.2f}" for m in moved),
        " ".join(f"{m.direction_change:.2f}" for m in moved),
        " ".join(f"{100 * float(r.mean()):.2f}" for r in rates.values()),
        " ".join(f"{d:.1f}" for d in dead),
    ]
    print(f"{label:24s} | " + " | ".join(columns), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--probe-images", type=int, default=8000)
    parser.add_argument("--cell", default="snntorch-lif")
    parser.add_argument("--encoder", default="current")
    parser.add_argument("--lr", type=float, default=OPTIMISER.lr)
    parser.add_argument("--lr-end", type=float, default=OPTIMISER.lr_end)
    parser.add_argument("--schedule", default=OPTIMISER.schedule)
    parser.add_argument("--controls", nargs="*", choices=CONTROLS, default=CONTROLS)
    parser.add_argument("--every-epoch", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    path = Path(os.environ["NEUROSIM_DATA"]) / "cifar10_12k.npz"
    print(f"{'':24s} | probe L1 L2 L3 | displacement | direction | rate % | dead maps %")
    for seed in args.seeds:
        data = load(path, args.images, seed)
        dynamics = SpikingDynamics(
            cell=CELLS[args.cell](dt_ms=5.0), encoder=ENCODERS[args.encoder]()
        )
        shared = convolutional_network(generator=generator(seed, "init"))

        def build(dynamics=dynamics, shared=shared, seed=seed):
            optimiser = replace(OPTIMISER, lr=args.lr, lr_end=args.lr_end, schedule=args.schedule)
            return stdp_part(
                shared, generator(seed, "thresholds"), dynamics=dynamics, optimiser=optimiser
            )

        n_steps = args.epochs * (len(data[0]) // BATCH)
        part = without_learning(build())
        start = initial_weights(part.net)
        if "initial" in args.controls:
            line(f"{seed} as initialised", part.net, start, data, args.probe_images)
        if "no-learning" in args.controls:
            epoch(Trainer([part, readout(shared)], n_steps), data[0], data[1], seed, 0)
            line(f"{seed} no learning, 1 ep", part.net, start, data, args.probe_images)
        if "no-competition" in args.controls:
            part = build()
            part.net.dynamics = replace(dynamics, competition=NoCompetition())
            for layer in part.net.layers:
                layer.target_rate = 0.06
            part.net.calibrate(data[0][:64])
            line(f"{seed} no competition", part.net, start, data, args.probe_images)
        part = build()
        start, trainer = initial_weights(part.net), Trainer([part, readout(shared)], n_steps)
        for index in range(args.epochs):
            seconds = epoch(trainer, *data[:2], seed, index)
            label = f"{seed} STDP {index + 1} ep, {seconds:.0f} s"
            if args.every_epoch or index in (0, 1, 4, args.epochs - 1):
                line(label, part.net, start, data, args.probe_images)


if __name__ == "__main__":
    main()
