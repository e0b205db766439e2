"""No compiled kernel trusts a size: of its own arguments, or of what a public call hands on.

numba checks no index, so a size that does not fit reads and writes the memory of others. Every
kernel is sent every wrong size in a process of its own, which such a write may end, once more under
numba's bounds checking; and every public call refuses sizes that do not fit by naming both.
"""

from __future__ import annotations

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from neurosim.models.spiking.competitive import Competition, CompetitiveLayer
from neurosim.spiking import (
    TIMINGS,
    AllPairs,
    ByDensity,
    EventKernel,
    FusedKernel,
    HardBounds,
    MeanOverBatch,
    NoCompetition,
    SnntorchLIF,
    SpikeVoltage,
    SpikeWindow,
    SubsetKernel,
    TraceSTDP,
    WinnerTakeAll,
)
from neurosim.spiking.timing.evolving import evolve
from neurosim.synapses import Conv1d, Conv2d, ConvTranspose2d, Dense, LocallyConnected2d
from neurosim.types import LocalSignal

SCRIPT = Path(__file__).with_name("kernel_sizes.py")
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("neurosim", "models", "rsa", "experiments")
KERNELS = (FusedKernel(), EventKernel(), SubsetKernel(), ByDensity(), ByDensity(0.0))


def decorated() -> tuple[set[str], set[str], list[str]]:
    """What is compiled with a door or a check of its own; what is for other kernels; and where
    else numba compiles anything."""
    doors, inner, elsewhere = set(), set(), []
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef):
                continue
            for each in node.decorator_list:
                maker = each.func if isinstance(each, ast.Call) else each
                word = ast.unparse(maker).rsplit(".", 1)[-1]
                name = f"{path.stem}.{node.name}"
                if word == "kernel":
                    doors.add(name)
                elif word == "inner" or (word == "njit" and node.name.startswith("_")):
                    inner.add(name)
                elif word == "njit" and path.parent.parent.name == "rsa":
                    doors.add(name)
                elif "jit" in word or word in ("vectorize", "guvectorize", "stencil", "cfunc"):
                    elsewhere.append(name)
        if "numba" in text and "jit(" in text and path.parent.parent.name != "rsa":
            elsewhere += [] if path.name == "door.py" else [path.name]
    return doors, inner, elsewhere


def test_every_kernel_is_tried():
    """A new kernel that ``kernel_sizes`` does not know fails here, and so does one outside of the
    modules of kernels or one for other kernels that Python calls."""
    CASES = runpy.run_path(str(SCRIPT))["CASES"]

    doors, inner, elsewhere = decorated()
    assert doors == set(CASES)
    assert not elsewhere
    assert inner
    homes = {name.split(".")[0] for name in doors | inner}
    for path in (p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")):
        if path.parent.name == "kernels":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            *folder, home = ((node.module or "") if isinstance(node, ast.ImportFrom) else "").split(
                "."
            )
            if "kernels" in folder and home in homes:
                assert not {f"{home}.{alias.name}" for alias in node.names} & inner, path


@pytest.mark.parametrize("checked", ["0", "1"])
def test_every_kernel_refuses_every_wrong_size(checked, tmp_path):
    """Compiled without optimisation under bounds checking, which costs a third of the time."""
    environment = os.environ | {"NUMBA_BOUNDSCHECK": checked}
    if checked == "1":
        environment |= {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_OPT": "0"}

    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def window(pre: tuple[int, ...], post: tuple[int, ...], every: int = 9) -> SpikeWindow:
    """Spikes of 40 ticks and 3 images, few (every 9th tick) or many."""
    x, y = torch.zeros(40, 3, *pre), torch.zeros(40, 3, *post)
    x[::every], y[1::every] = 1, 1
    return SpikeWindow(x, y)


#: A synapse, the input it takes and the output it then gives.
FITTING = [
    (Dense(40, 60), (40,), (60,)),
    (Dense(12, 5), (3, 2, 2), (5,)),
    (Conv1d(2, 4, 3, stride=2, padding=1, dilation=2, groups=2), (2, 9), (4, 4)),
    (Conv2d(2, 4, 3), (2, 6, 5), (4, 4, 3)),
    (Conv2d(2, 4, 3, stride=2, padding=1), (2, 6, 5), (4, 3, 3)),
    (Conv2d(2, 4, 2, dilation=2, padding=1), (2, 6, 5), (4, 6, 5)),
    (Conv2d(2, 4, 3, groups=2), (2, 6, 5), (4, 4, 3)),
    (LocallyConnected2d(2, 4, 6, 5), (2, 6, 5), (4, 4, 3)),
    (ConvTranspose2d(2, 4), (2, 3, 3), (4, 6, 6)),
]


def other_sizes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Every axis shorter and longer, one axis fewer and more, and the axes turned round."""
    longer = [
        (*shape[:axis], size, *shape[axis + 1 :])
        for axis, n in enumerate(shape)
        for size in (n - 1, n + 1, 3 * n)
        if size
    ]
    turned = [shape[::-1]] if shape[::-1] != shape else []
    return [*longer, *turned, (*shape, 2), *([shape[1:]] if shape[1:] else [])]


@pytest.mark.parametrize(("synapse", "pre", "post"), FITTING, ids=lambda v: str(v)[:30])
def test_spikes_that_a_synapse_does_not_join_are_refused(synapse, pre, post):
    """By every kernel and by weights that evolve, sparse and dense, the sides turned round too."""
    cases = [(wrong, post) for wrong in other_sizes(pre)] + [(pre, w) for w in other_sizes(post)]
    cases.append((post, pre))
    for every in (9, 2):
        assert (
            ByDensity().change(synapse, window(pre, post, every), AllPairs(), 1.0).isfinite().all()
        )
        for wrong_pre, wrong_post in cases:
            try:
                if synapse.out_features(wrong_pre) == wrong_post:
                    continue  # another input that gives the same output
            except ValueError:
                pass
            spikes = window(wrong_pre, wrong_post, every)
            for kernel in KERNELS:
                with pytest.raises(ValueError, match=str(synapse).split("(")[0]) as told:
                    kernel.change(synapse, spikes, AllPairs(), 1.0)
                assert str(wrong_pre) in str(told.value)
                assert str(wrong_post) in str(told.value)
            bounded = AllPairs(dependence=HardBounds())
            weight = torch.full(synapse.weight_shape, 0.5)
            with pytest.raises(ValueError, match=str(synapse).split("(")[0]):
                evolve(synapse, weight, spikes, bounded, 1.0, MeanOverBatch())


@pytest.mark.parametrize(("synapse", "pre", "post"), FITTING, ids=lambda v: str(v)[:30])
def test_the_maps_of_a_synapse_refuse_what_they_do_not_take(synapse, pre, post):
    """Forward, backward and correlation; and the output has the shape that is announced."""
    weight = torch.zeros(synapse.weight_shape)
    x, y = torch.zeros(2, *pre), torch.zeros(2, *post)
    assert synapse.forward(x, weight, None).shape == y.shape
    assert synapse.carry_back(y, weight, x).shape == x.shape
    assert synapse.correlate(x, y)[0].shape == weight.shape
    for wrong in other_sizes(post):
        with pytest.raises(ValueError, match="postsynaptic side"):
            synapse.correlate(x, torch.zeros(2, *wrong))
        with pytest.raises(ValueError, match="postsynaptic side"):
            synapse.carry_back(torch.zeros(2, *wrong), weight, x)
    for wrong in other_sizes(tuple(weight.shape)):
        with pytest.raises(ValueError, match="weight of shape"):
            synapse.forward(x, torch.zeros(wrong), None)
        with pytest.raises(ValueError, match="weight of shape"):
            evolve(
                synapse, torch.zeros(wrong), window(pre, post),
                AllPairs(dependence=HardBounds()), 1.0, MeanOverBatch(),
            )  # fmt: skip


@pytest.mark.parametrize("name", list(TIMINGS))
def test_every_timing_is_behind_the_same_door(name):
    timing = TIMINGS[name]()
    wrong = window((60,), (40,))
    with pytest.raises(ValueError, match=r"\(60,\) .* \(40,\) .* Dense"):
        ByDensity().change(Dense(40, 60), wrong, timing, 1.0)

    class Layer:
        name, synapse = "one", Dense(40, 60)

        def plastic_parameters(self):
            return {"weight": torch.full((60, 40), 0.5)}

    stdp = TraceSTDP(timing)
    memory = stdp.begin(Layer())
    for pre, post in zip(wrong.pre, wrong.post, strict=True):
        memory = stdp.observe(Layer(), memory, LocalSignal(pre, post, {"dt": 1.0}))
    with pytest.raises(ValueError, match=r"\(60,\) .* \(40,\) .* Dense"):
        stdp.delta(Layer(), memory)


def test_spikes_that_are_no_spikes_never_reach_a_kernel():
    """A 2 among them would be the bits of another neuron in the tables of sums."""
    for side in ("pre", "post"):
        spikes = window((12,), (80,), 2)
        getattr(spikes, side)[1] = 2
        for kernel in KERNELS:
            with pytest.raises(ValueError, match=f"{side} holds 2"):
                kernel.change(Dense(12, 80), spikes, AllPairs(), 1.0)
        with pytest.raises(ValueError, match=f"{side} holds 2"):
            evolve(
                Dense(12, 80), torch.full((80, 12), 0.5), spikes,
                AllPairs(dependence=HardBounds()), 1.0, MeanOverBatch(),
            )  # fmt: skip


@pytest.mark.parametrize("competition", [NoCompetition(), WinnerTakeAll()])
def test_competition_refuses_layers_that_do_not_fit(competition):
    """Thresholds of other maps, states of other layers, windows larger than the layer; where cells
    know a compiled pass and where not."""
    cell, v, theta = SnntorchLIF(dt_ms=1.0), torch.ones(2, 4, 6, 5), torch.ones(4)
    good = competition.step(cell, v.clone(), torch.zeros(()), (), theta, 2)[0]
    assert good.pooled.shape == (2, 4, 3, 2)
    for wrong in ((3,), (5,), (2, 4, 6), (4, 1), (2, 4, 6, 4), (3, 4, 6, 5)):
        with pytest.raises(ValueError, match=r"thresholds of shape .* \(2, 4, 6, 5\)"):
            competition.fire(cell, v.clone(), torch.ones(wrong), 2)
        with pytest.raises(ValueError, match=r"thresholds of shape .* \(2, 4, 6, 5\)"):
            competition.step(cell, v.clone(), v.clone(), (), torch.ones(wrong), 2)
    for wrong in ((2, 4, 6, 4), (3, 4, 6, 5), (1, 4, 6, 5), (4, 6, 5)):
        with pytest.raises(ValueError, match=r"current has shape \(2, 4, 6, 5\) and the voltage"):
            competition.step(cell, v.clone(), torch.ones(wrong), (), theta, 2)
    for wrong in ((4, 6, 5), (2, 4, 6), (2, 4, 6, 5, 1)):
        with pytest.raises(ValueError, match="batch, maps, height, width"):
            competition.fire(cell, torch.ones(wrong), theta, 1)
    for pool in (0, -1, 6, 2.0, True, "2"):
        with pytest.raises(ValueError, match="pool must be a whole number"):
            competition.fire(cell, v.clone(), theta, pool)


def test_one_winner_and_drawn_membranes_refuse_other_sizes():
    dynamics = Competition(duration_ms=5.0)
    layer = CompetitiveLayer("one", 12, 7, generator=torch.Generator().manual_seed(0))
    for wrong in ((5, 2, 11), (5, 2, 13), (2, 12)):
        with pytest.raises(ValueError, match=r"12"):
            dynamics.presentation(layer, torch.zeros(wrong), learning=True)
    for wrong in ((5,), (5, 2, 2)):
        with pytest.raises(ValueError, match=r"must be \(time, n\)"):
            SpikeVoltage().of(torch.zeros(wrong).numpy(), 1.0)


def test_a_cell_refuses_states_and_thresholds_of_other_layers():
    """They would broadcast: five presentations out of one, or one map's threshold for all."""
    x = torch.ones(2, 3, 4)
    cell = SnntorchLIF(dt_ms=1.0)
    for wrong in ((5, 2, 3, 4), (2, 3, 1), (3, 4), (2, 3, 5)):
        with pytest.raises(ValueError, match=r"current has shape \(2, 3, 4\), but voltage"):
            cell.tick(x, (torch.zeros(wrong),))
    for wrong in ((4,), (2, 3, 5), (2, 2, 4)):
        with pytest.raises(ValueError, match="thresholds of shape"):
            cell.tick(x, cell.rest(x), torch.ones(wrong))
    for right in ((), (3,), (1,), (2, 3, 4), (3, 4)):
        assert cell.tick(x, cell.rest(x), torch.ones(right))[0].shape == x.shape


@pytest.mark.parametrize("ticks", [[0, 1, 2], [0.5 * t for t in range(40)], [0] * 40, "ticks"])
def test_ticks_are_whole_numbers_that_rise(ticks):
    good = window((3,), (3,))
    with pytest.raises(ValueError, match="ticks must be whole numbers that rise"):
        SpikeWindow(good.pre, good.post, ticks)
    assert SpikeWindow(good.pre, good.post, list(range(40))).clock(1.0).keep(5.0).shape == (40,)


def test_what_is_no_synapse_or_timing_is_named():
    for kernel in KERNELS:
        with pytest.raises(TypeError, match="synapse must be an object such as"):
            kernel.change("dense", window((3,), (3,)), AllPairs(), 1.0)
        with pytest.raises(TypeError, match="timing must be an object such as"):
            kernel.change(Dense(3, 3), window((3,), (3,)), "all-pairs", 1.0)
