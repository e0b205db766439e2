"""An exported network runs in norse and in snntorch to the same spikes."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import nir
import pytest
import torch

from neurosim.models.interop import nir_parts
from neurosim.models.interop.nir_export import NORSE, SNNTORCH, to_nir, write_nir
from neurosim.models.network.builders import convolutional_network
from neurosim.models.spiking.dynamics import SpikingDynamics, SpikingNetwork
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.models.spiking.stdp import stdp_part
from neurosim.rule import run_batch
from neurosim.solvers import Ticks
from neurosim.spiking.cells.registry import CELLS, NorseLIF, ResetBySubtraction, SnntorchLIF
from neurosim.spiking.population.between import (
    AveragePooling,
    ChannelNorm,
    Directly,
    InTurn,
    MaxPooling,
)
from neurosim.spiking.population.competition import NoCompetition, WinnerTakeAll
from neurosim.types import Drive

PX = 16
EXPORTED = (
    "snntorch-lif", "snntorch-lapicque", "snntorch-synaptic", "norse-lif", "norse-cuba-lif",
    "norse-iaf",
)  # fmt: skip


def images(n: int = 6, seed: int = 1) -> torch.Tensor:
    return pink_noise(n, PX, torch.Generator().manual_seed(seed))


def trained(cell, competition=None) -> SpikingNetwork:
    """A small network after one batch of STDP, thresholds calibrated for its competition."""
    generator = torch.Generator().manual_seed(0)
    shared = convolutional_network(
        generator=generator, channels=(3, 6, 8, 10), image_px=PX, n_hidden=20
    )
    dynamics = SpikingDynamics(cell=cell, competition=competition or NoCompetition())
    part = stdp_part(shared, generator, dynamics=dynamics, calibration=images(8, seed=9))
    changes = run_batch(part.rule, part.net, Drive(images())).changes
    for layer in part.net.layers:
        layer.weight.add_(changes[f"{layer.name}.weight"], alpha=0.1)
    part.net.calibrate(images(8, seed=9))
    return part.net


def run_norse(path, spikes: torch.Tensor) -> torch.Tensor:
    """Output spikes of the stored graph, tick by tick."""
    import norse.torch

    graph = nir.read(str(path))
    module = norse.torch.from_nir(graph, dt=float(graph.metadata["dt_ms"]) / 1000)
    state, out = None, []
    for frame in spikes:
        fired, state = module(frame, state)
        out.append(fired)
    return torch.stack(out)


def run_snntorch(path, spikes: torch.Tensor) -> torch.Tensor:
    """The same in snntorch; its importer prints."""
    from snntorch.import_nir import import_from_nir

    module, state, out = import_from_nir(nir.read(str(path))), None, []
    for frame in spikes:
        fired, state = module(frame, state)
        out.append(fired)
    return torch.stack(out)


RUNS = [
    *((name, NORSE, run_norse) for name in EXPORTED),
    *((name, SNNTORCH, run_snntorch) for name in EXPORTED if name != "norse-iaf"),
]


@pytest.mark.parametrize(("name", "simulator", "run"), RUNS)
@torch.no_grad()
def test_the_export_runs_spike_for_spike(name, simulator, run, tmp_path):
    """Through a file and back: every pooled spike of every layer, tick by tick.

    Exact equality of float32 spikes: where rounding differs a membrane would have to lie within
    1e-6 of its threshold, which none of these does.
    """
    net = trained(CELLS[name](dt_ms=5.0))
    spikes = net.dynamics.encode(images(), None)
    for depth in (1, 2, 3):
        below = SpikingNetwork(net.layers[:depth], net.dynamics)
        write_nir(below, tmp_path / "net.nir", PX, simulator)
        theirs = run(tmp_path / "net.nir", spikes)
        point = below.dynamics.operating_point(below, Drive(images(), learning=False))
        counts = [s.state["counts"][-1] for s in Ticks().settle(below.dynamics, point)]
        ours = torch.stack(counts).diff(dim=0, prepend=torch.zeros_like(counts[0])[None])
        assert torch.equal(theirs, ours), f"layer {depth}"
        assert 20 < ours.sum() < 0.5 * ours.numel()


def test_what_nir_cannot_say_is_refused(tmp_path):
    """Competition, subtractive resets and adaptive cells: named, with the remedy; no file left."""
    net = trained(SnntorchLIF(dt_ms=5.0), WinnerTakeAll())
    with pytest.raises(ValueError, match=r"no node for WinnerTakeAll.*NoCompetition\(\)"):
        write_nir(net, tmp_path / "net.nir", PX)
    free = replace(net.dynamics, competition=NoCompetition())
    for cell, message in (
        (NorseLIF(dt_ms=5.0, reset=ResetBySubtraction()), "ResetToZero"),
        (CELLS["adaptive-lif"](dt_ms=5.0), "no node for AdaptiveLIF"),
        (CELLS["norse-lif-refrac"](dt_ms=5.0), "no node for NorseLIFRefractory"),
    ):
        net.dynamics = replace(free, cell=cell)
        with pytest.raises(ValueError, match=message):
            write_nir(net, tmp_path / "net.nir", PX)
    net.dynamics = replace(free, cell=CELLS["norse-iaf"](dt_ms=5.0))
    with pytest.raises(ValueError, match="leaky cell"):
        to_nir(net, PX, SNNTORCH)
    net.dynamics = free
    with pytest.raises(ValueError, match="1 px a side at Conv3"):
        to_nir(net, 4)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "between",
    [ChannelNorm(0.2, 0.5), MaxPooling(1), AveragePooling(2), InTurn((Directly(),))],
    ids=lambda b: type(b).__name__,
)
def test_nothing_between_synapse_and_neuron_gets_lost(between):
    """It did: 1,435 spikes for 1,278."""
    net = trained(SnntorchLIF(dt_ms=5.0))
    net.layers[1].between = between
    with pytest.raises(ValueError, match=rf"layer Conv2: .*no node for {type(between).__name__}"):
        to_nir(net, PX)


def test_a_layer_of_one_place_is_exported_where_nothing_pools_it():
    net = trained(SnntorchLIF(dt_ms=5.0))
    net.layers[2].pool = 1
    to_nir(net, 4)  # 4, 2 and 1 px a side


def with_a_field_more(part):
    """The part as it will be when somebody adds a field: a delay of 3 ms."""
    kind = type(part)
    fields = [("delay_ms", float, dataclasses.field(default=3.0))]
    later = dataclasses.make_dataclass(kind.__name__, fields, bases=(kind,), frozen=True,
                                       kw_only=True)  # fmt: skip
    values = {f.name: getattr(part, f.name) for f in dataclasses.fields(part) if f.init}
    return later(**values)


@pytest.mark.parametrize("where", ["dynamics", "cell", "synapse"])
@pytest.mark.parametrize("registered", [False, True], ids=["subclass", "same class"])
def test_a_field_that_is_added_later_is_refused_by_default(where, registered, monkeypatch):
    """Whether it comes with a class of one's own, or into the class that is known today."""
    net = trained(SnntorchLIF(dt_ms=5.0))
    part = {"dynamics": net.dynamics, "cell": net.dynamics.cell,
            "synapse": net.layers[0].synapse}[where]  # fmt: skip
    later = with_a_field_more(part)
    if registered:
        monkeypatch.setitem(nir_parts._KNOWN, type(later), nir_parts._KNOWN[type(part)])
    if where == "dynamics":
        net.dynamics = later
    elif where == "cell":
        net.dynamics = replace(net.dynamics, cell=later)
    else:
        net.layers[0].synapse = later
    message = "has delay_ms, which the graph does not carry" if registered else "NIR has no node"
    with pytest.raises(ValueError, match=message):
        to_nir(net, PX)


def test_what_a_layer_or_a_network_holds_beside_is_refused():
    for add in (
        lambda net: setattr(net.layers[2], "delay_ticks", 3),
        lambda net: net.layers[2].register_buffer("delay_ticks", torch.ones(1)),
        lambda net: setattr(net, "delay_ticks", torch.nn.Linear(1, 1)),
        lambda net: setattr(net.layers[0], "delay_ticks", torch.nn.Linear(1, 1)),
    ):
        net = trained(SnntorchLIF(dt_ms=5.0))
        to_nir(net, PX)
        add(net)
        with pytest.raises(ValueError, match="has delay_ticks, which the graph does not carry"):
            to_nir(net, PX)


@torch.no_grad()
def test_weights_and_thresholds_that_no_simulator_takes_are_refused():
    net = trained(SnntorchLIF(dt_ms=5.0))
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        with pytest.raises(ValueError, match=rf"the weight is {dtype}.*export net.float"):
            to_nir(net.to(dtype), PX)
    net.float()
    net.layers[1].threshold[0] = torch.nan
    with pytest.raises(ValueError, match="layer Conv2: the threshold must be positive"):
        to_nir(net, PX)
    net.layers[1].threshold[0] = 1
    net.layers[0].weight[0, 0, 0, 0] = torch.inf
    with pytest.raises(ValueError, match="layer Conv1: the weight holds"):
        to_nir(net, PX)


def test_every_field_that_is_known_exists():
    """A field that was renamed would be refused for ever under its new name."""
    net = trained(SnntorchLIF(dt_ms=5.0))
    parts = [net, net.dynamics, net.layers[0], net.layers[0].synapse]
    parts += [CELLS[name](dt_ms=5.0) for name in EXPORTED]
    assert {type(part): nir_parts._fields(part) for part in parts} == nir_parts._KNOWN


def test_every_cell_is_exported_or_refused():
    """A new cell has to be one or the other."""
    net = trained(SnntorchLIF(dt_ms=5.0))
    for name, kind in CELLS.items():
        net.dynamics = replace(net.dynamics, cell=kind(dt_ms=5.0))
        if name in EXPORTED:
            to_nir(net, PX)
        else:
            with pytest.raises(ValueError, match="NIR has no node"):
                to_nir(net, PX)
