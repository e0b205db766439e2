"""A folder outside the checkout, as a user has one: a rule, an encoder, a network of two
layers, measures, pictures and an RDM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.distance import squareform

MINE = """
from dataclasses import dataclass

import numpy as np

from neurosim import AbstractPlasticity, Conv2d, Dense, Direct, LearningRule, Optimiser, Part
from neurosim.models import FeedForward, Learner, Network, readout_part, rule
from neurosim.spiking import AbstractEncoder

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
    part = Part(body, net.part(0, len(net.roles.body)), Optimiser("sgd", lr=lr, clip_norm=1.0))
    return Learner("oja", (part, readout_part(net)))

@dataclass(frozen=True)
class Early(AbstractEncoder):
    last: int = 2
    def _encode(self, x, n_ticks, dt_ms, generator):
        spikes = x.new_zeros((n_ticks, *x.shape))
        spikes[: self.last] = (x > 0.5).to(x.dtype)
        return spikes

def net(context, *, width: int = 8):
    maps = context.normalised("Maps", Conv2d(context.n_channels, width, 5, padding=2), pool=4)
    units = width * (context.image_px // 4) ** 2
    head = context.layer("Head", Dense(units, context.n_classes), activation=lambda x: x)
    return Network([maps, head])

def city_block(patterns, *, power: float = 1.0):
    steps = np.abs(patterns[:, None] - patterns[None]) ** power
    return steps.mean(2)

def agreement(a, b):
    a, b = a - np.median(a), b - np.median(b)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))

def contrast(x):
    return x.std((2, 3))

def doubled(layers, calibration, px, *, by: float = 2.0):
    from neurosim.models import POLICIES
    from neurosim.models.network.normalisation import Fixed, Running
    found = POLICIES["calibrated"](layers, calibration, px)
    return {n: Fixed(s.mean, by * s.var) if isinstance(s, Fixed) else s for n, s in found.items()}
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
