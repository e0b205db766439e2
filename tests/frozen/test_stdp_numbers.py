"""STDP's numbers, cell and encoder by name, as they were when last computed on purpose."""

from __future__ import annotations

import pytest
import torch

from neurosim.arrays.streams import generator
from neurosim.models.catalogue import readout_part
from neurosim.models.network.builders import convolutional_network
from neurosim.models.spiking.dynamics import SpikingDynamics
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.models.spiking.stdp import stdp_part
from neurosim.spiking.cells.registry import CELLS
from neurosim.spiking.encoders.registry import ENCODERS
from neurosim.training import Trainer

#: (cell, encoder) -> pooled spikes of Conv1 to Conv3 after two steps, and the sum of |weight|.
#: Computed anew when thresholds got a start that rounding cannot move, and when what is grey in a
#: picture became silent in the colour channels, those of ``current`` also when a count that is
#: whole got its spike in time (CHANGELOG).
FROZEN = {
    ("snntorch-lif", "current"): ((16704, 4646, 1031), 158.305055),
    ("norse-lif", "current"): ((16738, 4673, 1054), 158.232535),
    ("snntorch-lif", "bernoulli"): ((17118, 4626, 974), 158.278582),
    ("snntorch-lif", "poisson"): ((16800, 4583, 1031), 158.393784),
    ("snntorch-lif", "latency"): ((15403, 3978, 864), 158.674744),
}


def numbers(cell: str, encoder: str) -> tuple[tuple[int, ...], float]:
    """Two learning steps on 1/f noise, then the activity to it."""
    dynamics = SpikingDynamics(
        cell=CELLS[cell](tau_mem_ms=20.0, dt_ms=5.0), encoder=ENCODERS[encoder](), duration_ms=40.0
    )
    shared = convolutional_network(generator=generator(7, "init"), channels=(3, 8, 12, 16))
    x = pink_noise(12, 32, generator(7, "images"))
    part = stdp_part(shared, generator(7, "thresholds"), dynamics=dynamics, calibration=x)
    trainer = Trainer([part, readout_part(shared)], 2)
    for step in range(2):
        trainer.step(x, torch.arange(12) % 10, generator(7, "noise", step))
    counts = tuple(int(activity.sum()) for activity in part.net.represent(x).values())
    return counts, sum(float(layer.weight.double().abs().sum()) for layer in part.net.layers)


@pytest.mark.parametrize(("cell", "encoder"), list(FROZEN))
def test_default_numbers_have_not_moved(cell, encoder):
    """Spike counts are whole numbers and stay; weights to 1e-5.

    On another machine a convolution that rounds otherwise may tip a membrane over its threshold:
    counts are held to 1 in 1,000.
    """
    counts, weight = numbers(cell, encoder)
    frozen_counts, frozen_weight = FROZEN[cell, encoder]
    assert counts == pytest.approx(frozen_counts, rel=1e-3)
    assert weight == pytest.approx(frozen_weight, rel=1e-5)
