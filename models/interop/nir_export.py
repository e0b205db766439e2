"""A trained spiking network as a graph of the Neuromorphic Intermediate Representation (NIR;
Pedersen et al. 2024, 10.1038/s41467-024-52259-9), which other simulators and chips load.

The graph starts at the encoder's spikes, ``(batch, channels, px, px)`` a tick, and ends at the
pooled spikes of the last layer:

    Input -> [Conv2d -> LIF -> SumPool2d -> LIF] a layer -> Output

NIR's cells are differential equations; simulators such as norse take explicit Euler steps of
them. Time constants (in seconds) are written so that an Euler step of this network's ``dt_ms``
decays as its own tick does: ``tau = dt / (1 - decay)``. Load the graph with that dt:

    norse.torch.from_nir(nir.read(path), dt=dt_ms / 1000)

or, written for it (``SNNTORCH``), with ``snntorch.import_nir.import_from_nir(nir.read(path))``.

Thresholds are 1: a map's own is folded into its weights, as its importer takes one a layer.
Max-pooling of spikes is a sum above one half: a pool followed by a LIF that forgets within a step.

What NIR cannot say: competition between maps, what stands between synapse and neuron, subtractive
resets, adaptive thresholds, refractory periods, exponential cells, the front end and the encoder.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from neurosim.arrays.storage import whole_or_nothing
from neurosim.models.interop.nir_parts import require_exportable
from neurosim.models.spiking.dynamics import SpikingLayer, SpikingNetwork
from neurosim.naming.choices import Choices
from neurosim.spiking.cells.registry import (
    AbstractCell,
    LeakyCell,
    NorseCubaLIF,
    NorseIAF,
    SnntorchSynaptic,
)
from neurosim.synapses import Conv2d

if TYPE_CHECKING:
    import nir


@final
@dataclass(frozen=True)
class Simulator:
    """What the importer of a simulator takes.

    step_ms: the Euler step it runs, one tick of the network; None where it is free, and then the
        network's own ``dt_ms``.
    pools_by_sum: whether it knows SumPool2d; if not, AvgPool2d.
    integrates: whether its IF keeps its voltage.
    """

    step_ms: float | None = None
    pools_by_sum: bool = True
    integrates: bool = True


#: norse 1.1.
NORSE = Simulator()
#: snntorch 1.0: its step is fixed, whatever the network's tick; time constants are in its ticks.
SNNTORCH = Simulator(step_ms=0.1, pools_by_sum=False, integrates=False)
SIMULATORS: Choices[Simulator] = Choices("simulator", {"norse": NORSE, "snntorch": SNNTORCH})


def to_nir(net: SpikingNetwork, px: int, simulator: Simulator = NORSE) -> nir.NIRGraph:
    """The network as a NIR graph for images of ``px`` pixels a side.

    The graph's metadata hold ``dt_ms``, the step to run it at, and ``n_ticks``.

    Args:
        simulator: what will load it; a graph for one need not run in another.

    Raises:
        ValueError: a part or a field of one that the graph or the simulator has no place for (see
            ``nir_parts``); an image that the poolings leave nothing of.
    """
    import nir

    dynamics = net.dynamics
    require_exportable(net)
    if isinstance(dynamics.cell, NorseIAF) and not simulator.integrates:
        raise ValueError(
            "snntorch's importer makes a leaky cell (beta .9) of NIR's IF: export norse-iaf for "
            "norse, or use another cell"
        )
    nodes: dict[str, Any] = {
        "input": nir.Input({"input": np.array([net.layers[0].synapse.n_in, px, px])})
    }
    step_ms = dynamics.dt_ms if simulator.step_ms is None else simulator.step_ms
    for layer in net.layers:
        added, px = _layer_nodes(layer, dynamics.cell, px, step_ms / 1000, simulator)
        nodes |= added
    last = (net.layers[-1].synapse.n_out, px, px)
    nodes["output"] = nir.Output({"output": np.array(last)})
    names = list(nodes)
    return nir.NIRGraph(
        nodes,
        list(itertools.pairwise(names)),
        metadata={"dt_ms": step_ms, "n_ticks": dynamics.n_ticks()},
        # Poolings have no shape of their own in NIR, which its check takes for an error.
        type_check=False,
    )


def write_nir(net: SpikingNetwork, path: Path, px: int, simulator: Simulator = NORSE) -> None:
    """Write ``to_nir`` as the HDF5 file that ``nir.read`` takes; whole or not at all."""
    import nir

    graph = to_nir(net, px, simulator)
    with whole_or_nothing(Path(path)) as temporary:
        nir.write(str(temporary), graph)


def _layer_nodes(
    layer: SpikingLayer, cell: AbstractCell, px: int, step: float, simulator: Simulator
) -> tuple[Mapping[str, Any], int]:
    """The nodes of one layer in their order, and the side of its output."""
    import nir

    synapse = layer.synapse
    assert isinstance(synapse, Conv2d), "require_exportable knows no other"
    reach = synapse.dilation * (synapse.kernel - 1) + 1
    side = (px + 2 * synapse.padding - reach) // synapse.stride + 1
    if side < max(1, layer.pool):
        raise ValueError(
            f"images leave {max(side, 0)} px a side at {layer.name}, and its pooling nothing: use "
            "a larger px"
        )
    neurons, gain = _cell_node(cell, np.ones((synapse.n_out, side, side), np.float32), step)
    # A cell that resets to 0 is linear below threshold: its threshold is a scale of its input.
    scale = np.float32(gain) / layer.threshold.cpu().numpy()[:, None, None, None]
    nodes: dict[str, Any] = {
        f"{layer.name}": nir.Conv2d(
            input_shape=(px, px),
            weight=layer.weight.detach().cpu().numpy() * scale,
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
    window, none = np.array([layer.pool, layer.pool]), np.array([0, 0])
    pool = nir.SumPool2d if simulator.pools_by_sum else nir.AvgPool2d
    least = 0.5 if simulator.pools_by_sum else 0.5 / layer.pool**2
    nodes[f"{layer.name}_pool"] = pool(window, window, none)
    # Forgets all within a step: fires where any of its inputs did.
    nodes[f"{layer.name}_any"] = nir.LIF(
        tau=step * ones, r=ones, v_leak=0 * ones, v_threshold=least * ones, v_reset=0 * ones
    )
    return nodes, pooled


def _cell_node(cell: AbstractCell, threshold: np.ndarray, step: float) -> tuple[Any, float]:
    """The node of a cell, and what its input is multiplied with; step in seconds.

    NIR's membranes take dt / tau of their input in one Euler step, ours all of it.
    """
    import nir

    def of(value: float) -> np.ndarray:
        return np.full_like(threshold, value)

    if isinstance(cell, NorseIAF):
        return nir.IF(r=of(1), v_threshold=threshold, v_reset=of(0)), 1.0
    if isinstance(cell, LeakyCell):
        euler = 1 / (1 - cell.decay)
        node = nir.LIF(
            tau=of(step * euler), r=of(1), v_leak=of(0), v_threshold=threshold, v_reset=of(0)
        )
        return node, euler
    if isinstance(cell, (NorseCubaLIF, SnntorchSynaptic)):
        membrane, synapse = (_euler_steps(cell, tau) for tau in (cell.tau_mem_ms, cell.tau_syn_ms))
        node = nir.CubaLIF(
            tau_syn=of(step * synapse),
            tau_mem=of(step * membrane),
            r=of(membrane),
            v_leak=of(0),
            v_threshold=threshold,
            v_reset=of(0),
            w_in=of(synapse),
        )
        return node, 1.0
    raise AssertionError(cell)


def _euler_steps(cell: NorseCubaLIF | SnntorchSynaptic, tau_ms: float) -> float:
    """The time constant, in ticks, whose Euler step decays as the cell does."""
    steps = tau_ms / cell.dt_ms
    return steps if isinstance(cell, NorseCubaLIF) else 1 / -math.expm1(-1 / steps)
