"""What a NIR graph carries of a spiking network, field by field: the rest is refused by name.

Every field of every part is looked up here. One that is not listed, because it is of a user's own
class or was added since, cannot get lost in silence.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.models.spiking.dynamics import SpikingDynamics, SpikingLayer, SpikingNetwork
from neurosim.spiking.cells.base import require_threshold
from neurosim.spiking.cells.registry import (
    NorseCubaLIF,
    NorseIAF,
    NorseLIF,
    ResetToZero,
    SnntorchLapicque,
    SnntorchLIF,
    SnntorchSynaptic,
)
from neurosim.spiking.population.between import Directly
from neurosim.spiking.population.competition import NoCompetition
from neurosim.synapses import Conv2d

_LEAKY = {"dt_ms", "reset", "tau_mem_ms"}
_CURRENT_BASED = _LEAKY | {"tau_syn_ms"}
#: Class -> the fields that the graph carries, or that its spikes do not depend on: the front end
#: and the encoder stand before its input, homeostasis and membrane are of learning.
_KNOWN: dict[type, set[str]] = {
    SpikingNetwork: {"dynamics", "evaluation_seed", "roles"},
    SpikingDynamics: {
        "cell", "encoder", "front_end", "competition", "homeostasis", "duration_ms", "membrane",
    },
    SpikingLayer: {"name", "synapse", "pool", "target_rate", "between", "weight", "threshold"},
    Conv2d: {"n_in", "n_out", "kernel", "stride", "padding", "dilation", "groups"},
    SnntorchLIF: _LEAKY,
    SnntorchLapicque: _LEAKY,
    NorseLIF: _LEAKY,
    NorseIAF: {"dt_ms", "reset"},
    NorseCubaLIF: _CURRENT_BASED,
    SnntorchSynaptic: _CURRENT_BASED,
}  # fmt: skip


def require_exportable(net: SpikingNetwork) -> None:
    """Refuse a network of which a NIR graph would lose something.

    Raises:
        ValueError: naming the part, its field where it is one, and the remedy.
    """
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
    if type(dynamics.cell) not in _KNOWN:
        raise ValueError(
            f"NIR has no node for {type(dynamics.cell).__name__}: it knows snntorch-lif, "
            "snntorch-lapicque, snntorch-synaptic, norse-lif, norse-cuba-lif and norse-iaf"
        )
    for part in (net, dynamics, dynamics.cell, *net.layers):
        _require_known(part)
    for layer in net.layers:
        _require_known(layer.synapse)
        if type(layer.between) is not Directly:
            raise ValueError(
                f"layer {layer.name}: the graph has no node for {layer.between!r} between synapse "
                "and neuron: export a network without it"
            )
        for name in ("weight", "threshold"):
            _require_float32(getattr(layer, name), f"layer {layer.name}: the {name}")
        require_threshold(layer.threshold, f"layer {layer.name}: the threshold")
        if not bool(layer.weight.isfinite().all()):
            raise ValueError(f"layer {layer.name}: the weight holds values that are not finite")


def _require_known(part: Any) -> None:
    kind = type(part)
    if kind not in _KNOWN:
        raise ValueError(
            f"NIR has no node for {kind.__name__}: of its kind the graph carries "
            f"{', '.join(known.__name__ for known in _KNOWN)} alone"
        )
    unknown = sorted(_fields(part) - _KNOWN[kind])
    if unknown:
        raise ValueError(
            f"{kind.__name__} has {', '.join(unknown)}, which the graph does not carry: export a "
            "network without it"
        )


def _fields(part: Any) -> set[str]:
    """The declared fields of a dataclass; all that a module holds but the layers of a network."""
    if dataclasses.is_dataclass(part):
        return {field.name for field in dataclasses.fields(part)}
    assert isinstance(part, nn.Module)
    own = {name for name in vars(part) if not name.startswith("_")} - {"training"}
    modules = {name for name, _ in part.named_children()} - {"_layers"}
    return own | modules | set(part._parameters) | set(part._buffers)


def _require_float32(tensor: Tensor, name: str) -> None:
    if tensor.dtype != torch.float32:
        raise ValueError(
            f"{name} is {tensor.dtype}, and the simulators that load the graph run in float32, "
            "where spikes may differ: export net.float()"
        )
