"""A batch leaves nothing behind: memory does not depend on when cycles are collected."""

import gc

import pytest
import torch

from neurosim.models.catalogue import RULES
from neurosim.models.learner import SharedStart
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
