"""From a cell to the row of constants that a compiled family reads (``kernels.membranes``)."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from functools import singledispatch
from typing import Any

import numpy as np

from neurosim.spiking.cells.adaptive import AdaptiveLIF, NorseAdEx, NorseLIFEx
from neurosim.spiking.cells.base import AbstractCell, ResetBySubtraction, ResetToZero
from neurosim.spiking.cells.norse_cells import (
    CurrentBasedCell,
    NorseCubaLIF,
    NorseIAF,
    NorseLIF,
    NorseLIFRefractory,
    NorseLSNN,
)
from neurosim.spiking.cells.snntorch_cells import SnntorchLapicque, SnntorchLIF, SnntorchSynaptic
from neurosim.spiking.kernels import membranes as m
from neurosim.spiking.simulation.conductance import ConductanceLIF

Cell = AbstractCell | ConductanceLIF
#: Family and constants, without the first column.
Row = tuple[int, tuple[float, ...]]


@singledispatch
def lowered(cell: Any) -> Row:
    """The family of a cell and its constants; ``FOREIGN`` for a cell of one's own, which steps by
    its own ``advance``."""
    return m.FOREIGN, ()


@lowered.register(SnntorchLIF)
@lowered.register(SnntorchLapicque)
@lowered.register(NorseLIF)
@lowered.register(NorseIAF)
def _(cell: SnntorchLIF | SnntorchLapicque | NorseLIF | NorseIAF) -> Row:
    return m.LEAKY, (cell.decay,)


@lowered.register
def _(cell: SnntorchSynaptic) -> Row:
    return m.SYNAPTIC, tuple(
        math.exp(-cell.dt_ms / tau) for tau in (cell.tau_mem_ms, cell.tau_syn_ms)
    )


@lowered.register
def _(cell: AdaptiveLIF) -> Row:
    keep = tuple(math.exp(-cell.dt_ms / tau) for tau in (cell.tau_mem_ms, cell.tau_adapt_ms))
    return m.ADAPTIVE, (*keep, cell.jump)


def _euler(cell: CurrentBasedCell) -> tuple[float, float, float]:
    """The Euler steps of membrane and current, and what turns an input into norse's current."""
    return cell.dt_ms / cell.tau_mem_ms, cell.dt_ms / cell.tau_syn_ms, cell.tau_mem_ms / cell.dt_ms


@lowered.register
def _(cell: NorseCubaLIF) -> Row:
    return m.CURRENT_BASED, _euler(cell)


@lowered.register
def _(cell: NorseLIFRefractory) -> Row:
    return m.REFRACTORY, (*_euler(cell), float(cell.refractory_ticks))


@lowered.register
def _(cell: NorseLSNN) -> Row:
    return m.LSNN, (*_euler(cell), 1 - cell.dt_ms / cell.tau_adapt_ms, cell.jump)


@lowered.register
def _(cell: NorseLIFEx) -> Row:
    return m.EXPONENTIAL, (*_euler(cell), cell.sharpness)


@lowered.register
def _(cell: NorseAdEx) -> Row:
    rate = cell.dt_ms / cell.tau_adapt_ms
    return m.ADEX, (*_euler(cell), cell.sharpness, rate, cell.coupling, cell.jump)


@lowered.register
def _(cell: ConductanceLIF) -> Row:
    keep = tuple(
        math.exp(-cell.dt_ms / tau) for tau in (cell.tau_excitatory_ms, cell.tau_inhibitory_ms)
    )
    potentials = (cell.rest, cell.e_excitatory, cell.e_inhibitory, cell.reset)
    return m.CONDUCTANCE, (
        cell.dt_ms / cell.tau_mem_ms, *keep, *potentials, float(cell.refractory_ticks)
    )  # fmt: skip


def family_of(cell: Cell) -> int:
    """The compiled family that stands for a cell under its reset, or ``FOREIGN``."""
    own_reset = isinstance(cell, AbstractCell) and not isinstance(
        cell.reset, ResetToZero | ResetBySubtraction
    )
    return m.FOREIGN if own_reset else lowered(cell)[0]


def constants(cell: Cell) -> np.ndarray:
    """The row of one cell, ``(N_CONSTANTS,)``."""
    row = np.zeros(m.N_CONSTANTS)
    own = lowered(cell)[1]
    row[1 : 1 + len(own)] = own
    row[m.BY_SUBTRACTION] = isinstance(getattr(cell, "reset", None), ResetBySubtraction)
    return row


def memory_names(cell: Cell) -> tuple[str, ...]:
    """What a cell keeps beside its voltage, in the order of the columns."""
    if isinstance(cell, ConductanceLIF):
        return "excitatory_conductance", "inhibitory_conductance", "refractory_ticks"
    return cell.memory_names


def variants(cell: Cell, n: int, settings: dict[str, np.ndarray]) -> list[tuple[Cell, np.ndarray]]:
    """The different cells of a population and the neurons that are each of them.

    settings: one value per neuron of some of the cell's numbers.
    """
    if not settings:
        return [(cell, np.arange(n))]
    table = np.stack(list(settings.values()), 1)
    rows, which = np.unique(table, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    parts = np.split(order, np.searchsorted(which.ravel()[order], np.arange(1, len(rows))))
    return [
        (replace(cell, **dict(zip(settings, row.tolist(), strict=True))), part)
        for row, part in zip(rows, parts, strict=True)
    ]


def numbers_of(cell: Cell) -> list[str]:
    """The settings of a cell that may differ between neurons."""
    return [f.name for f in fields(cell) if f.type == "float" and f.name != "dt_ms"]
