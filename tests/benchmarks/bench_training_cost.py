"""What the abstraction costs: ratios to a plain torch loop, measured in one run.

    python tests/benchmarks/bench_training_cost.py

Each candidate runs the same steps in turn, several rounds; a ratio is taken within each round
and the median over rounds is printed, so that a drift of the machine's speed cancels.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from neurosim.arrays.streams import generator
from neurosim.experiments.data.registry import load_stimuli
from neurosim.experiments.job.evaluate import Evaluation
from neurosim.models.catalogue import RULES
from neurosim.models.rules.learner import SharedStart
from neurosim.training import Trainer

BATCH, STEPS, ROUNDS, STEPS_AN_EPOCH = 128, 6, 7, 62


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    draws = torch.Generator().manual_seed(0)
    return [
        (
            torch.randn(BATCH, 3, 32, 32, generator=draws),
            torch.randint(0, 10, (BATCH,), generator=draws),
        )
        for _ in range(STEPS)
    ]


def plain_torch() -> Callable[[], None]:
    """The same network, optimiser and clipping as anyone would write it."""
    layers: list[nn.Module] = []
    for n_in, n_out in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU(),
                   nn.MaxPool2d(2)]  # fmt: skip
    head = [nn.Flatten(), nn.Linear(2048, 512), nn.ReLU(), nn.Dropout(0.3), nn.Linear(512, 10)]
    net = nn.Sequential(*layers, *head)
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-4)

    def run() -> None:
        for x, y in DATA:
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()

    return run


def rule(name: str) -> Callable[[], None]:
    """The rule as the comparison trains it."""
    trainer = Trainer(RULES[name](SharedStart(0)).parts, 10**6)
    noise = generator(0, "noise")

    def run() -> None:
        for x, y in DATA:
            trainer.step(x, y, noise)

    return run


def seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    names = ("bp", "fa", "dfa", "kolen-pollack", "pc-supervised", "pc", "stdp")
    candidates = {"plain torch": plain_torch(), **{name: rule(name) for name in names}}
    for run in candidates.values():
        run()
    rounds = [{name: seconds(run) for name, run in candidates.items()} for _ in range(ROUNDS)]
    base = statistics.median(r["plain torch"] for r in rounds)
    print(
        f"plain torch: {base / STEPS:.3f} s a step, {base / STEPS * STEPS_AN_EPOCH:.1f} s an epoch"
    )
    for name in names:
        ratios = sorted(r[name] / r["plain torch"] for r in rounds)
        print(
            f"{name:15s} {statistics.median(ratios):6.2f} x plain torch "
            f"(from {ratios[0]:.2f} to {ratios[-1]:.2f}), "
            f"{statistics.median(r[name] for r in rounds) / STEPS * STEPS_AN_EPOCH:6.1f} s an epoch"
        )
    evaluation = Evaluation.prepare(
        load_stimuli("brain92" if "NEUROSIM_DATA" in os.environ else "demo"),
        px=(32,), calibration=DATA[0][0], policies=("running",), readouts=("gap",),
    )  # fmt: skip
    learner = RULES["bp"](SharedStart(0))
    evaluation.table(learner)
    checkpoint = statistics.median(
        seconds(lambda: evaluation.table(learner)) for _ in range(ROUNDS)
    )
    epoch = base / STEPS * STEPS_AN_EPOCH
    print(
        f"extraction and RSA of one checkpoint at 32 px, {len(evaluation.stimuli.images)} stimuli: "
        f"{checkpoint:.3f} s = {100 * checkpoint / epoch:.1f} % of a plain epoch"
    )
    assert np.isfinite(checkpoint)


DATA = batches()

if __name__ == "__main__":
    main()
