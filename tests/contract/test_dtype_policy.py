"""What may enter the spiking code is one policy at every public call (``spiking._tensors``).

float32 and float64, dense, of one dtype, in any memory layout; everything is detached and nothing
that comes out carries a graph; all else is refused by one sentence.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from neurosim.models.network.builders import convolutional_network, dense_network
from neurosim.models.spiking.competitive import Competition, CompetitiveLayer
from neurosim.models.spiking.dynamics import SpikingDynamics, SpikingLayer, SpikingNetwork
from neurosim.spiking import (
    CELLS,
    ENCODERS,
    TIMINGS,
    WEIGHT_DEPENDENCES,
    AllPairs,
    ByDensity,
    ChannelNorm,
    Delta,
    FusedKernel,
    Guetig,
    HardBounds,
    MeanOverBatch,
    Millivolts,
    NoCompetition,
    Population,
    SpikeWindow,
    SynapticScaling,
    TotalInput,
    TraceSTDP,
    WinnerTakeAll,
    weight_change,
)
from neurosim.spiking.timing.evolving import evolve
from neurosim.synapses import Conv2d, Dense
from neurosim.types import LocalSignal

SHAPE = (2, 4, 6, 6)
CELL = CELLS["snntorch-lif"](dt_ms=1.0)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def shaped(x: Tensor, *shape: int) -> Tensor:
    """``reshape``, which sparse tensors lack."""
    return (
        x.reshape(shape) if x.layout is torch.strided else x.to_dense().reshape(shape).to_sparse()
    )


def changed(x: Tensor, timing, kernel) -> Tensor:
    """The change by spikes in the dtype, layout and graph of x."""
    side = shaped(x.round() if x.is_floating_point() else x, 8, 1, 36)
    post = side.detach().to_dense().roll(1, 0)
    return kernel.change(Dense(36, 36), SpikeWindow(side, post), timing, 1.0)


def evolved(x: Tensor, dependence) -> Tensor:
    side = torch.zeros(8, 1, 12, dtype=torch.float32)
    side[::3] = 1
    timing = AllPairs(dependence=dependence)
    weight = shaped(x, 24, 12)
    post = torch.ones(8, 1, 24)
    return evolve(Dense(12, 24), weight, SpikeWindow(side, post), timing, 1.0, MeanOverBatch())


def ticked(cell, x: Tensor) -> Tensor:
    spikes, state = cell.tick(x, cell.rest(x))
    return torch.cat([each.flatten() for each in (spikes, *state)])


ADDITIVE = WEIGHT_DEPENDENCES["additive"]()
ONES = torch.ones(4)
#: Every public call, from one tensor of 288 values that lie in [0, 1].
DOORS: dict[str, Callable[[Tensor], Tensor]] = {
    **{f"cell {n}": partial(ticked, CELLS[n](dt_ms=1.0)) for n in CELLS},
    **{
        f"encoder {n}": lambda x, n=n: ENCODERS[n]().encode(x, 12, 5.0, generator())
        for n in ENCODERS
    },
    **{
        f"timing {n}": lambda x, n=n: changed(x, TIMINGS[n](dependence=ADDITIVE), ByDensity())
        for n in TIMINGS
    },
    "fused": lambda x: changed(x, AllPairs(), FusedKernel()),
    **{
        f"weight {n}": lambda x, n=n: evolved(x, WEIGHT_DEPENDENCES[n]())
        for n in WEIGHT_DEPENDENCES
    },
    "no competition": lambda x: NoCompetition().fire(CELL, x.clone(), ONES.to(x), 2).voltage,
    "winner": lambda x: WinnerTakeAll().fire(CELL, 2 * x, ONES.to(x), 2).voltage,
    "winner step": lambda x: (
        WinnerTakeAll().step(CELL, 2 * x, torch.zeros_like(x), (), ONES.to(x), 2)[0].pooled
    ),
    "scaling": lambda x: SynapticScaling(5.0).scaled(x, torch.ones(2)),
    "total": lambda x: TotalInput(5.0).scaled(x),
    "millivolts": lambda x: Millivolts().of(x, torch.zeros(SHAPE), torch.ones(()), 1.0),
    "delta events": lambda x: Delta(threshold=2.0).events(x),
    "delta decode": lambda x: Delta().decode(x),
    "phase decode": lambda x: ENCODERS["phase"]().decode(x),
    "responses": lambda x: Population().responses(x),
}

GOOD = torch.rand(SHAPE, generator=generator())
REFUSED = {
    "int64": GOOD.round().long(),
    "uint8": GOOD.round().byte(),
    "bool": GOOD > 0.5,
    "half": GOOD.half(),
    "bfloat16": GOOD.bfloat16(),
    "complex64": GOOD.to(torch.complex64),
    "sparse": GOOD.to_sparse(),
    "list": GOOD.tolist(),
}
EVERY_DOOR = pytest.mark.parametrize("door", list(DOORS))


@EVERY_DOOR
@pytest.mark.parametrize("kind", list(REFUSED))
def test_what_the_policy_excludes_is_refused_by_one_sentence(door, kind):
    """Spikes counted in integers, traces in half precision: wrong numbers without an error."""
    given = REFUSED[kind]
    if kind == "list" and not door.startswith(("cell", "encoder")):
        return  # the reshaping of this test takes tensors
    with pytest.raises((TypeError, ValueError)) as told:
        DOORS[door](given)
    sentence = str(told.value)
    assert "\n" not in sentence
    assert any(word in sentence for word in ("float32", "dense", "must be a tensor")), sentence


@EVERY_DOOR
@pytest.mark.parametrize(
    "form", ["grad", "parameter", "strided", "channels-last", "expanded", "float64"]
)
def test_graph_and_layout_change_no_number(door, form):
    """The numbers of a plain tensor, to the bit, and no graph behind them."""
    given = {
        "grad": lambda: GOOD.clone().requires_grad_(),
        "parameter": lambda: nn.Parameter(GOOD.clone()),
        "strided": lambda: GOOD.repeat_interleave(2, -1)[..., ::2],
        "channels-last": lambda: GOOD.contiguous(memory_format=torch.channels_last),
        "expanded": lambda: GOOD[:1].expand(SHAPE),
        "float64": lambda: GOOD.double(),
    }[form]()
    if form == "float64":
        if door.startswith("weight"):
            with pytest.raises(TypeError, match="float32 on cpu"):
                DOORS[door](given)  # the spikes are float32
        else:
            assert DOORS[door](given).dtype == torch.float64
        return
    plain = given.detach().clone(memory_format=torch.contiguous_format)
    before = given.detach().clone()
    answer = DOORS[door](given)
    assert not answer.requires_grad
    assert answer.grad_fn is None
    assert torch.equal(answer, DOORS[door](plain))
    assert torch.equal(given.detach(), before)


@pytest.mark.parametrize("name", list(CELLS))
def test_a_cell_runs_no_images_and_refuses_a_state_of_another_dtype(name):
    cell, none = CELLS[name](dt_ms=1.0), torch.zeros(0, 3)
    assert cell.tick(none, cell.rest(none))[0].shape == (0, 3)
    x = torch.ones(2, 3)
    with pytest.raises(TypeError, match=r"voltage must be torch\.float32"):
        cell.tick(x, cell.rest(x.double()))
    for threshold in (torch.ones(3, requires_grad=True), torch.ones(3).double(), 1):
        assert not cell.tick(x, cell.rest(x), threshold)[0].requires_grad


def test_networks_name_the_dtype_they_take():
    """float64 images to float32 weights: in every network, before anything runs."""
    images = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    rate = convolutional_network(generator=generator(), channels=(3, 4), image_px=16, n_hidden=5)
    with pytest.raises(TypeError, match=r"the input is torch\.float64 .* x\.to\(torch\.float32\)"):
        rate.represent(images)
    with pytest.raises(TypeError, match=r"the input is torch\.float64"):
        dense_network((4, 3), generator=generator()).forward(torch.rand(2, 4).double())
    weight = torch.rand(4, 6, 3, 3)
    layer = SpikingLayer("Conv1", Conv2d(6, 4, 3), weight, target_rate=0.1)
    spiking = SpikingNetwork([layer], SpikingDynamics())
    for act in (spiking.represent, spiking.rates):
        with pytest.raises(TypeError, match=r"images must be torch\.float32 .* got torch\.float64"):
            act(images)
    # Thresholds are calibrated in float64, whatever the images are held in.
    with pytest.raises(TypeError, match="images must be floating point, float32 or float64"):
        spiking.calibrate(images.half())
    with pytest.raises(TypeError, match="layer Conv1: the weight must be floating point"):
        SpikingLayer("Conv1", Conv2d(6, 4, 3), weight.half(), target_rate=0.1)
    competitive = CompetitiveLayer("one", 12, 3, generator=generator())
    with pytest.raises(TypeError, match=r"spikes must be torch\.float32"):
        Competition().presentation(competitive, torch.zeros(350, 1, 12).double(), learning=False)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CELLS["norse-lif"](dt_ms="5"), "dt_ms must be a number, got '5'"),
        (lambda: CELLS["norse-lif"](dt_ms=True), "dt_ms must be a number, got True"),
        (lambda: CELLS["norse-lif"](reset="subtract"), "reset must be an AbstractReset such as"),
        (lambda: CELLS["norse-lsnn"](jump="1"), "jump must be a number"),
        (lambda: ENCODERS["poisson"](True), "max_rate_hz must be a number, got True"),
        (lambda: ENCODERS["population"](n_units=2.5), "n_units must be a whole number"),
        (lambda: ENCODERS["population"](code="latency"), "code must be an AbstractEncoder such as"),
        (lambda: TIMINGS["all-pairs"](dependence="hard"), "dependence must be an AbstractWeight"),
        (lambda: TIMINGS["all-pairs"](coincidence=1), "coincidence must be a name"),
        (lambda: HardBounds("0"), "w_min must be a number"),
        (lambda: weight_change(AllPairs(), [0.0], [5.0], dt_ms=True), "dt_ms must be a number"),
        (lambda: ENCODERS["current"]().encode(GOOD, True, 1.0), "n_ticks must be a whole number"),
        (lambda: ENCODERS["current"]().encode(GOOD, 5, "1"), "dt_ms must be a number"),
        (lambda: ENCODERS["poisson"]().encode(GOOD, 5, 1.0, 0), "generator must be a torch"),
        (lambda: ChannelNorm(deviation=0.0), "deviation of every map must be positive"),
    ],
)  # fmt: skip
def test_a_setting_of_another_kind_is_named(build, message):
    with pytest.raises((TypeError, ValueError), match=message):
        build()


class Layer:
    name, synapse = "one", Dense(2, 2)

    def plastic_parameters(self):
        return {"weight": nn.Parameter(torch.full((2, 2), 0.5))}


def presented(stdp: TraceSTDP, pre: Tensor, post: Tensor) -> Tensor:
    memory = stdp.begin(Layer())
    for a, b in zip(pre, post, strict=True):
        memory = stdp.observe(Layer(), memory, LocalSignal(a, b, {"dt": 1.0}))
    return stdp.delta(Layer(), memory)["weight"]


def allocated_per_tick(stdp: TraceSTDP, n_ticks: int) -> float:
    """Bytes of Python objects that taking up one tick needs, what is freed again included."""
    memory, signal = stdp.begin(Layer()), LocalSignal(*torch.zeros(2, 1, 2), {"dt": 1.0})
    total = 0
    tracemalloc.start()
    for _ in range(n_ticks):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        memory = stdp.observe(Layer(), memory, signal)
        total += tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert len(memory._latest) < memory._BLOCK
    assert len(memory._blocks) == n_ticks // memory._BLOCK
    return total / n_ticks


def test_a_long_presentation_takes_time_and_memory_in_proportion_to_its_ticks():
    """A tick costs what it costs at any length: a list copied at each tick would allocate four
    times as much per tick over four times the ticks. Only the ticks of the latest block are held
    one by one. Blocks of ticks change no number."""
    stdp = TraceSTDP(AllPairs(dependence=Guetig()))
    assert allocated_per_tick(stdp, 8192) < 1.5 * allocated_per_tick(stdp, 2048)
    pre, post = ((torch.rand(1300, 1, 2, generator=generator()) < p).float() for p in (0.1, 0.2))
    whole = ByDensity().change(Dense(2, 2), SpikeWindow(pre, post), AllPairs(), 1.0)
    assert torch.equal(presented(TraceSTDP(AllPairs()), pre, post), whole)


def test_a_presentation_of_one_tick_that_can_hold_no_pair_is_refused():
    """No trace outlives a presentation: chunks of one tick would move no weight, in silence."""
    one = torch.ones(1, 1, 2)
    with pytest.raises(ValueError, match="a presentation of one tick holds no pair"):
        presented(TraceSTDP(AllPairs()), one, one)
    change = presented(TraceSTDP(AllPairs(coincidence="potentiate")), one, one)
    assert bool((change > 0).all())
