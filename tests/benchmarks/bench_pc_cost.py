"""Cost of supervised predictive coding in units of one BP batch; T steps may cost 1 + .8 T.

python tests/benchmarks/bench_pc_cost.py

Rules take turns within one run and the smallest processor time of each counts, so that other
load on the machine touches all alike.
"""

from __future__ import annotations

import sys
import time

import torch

from neurosim.models.catalogue import backprop
from neurosim.models.rules.learner import SharedStart
from neurosim.models.rules.pc_rules import predictive_coding_supervised_rule
from neurosim.rule import LearningRule, run_batch
from neurosim.types import Drive

STEPS = (4, 8)
N_ROUNDS = 15


def main() -> int:
    torch.set_num_threads(1)
    net = SharedStart(0).network()
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(128, 3, 32, 32, generator=draw)
    target = torch.randint(0, 10, (128,), generator=draw)
    rules: dict[str, LearningRule] = {"bp": backprop()}
    rules |= {f"{n} steps": predictive_coding_supervised_rule(n_steps=n) for n in STEPS}
    best = dict.fromkeys(rules, float("inf"))
    for _ in range(N_ROUNDS):
        for name, rule in rules.items():
            begin = time.process_time()
            run_batch(rule, net, Drive(x, target, draw))
            best[name] = min(best[name], time.process_time() - begin)
    within = True
    for n in STEPS:
        ratio = best[f"{n} steps"] / best["bp"]
        within &= ratio <= 1 + 0.8 * n
        print(f"T = {n}: {ratio:.2f} forward-backward passes, the bar is {1 + 0.8 * n:.1f}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
