"""A batch leaves nothing behind: memory does not depend on when cycles are collected."""

import gc
import weakref

import pytest
import torch

from neurosim.models.catalogue import RULES
from neurosim.models.rules.learner import SharedStart
from neurosim.solvers import Ticks
from neurosim.training import Trainer


@pytest.mark.parametrize("rule", RULES)
def test_a_batch_leaves_no_tensor_in_a_cycle(rule):
    """Activity in a cycle of references stays until the collector comes by, 500 MB later."""
    trainer = Trainer(RULES[rule](SharedStart(1)).parts, n_steps=3)
    x, y, noise = torch.rand(4, 3, 32, 32), torch.arange(4), torch.Generator().manual_seed(0)
    trainer.step(x, y, noise)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        trainer.step(x, y, noise)
        gc.collect()
        left = [kept for kept in gc.garbage if isinstance(kept, torch.Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


class _Ticking:
    """A clock of 50 ticks that knows how many of its states are still held."""

    def __init__(self) -> None:
        self.alive: weakref.WeakSet = weakref.WeakSet()
        self.most_alive = 0

    def n_ticks(self, point):
        return 50

    def initial_state(self, point):
        return {}

    def tick(self, point, state, index):
        voltage = torch.full((2,), float(index))
        self.alive.add(voltage)
        self.most_alive = max(self.most_alive, len(self.alive))
        return {"voltage": (voltage,)}


def test_the_end_of_a_presentation_is_reached_without_holding_its_ticks():
    """Evaluation wants the last tick: at 160 px all of them together are 1.5 GB. One more may be
    alive beside the last and the one being made: the solver's own."""
    clock = _Ticking()
    settled = Ticks().end(clock, None)
    assert float(settled.state["voltage"][0][0]) == 49
    assert clock.most_alive <= 3
