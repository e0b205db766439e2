"""A trained spiking network as a graph of the Neuromorphic Intermediate Representation (NIR;
Pedersen et al. 2024, 10.1038/s41467-024-52259-9), which other simulators and chips load.

The graph starts at the encoder's spikes, ``(batch, channels, px, px)`` a tick, and ends at the
pooled spikes of the last layer:

    Input -> [Conv2d -> LIF -> SumPool2d -> IF] a layer -> Output

NIR's cells are differential equations; simulators such as norse take explicit Euler steps of
them. Time constants (in seconds) are written so that an Euler step of this network's ``dt_ms``
decays as its own tick does: ``tau = dt / (1 - decay)``. Load the graph with that dt:

    norse.torch.from_nir(nir.read(path), dt=dt_ms / 1000)

Max-pooling of spikes is a sum above one half: SumPool2d followed by an IF of threshold 0.5.

What NIR cannot say: competition between maps, subtractive resets, adaptive thresholds,
refractory periods, exponential cells, the front end and the encoder.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.models.spiking import SpikingLayer, SpikingNetwork
from neurosim.spiking.competition import NoCompetition
from neurosim.spiking.neurons import (
    AbstractCell,
    LeakyCell,
    NorseCubaLIF,
    NorseIAF,
    ResetToZero,
    SnntorchSynaptic,
)
from neurosim.storage import whole_or_nothing

if TYPE_CHECKING:
    import nir


def to_nir(net: SpikingNetwork, px: int) -> nir.NIRGraph:
    """The network as a NIR graph for images of ``px`` pixels a side.

    The graph's metadata hold ``dt_ms`` and ``n_ticks``.

    Raises:
        ValueError: competition, a cell or a reset that NIR has no node for; an image that the
            poolings leave nothing of.
    """
    import nir

    dynamics = net.dynamics
    if not isinstance(dynamics.competition, NoCompetition):
        raise ValueError(
            f"NIR has no node for {type(dynamics.competition).__name__}: competition between maps "
            "would be lost and the spikes would differ; give the network NoCompetition() first, "
            "and calibrate its thresholds without it"
        )
    if not isinstance(dynamics.cell.reset, ResetToZero):
        raise ValueError(
            f"NIR resets a membrane to a value, not by {type(dynamics.cell.reset).__name__}: use "
            "ResetToZero()"
        )
    nodes: dict[str, Any] = {
        "input": nir.Input({"input": np.array([net.layers[0].synapse.n_in, px, px])})
    }
    for layer in net.layers:
        added, px = _layer_nodes(layer, dynamics.cell, px)
        nodes |= added
    last = (net.layers[-1].synapse.n_out, px, px)
    nodes["output"] = nir.Output({"output": np.array(last)})
    names = list(nodes)
    return nir.NIRGraph(
        nodes,
        list(itertools.pairwise(names)),
        metadata={"dt_ms": dynamics.dt_ms, "n_ticks": dynamics.n_ticks()},
        # Poolings have no shape of their own in NIR, which its check takes for an error.
        type_check=False,
    )


def write_nir(net: SpikingNetwork, path: Path, px: int) -> None:
    """Write ``to_nir`` as the HDF5 file that ``nir.read`` takes; whole or not at all."""
    import nir

    graph = to_nir(net, px)
    with whole_or_nothing(Path(path)) as temporary:
        nir.write(str(temporary), graph)


def _layer_nodes(layer: SpikingLayer, cell: AbstractCell, px: int) -> tuple[Mapping[str, Any], int]:
    """The nodes of one layer in their order, and the side of its output."""
    import nir

    synapse = layer.synapse
    reach = synapse.dilation * (synapse.kernel - 1) + 1
    side = (px + 2 * synapse.padding - reach) // synapse.stride + 1
    if side < max(1, layer.pool):
        raise ValueError(
            f"images leave {max(side, 0)} px a side at {layer.name}, and its pooling nothing: use "
            "a larger px"
        )
    shape = (synapse.n_out, side, side)
    threshold = layer.threshold.cpu().numpy()[:, None, None]
    neurons, gain = _cell_node(cell, np.broadcast_to(threshold, shape).copy())
    nodes: dict[str, Any] = {
        f"{layer.name}": nir.Conv2d(
            input_shape=(px, px),
            weight=layer.weight.detach().cpu().numpy() * np.float32(gain),
            stride=synapse.stride,
            padding=synapse.padding,
            dilation=synapse.dilation,
            groups=synapse.groups,
            bias=np.zeros(synapse.n_out, np.float32),
        ),
        f"{layer.name}_cells": neurons,
    }
    if layer.pool == 1:
        return nodes, side
    pooled = side // layer.pool
    ones = np.ones((synapse.n_out, pooled, pooled), np.float32)
    window = np.array([layer.pool, layer.pool])
    nodes[f"{layer.name}_pool"] = nir.SumPool2d(window, window, np.array([0, 0]))
    nodes[f"{layer.name}_any"] = nir.IF(r=ones, v_threshold=ones / 2, v_reset=0 * ones)
    return nodes, pooled


def _cell_node(cell: AbstractCell, threshold: np.ndarray) -> tuple[Any, float]:
    """The node of a cell, and what its input is multiplied with.

    NIR's membranes take dt / tau of their input in one Euler step, ours all of it.
    """
    import nir

    def of(value: float) -> np.ndarray:
        return np.full_like(threshold, value)

    dt = cell.dt_ms / 1000
    if isinstance(cell, NorseIAF):
        return nir.IF(r=of(1), v_threshold=threshold, v_reset=of(0)), 1.0
    if isinstance(cell, LeakyCell):
        euler = 1 / (1 - cell.decay)
        node = nir.LIF(
            tau=of(dt * euler), r=of(1), v_leak=of(0), v_threshold=threshold, v_reset=of(0)
        )
        return node, euler
    if isinstance(cell, (NorseCubaLIF, SnntorchSynaptic)):
        membrane, synapse = (_euler_steps(cell, tau) for tau in (cell.tau_mem_ms, cell.tau_syn_ms))
        node = nir.CubaLIF(
            tau_syn=of(dt * synapse),
            tau_mem=of(dt * membrane),
            r=of(membrane),
            v_leak=of(0),
            v_threshold=threshold,
            v_reset=of(0),
            w_in=of(synapse),
        )
        return node, 1.0
    raise ValueError(
        f"NIR has no node for {type(cell).__name__}: it knows snntorch-lif, snntorch-lapicque, "
        "snntorch-synaptic, norse-lif, norse-cuba-lif and norse-iaf"
    )


def _euler_steps(cell: NorseCubaLIF | SnntorchSynaptic, tau_ms: float) -> float:
    """The time constant, in ticks, whose Euler step decays as the cell does."""
    steps = tau_ms / cell.dt_ms
    return steps if isinstance(cell, NorseCubaLIF) else 1 / -math.expm1(-1 / steps)
