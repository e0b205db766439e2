"""Spiking cells by name, those of snntorch and of norse behind one tick.

| name                  | cell                                          | decay of v a tick |
|-----------------------|-----------------------------------------------|-------------------|
| ``snntorch-lif``      | ``v exp(-dt / tau) + I``                      | exact             |
| ``snntorch-lapicque`` | ``v (1 - dt / tau) + I``                      | Euler             |
| ``snntorch-synaptic`` | the LIF behind a synaptic current             | exact             |
| ``norse-lif``         | ``v + (dt / tau)(I tau / dt - v)``            | Euler             |
| ``norse-cuba-lif``    | the LIF behind a synaptic current             | Euler             |
| ``norse-lif-refrac``  | ``norse-cuba-lif`` with a refractory period   | Euler             |
| ``norse-iaf``         | ``v + I``                                     | none              |
| ``norse-lsnn``        | ``norse-cuba-lif`` with an adaptive threshold | Euler             |
| ``norse-lif-ex``      | exponential integrate-and-fire                | Euler             |
| ``norse-adex``        | adaptive exponential                          | Euler             |
| ``adaptive-lif``      | ``snntorch-lif`` with an adaptive threshold   | exact             |

Cells of the two libraries coincide where their decays do, at
``tau_norse = dt / (1 - exp(-dt / tau_snntorch))``. docs/cells.md says which cells are left out.
"""

from __future__ import annotations

from neurosim.naming.choices import Choices
from neurosim.spiking.cells.adaptive import AdaptiveLIF, NorseAdEx, NorseLIFEx
from neurosim.spiking.cells.base import (
    AbstractCell,
    AbstractReset,
    LeakyCell,
    Memory,
    ResetBySubtraction,
    ResetToZero,
    VoltageCell,
    per_map,
)
from neurosim.spiking.cells.norse_cells import (
    NorseCubaLIF,
    NorseIAF,
    NorseLIF,
    NorseLIFRefractory,
    NorseLSNN,
)
from neurosim.spiking.cells.snntorch_cells import SnntorchLapicque, SnntorchLIF, SnntorchSynaptic

__all__ = [
    "CELLS",
    "AbstractCell",
    "AbstractReset",
    "AdaptiveLIF",
    "LeakyCell",
    "Memory",
    "NorseAdEx",
    "NorseCubaLIF",
    "NorseIAF",
    "NorseLIF",
    "NorseLIFEx",
    "NorseLIFRefractory",
    "NorseLSNN",
    "ResetBySubtraction",
    "ResetToZero",
    "SnntorchLIF",
    "SnntorchLapicque",
    "SnntorchSynaptic",
    "VoltageCell",
    "per_map",
]

#: Cells by name; ``CELLS[name](dt_ms=...)`` builds one with its own time constants.
CELLS: Choices[type[AbstractCell]] = Choices(
    "cell",
    {
        "snntorch-lif": SnntorchLIF,
        "snntorch-lapicque": SnntorchLapicque,
        "snntorch-synaptic": SnntorchSynaptic,
        "norse-lif": NorseLIF,
        "norse-cuba-lif": NorseCubaLIF,
        "norse-lif-refrac": NorseLIFRefractory,
        "norse-iaf": NorseIAF,
        "norse-lsnn": NorseLSNN,
        "norse-lif-ex": NorseLIFEx,
        "norse-adex": NorseAdEx,
        "adaptive-lif": AdaptiveLIF,
    },
    base=AbstractCell,
    group="neurosim.cells",
)
