"""Encoders by name. Each turns intensities into spikes ``(time, batch, *features)``.

>>> import torch
>>> from neurosim.spiking import ENCODERS
>>> ENCODERS["latency"]().encode(torch.tensor([[1.0, 0.5, 0.0]]), n_ticks=3, dt_ms=1.0)[:, 0]
tensor([[1., 0., 0.],
        [0., 1., 0.],
        [0., 0., 0.]])
"""

from __future__ import annotations

from neurosim.naming.choices import Choices
from neurosim.spiking.encoders.base import AbstractEncoder, RateEncoder
from neurosim.spiking.encoders.delta import Delta
from neurosim.spiking.encoders.library import (
    NorseCurrent,
    NorsePoisson,
    SnntorchLatency,
    SnntorchRate,
)
from neurosim.spiking.encoders.population import Population
from neurosim.spiking.encoders.rate import Bernoulli, Current, Poisson
from neurosim.spiking.encoders.temporal import Burst, Latency, Phase, RankOrder

__all__ = [
    "ENCODERS",
    "AbstractEncoder",
    "Bernoulli",
    "Burst",
    "Current",
    "Delta",
    "Latency",
    "NorseCurrent",
    "NorsePoisson",
    "Phase",
    "Poisson",
    "Population",
    "RankOrder",
    "RateEncoder",
    "SnntorchLatency",
    "SnntorchRate",
]

#: Encoders by name; each is built without arguments and fits ticks of up to 5 ms.
ENCODERS: Choices[type[AbstractEncoder]] = Choices(
    "encoder",
    {
        "current": Current,
        "bernoulli": Bernoulli,
        "poisson": Poisson,
        "latency": Latency,
        "rank-order": RankOrder,
        "phase": Phase,
        "burst": Burst,
        "delta": Delta,
        "population": Population,
        "snntorch-rate": SnntorchRate,
        "snntorch-latency": SnntorchLatency,
        "norse-poisson": NorsePoisson,
        "norse-current": NorseCurrent,
    },
    base=AbstractEncoder,
    group="neurosim.encoders",
)
