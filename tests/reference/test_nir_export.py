"""An exported network runs in norse and in snntorch to the same spikes."""

from __future__ import annotations

from dataclasses import replace

import nir
import pytest
import torch

from neurosim.models.network import convolutional_network
from neurosim.models.nir_export import NORSE, SNNTORCH, to_nir, write_nir
from neurosim.models.pink_noise import pink_noise
from neurosim.models.spiking import SpikingDynamics, SpikingNetwork
from neurosim.models.stdp import stdp_part
from neurosim.rule import run_batch
from neurosim.solvers import Ticks
from neurosim.spiking.competition import NoCompetition, WinnerTakeAll
from neurosim.spiking.neurons import CELLS, NorseLIF, ResetBySubtraction, SnntorchLIF
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
