"""What two batches make of every rule: norm and direction of each tensor's change.

python tests/frozen/rules_trained.py        writes rules_trained.json anew
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from neurosim.arrays.streams import generator
from neurosim.models import RULES, SharedStart
from neurosim.training import Trainer

FILE = Path(__file__).with_suffix(".json")
SMALL = "conv3(channels=[8, 16, 16], n_hidden=32)"
PX, N_CLASSES, N_BATCHES = 16, 4, 2
CASES = [f"{rule}, {norm} norm" for rule in RULES.built_in for norm in ("batch", "group")]


def measured(case: str) -> dict[str, list[float]]:
    """Tensor -> its norm before, the norm of its change, and the cosine of the change with a fixed
    random direction (in units of the cosine's standard deviation, ``1 / sqrt(n)``)."""
    rule, norm, _ = case.replace(",", "").split()
    learner = RULES[rule](SharedStart(5, PX, N_CLASSES, architecture=SMALL, norm=norm))
    before = {name: tensor.double().clone() for name, tensor in learner.tensors().items()}
    trainer = Trainer(learner.parts, N_BATCHES)
    for index in range(N_BATCHES):
        draws = torch.Generator().manual_seed(index)
        x = torch.nn.functional.avg_pool2d(torch.randn(8, 3, PX, PX, generator=draws), 5, 1, 2) * 4
        target = torch.randint(0, N_CLASSES, (8,), generator=draws)
        trainer.step(x, target, generator(5, "noise", index))
    found = {}
    for name, tensor in learner.tensors().items():
        change = tensor.double() - before[name]
        length, signs = float(change.norm()), torch.Generator().manual_seed(1)
        direction = torch.randint(0, 2, change.shape, generator=signs) * 2.0 - 1.0
        along = float((change * direction).sum()) / length if length else 0.0
        found[name] = [float(f"{v:.6g}") for v in (float(before[name].norm()), length, along)]
    return found


if __name__ == "__main__":
    numbers = {case: measured(case) for case in CASES}
    FILE.write_text(json.dumps(numbers, indent=0, sort_keys=True) + "\n")
