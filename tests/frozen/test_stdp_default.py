"""The default STDP of the comparison, to the bit.

Digests of float32 changes computed before other timings existed: additions of float32 in one
stated order, so they hold on every machine with IEEE arithmetic.
"""

from __future__ import annotations

import hashlib

import pytest
import torch

from neurosim.models.spiking.stdp import RULE_TIMINGS, TIMING
from neurosim.spiking import MeanOverSpikes, TraceSTDP
from neurosim.synapses import Conv2d, Dense
from neurosim.types import LocalSignal

DIGESTS = {
    "dense": "85a3a25927a7e31a",
    "conv": "0fc1d2ea11b4ec2b",
}


def spikes(shape: tuple[int, ...], share: int) -> torch.Tensor:
    """About one place in ``share``, from a recurrence of whole numbers (no library's generator)."""
    n = torch.Size(shape).numel()
    values, state = [], 12345
    for _ in range(n):
        state = (1103515245 * state + 12345) % 2**31
        values.append((state >> 16) % share == 0)
    return torch.tensor(values).view(shape)


def digest(synapse, pre_shape, post_shape) -> str:
    class Layer:
        name = "one"

        def plastic_parameters(self):
            return {}

    layer = Layer()
    layer.synapse = synapse
    stdp = TraceSTDP(TIMING, MeanOverSpikes())
    memory = stdp.begin(layer)
    pre, post = spikes((12, *pre_shape), 4).float(), spikes((12, *post_shape), 40).byte()
    if pre.dim() == 5:
        pre, post = (t.contiguous(memory_format=torch.channels_last_3d) for t in (pre, post))
    for a, b in zip(pre, post, strict=True):
        memory = stdp.observe(layer, memory, LocalSignal(a, b, {"dt": 5.0}))
    change = stdp.delta(layer, memory)["weight"]
    return hashlib.sha256(change.contiguous().numpy().tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", list(DIGESTS))
def test_the_default_timing_is_what_it_was(name):
    """A run that was started earlier goes on with the same numbers."""
    assert RULE_TIMINGS["all-pairs"] == TIMING
    synapse = {"dense": Dense(30, 16), "conv": Conv2d(6, 16, 3, padding=1)}[name]
    shapes = {"dense": ((4, 30), (4, 16)), "conv": ((4, 6, 8, 8), (4, 16, 8, 8))}[name]
    assert digest(synapse, *shapes) == DIGESTS[name]
