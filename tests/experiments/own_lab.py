"""A folder outside the checkout, as a user has one: a rule, an encoder, pictures and an RDM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.distance import squareform

MINE = """
from dataclasses import dataclass

from neurosim import AbstractPlasticity, Direct, LearningRule, Part
from neurosim.models import rule
from neurosim.models.catalogue import readout_part
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.learner import Learner
from neurosim.spiking import AbstractEncoder
from neurosim.training import Optimiser

class Oja(AbstractPlasticity):
    def begin(self, layer):
        return None
    def observe(self, layer, memory, signal):
        hebb, _ = layer.synapse.correlate(signal.pre, signal.post)
        power = signal.post.square().transpose(0, 1).flatten(1).sum(1)
        weight = layer.plastic_parameters()["weight"]
        return hebb - power.view(-1, *(1,) * (hebb.dim() - 1)) * weight
    def delta(self, layer, memory):
        return {"weight": memory}

@rule("oja", label="Oja", meaning="Oja's rule", sources=("Oja (1982). J. Math. Biol. 15.",))
def oja(start, *, lr: float = 1e-6):
    net = start.network()
    body = LearningRule("oja", FeedForward(), Direct(), Oja())
    part = Part(body, net.part(0, 3), Optimiser("sgd", lr=lr, clip_norm=1.0))
    return Learner("oja", (part, readout_part(net)))

@dataclass(frozen=True)
class Early(AbstractEncoder):
    last: int = 2
    def _encode(self, x, n_ticks, dt_ms, generator):
        spikes = x.new_zeros((n_ticks, *x.shape))
        spikes[: self.last] = (x > 0.5).to(x.dtype)
        return spikes
"""


def make(folder: Path, n: int = 40, px: int = 64) -> Path:
    """Write the folder: ``mine.py``, ``pictures/`` (grey), ``it.csv``."""
    rng = np.random.default_rng(0)
    (folder / "mine.py").write_text(MINE)
    (folder / "pictures").mkdir(parents=True)
    for i in range(n):
        levels = rng.integers(0, 256, (px // 8, px // 8), dtype=np.uint8)
        picture = Image.fromarray(np.kron(levels, np.ones((8, 8), np.uint8)))
        picture.save(folder / "pictures" / f"item {i}.png")
    rdm = squareform(rng.random(n * (n - 1) // 2))
    np.savetxt(folder / "it.csv", rdm, delimiter=",")
    return folder
