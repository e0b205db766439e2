"""Laws of every registered cell."""

from __future__ import annotations

import gc
import itertools
import math
import pickle
import weakref

import pytest
import torch

from neurosim.spiking.cells.registry import (
    CELLS,
    AdaptiveLIF,
    LeakyCell,
    NorseCubaLIF,
    NorseLIF,
    NorseLIFRefractory,
    ResetBySubtraction,
    ResetToZero,
    SnntorchLapicque,
    SnntorchLIF,
    SnntorchSynaptic,
    VoltageCell,
    per_map,
)
from neurosim.spiking.population.competition import NoCompetition, WinnerTakeAll

RESETS = (ResetToZero(), ResetBySubtraction())
EVERY_CELL = pytest.mark.parametrize("name", list(CELLS))
LEAKY = [name for name, kind in CELLS.items() if issubclass(kind, LeakyCell)]


def run(cell, currents, threshold=1.0):
    """Spikes and voltages, (time, ...), from rest."""
    state, history = cell.rest(currents[0]), []
    for current in currents:
        spikes, state = cell.tick(current, state, threshold)
        history.append((spikes, state[0]))
    return tuple(torch.stack(series) for series in zip(*history, strict=True))


def noise(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype) * 0.6


@EVERY_CELL
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tick_gives_spikes_and_a_state_like_its_input(name, dtype):
    """0 and 1, shapes and dtype of the input, nothing given is overwritten, finite."""
    cell = CELLS[name](dt_ms=1.0)
    current = noise(3, 2, 4, 4, dtype=dtype) * 2
    state = cell.rest(current)
    assert len(state) == 1 + len(cell.memory_names)
    for _ in range(20):
        given = tuple(tensor.clone() for tensor in (current, *state))
        spikes, after = cell.tick(current, state)
        assert all(torch.equal(a, b) for a, b in zip(given, (current, *state), strict=True))
        for tensor in (spikes, *after):
            assert tensor.shape == current.shape
            assert tensor.dtype == dtype
            assert tensor.isfinite().all()
        assert ((spikes == 0) | (spikes == 1)).all()
        state = after


@EVERY_CELL
def test_a_neuron_is_on_its_own(name):
    """What one neuron does, to the bit, does not depend on the others."""
    cell, currents = CELLS[name](dt_ms=1.0), noise(40, 6)
    spikes, voltages = run(cell, currents)
    alone = run(cell, currents[:, 2:3])
    assert torch.equal(spikes[:, 2:3], alone[0])
    assert torch.equal(voltages[:, 2:3], alone[1])
    assert 0 < spikes.mean() < 1


@EVERY_CELL
def test_an_input_of_one_raises_a_cell_at_rest_by_one(name):
    """The unit of current, whatever the library's own.

    norse's LSNN takes its input a tick later, when a Cuba current has decayed by nothing yet.
    Exponential cells add the foot of their upswing, (dt / tau) Delta_T exp(-theta / Delta_T) =
    2.3e-6 at a threshold of 10; 1e-5 holds it.
    """
    cell = CELLS[name](dt_ms=1.0)
    one = torch.ones(1, 1, dtype=torch.float64)
    _, state = cell.tick(one, cell.rest(one), 10.0)
    if name == "norse-lsnn":
        _, state = cell.tick(0 * one, state, 10.0)
    assert state[0].item() == pytest.approx(1.0, abs=1e-5)


@EVERY_CELL
def test_without_input_nothing_fires(name):
    """Rest is rest: 200 silent ticks, the voltage below a tenth of the threshold."""
    spikes, voltages = run(CELLS[name](dt_ms=1.0), torch.zeros(200, 1, 2))
    assert spikes.sum() == 0
    assert voltages.abs().max() < 0.1


#: Their upswing leaves no voltage of which a threshold could be taken away.
EXPONENTIAL = ("norse-lif-ex", "norse-adex")


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_an_exponential_cell_starts_again_from_zero(name):
    """A subtraction would leave it above its threshold, where it grows to infinity and then NaN:
    refused when built. With its own reset it stays finite and keeps firing under any drive."""
    with pytest.raises(ValueError, match=r"takes ResetToZero\(\), got ResetBySubtraction"):
        CELLS[name](dt_ms=1.0, reset=ResetBySubtraction())
    for drive in (0.3, 3.0, 1e4):
        spikes, voltages = run(CELLS[name](dt_ms=1.0), torch.full((400, 2, 3), drive), 1.0)
        assert voltages.isfinite().all()
        assert spikes[-100:].sum() > 0


@EVERY_CELL
@pytest.mark.parametrize("reset", RESETS, ids=lambda r: type(r).__name__)
def test_an_infinite_threshold_leaves_the_membrane_free(name, reset):
    """No spike and no NaN: thresholds are found from free membranes."""
    if name in EXPONENTIAL and reset != ResetToZero():
        return
    currents = noise(50, 2, 3).abs()
    spikes, voltages = run(CELLS[name](dt_ms=1.0, reset=reset), currents, torch.inf)
    assert spikes.sum() == 0
    assert voltages.isfinite().all()


@EVERY_CELL
def test_each_map_has_its_own_threshold(name):
    """A threshold a map acts on that map alone: (maps,) and its broadcast shape are the same."""
    cell, currents = CELLS[name](dt_ms=1.0), noise(30, 2, 1, 4, 4).repeat(1, 1, 3, 1, 1)
    thresholds = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    spikes, _ = run(cell, currents, thresholds)
    shaped, _ = run(cell, currents, per_map(thresholds, currents[0]))
    assert torch.equal(spikes, shaped)
    for i, threshold in enumerate(thresholds):
        assert torch.equal(spikes[:, :, i], run(cell, currents[:, :, i], float(threshold))[0])
    counts = spikes.sum((0, 1, 3, 4))
    assert counts[0] > counts[1] > counts[2]


@EVERY_CELL
@pytest.mark.parametrize("competition", [NoCompetition(), WinnerTakeAll()], ids=["none", "wta"])
def test_competition_stands_between_the_parts_of_a_tick(name, competition):
    """Without competition the parts give the tick; with it at most one map a place fires."""
    cell, currents = CELLS[name](dt_ms=1.0), noise(30, 2, 5, 4, 4)
    threshold = torch.linspace(0.5, 1.5, 5, dtype=torch.float64)
    voltage, *memory = cell.rest(currents[0])
    state, n_spikes = cell.rest(currents[0]), 0
    for current in currents:
        expected, state = cell.tick(current, state, threshold)
        voltage, memory = cell.advance(current, voltage, tuple(memory), threshold)
        fired = competition.fire(cell, voltage, cell.barrier(threshold, memory), 1)
        memory, voltage = cell.remember(memory, fired.spikes, threshold), fired.voltage
        if isinstance(competition, NoCompetition):
            assert torch.equal(fired.spikes, expected.byte())
            assert all(torch.equal(a, b) for a, b in zip((voltage, *memory), state, strict=True))
        assert competition != WinnerTakeAll() or fired.spikes.sum(1).max() <= 1
        n_spikes += int(fired.spikes.sum())
    assert n_spikes > 20


@pytest.mark.parametrize("name", [n for n, kind in CELLS.items() if issubclass(kind, VoltageCell)])
@pytest.mark.parametrize("reset", RESETS, ids=lambda r: type(r).__name__)
def test_a_voltage_cell_follows_its_stated_equation(name, reset):
    """v <- decay v + I, spike where v > theta, reset; 1e-13: float64, a few operations a tick."""
    cell = CELLS[name](dt_ms=1.5, reset=reset)
    currents = noise(40, 3, 4)
    spikes, voltages = run(cell, currents)
    v = torch.zeros(3, 4, dtype=torch.float64)
    for current, s, after in zip(currents, spikes, voltages, strict=True):
        v = cell.decay * v + current
        assert torch.equal(s, (v > 1).double())
        v = v * (1 - s) if isinstance(reset, ResetToZero) else v - s
        assert (v - after).abs().max() < 1e-13
        v = after
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize("reset", RESETS, ids=lambda r: type(r).__name__)
def test_the_libraries_agree_where_their_equations_do(reset):
    """tau_norse = dt / (1 - exp(-dt / tau)): same decay, so the same spikes and voltages.

    Lapicque takes norse's Euler step at the same tau. 1e-12: float64, 60 ticks, inputs as they
    come: the cells round differently.
    """

    def euler(tau_ms):
        return 5.0 / (1 - math.exp(-5.0 / tau_ms))

    same = {"dt_ms": 5.0, "reset": reset}
    pairs = [
        (SnntorchLIF(tau_mem_ms=20.0, **same), NorseLIF(tau_mem_ms=euler(20.0), **same)),
        (SnntorchLapicque(tau_mem_ms=20.0, **same), NorseLIF(tau_mem_ms=20.0, **same)),
        (
            SnntorchSynaptic(tau_mem_ms=20.0, tau_syn_ms=12.0, **same),
            NorseCubaLIF(tau_mem_ms=euler(20.0), tau_syn_ms=euler(12.0), **same),
        ),
        (
            SnntorchLIF(tau_mem_ms=20.0, **same),
            AdaptiveLIF(tau_mem_ms=20.0, jump=0.0, **same),
        ),
    ]
    currents = noise(60, 5, 7)
    for first, second in pairs:
        for a, b in zip(run(first, currents), run(second, currents), strict=True):
            assert (a - b).abs().max() < 1e-12


def test_the_libraries_differ_where_their_equations_do():
    """At the same tau the leaks differ: exp(-1/4) = .7788 against 1 - 1/4 = .75."""
    cells = [kind(tau_mem_ms=20.0, dt_ms=5.0) for kind in (SnntorchLIF, NorseLIF)]
    after = [cell.integrate(torch.zeros(1), torch.ones(1)).item() for cell in cells]
    assert after == pytest.approx([math.exp(-0.25), 0.75], abs=1e-6)


@pytest.mark.parametrize("name", LEAKY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_decay_is_kept_in_double(name, dtype):
    """float64 in, float64 decay out (a float32 decay would be off by 1e-8)."""
    cell = CELLS[name](tau_mem_ms=20.0, dt_ms=5.0)
    after = cell.integrate(torch.zeros(1, dtype=dtype), torch.ones(1, dtype=dtype))
    assert after.item() == pytest.approx(cell.decay, abs=1e-15 if dtype == torch.float64 else 1e-7)


def test_an_adaptive_threshold_settles_where_it_forgets_what_a_spike_adds():
    """Constant drive: a = jump / (1 - exp(-T / tau)) after a spike, at the intervals T it ends in;
    a(n) = a(n-1) exp(-T / tau) + jump at every spike.

    1e-12: float64, 13 products an interval. The intervals lengthen from the first on.
    """
    cell = AdaptiveLIF(dt_ms=1.0, tau_adapt_ms=50.0, jump=0.5)
    drive = torch.full((1, 1), 0.3, dtype=torch.float64)
    state, times, adaptation = cell.rest(drive), [], []
    for tick in range(1000):
        spikes, state = cell.tick(drive, state)
        if spikes.item():
            times.append(tick)
            adaptation.append(state[1].item())
    intervals = [b - a for a, b in itertools.pairwise(times)]
    for before, after, interval in zip(adaptation[:-1], adaptation[1:], intervals, strict=True):
        assert after == pytest.approx(before * math.exp(-interval / 50.0) + 0.5, abs=1e-12)
    assert intervals[0] < min(intervals[-10:])
    settled = [0.5 / -math.expm1(-interval / 50.0) for interval in intervals[-10:]]
    assert min(settled) <= min(adaptation[-10:]) <= max(adaptation[-10:]) <= max(settled)


@pytest.mark.parametrize(("refractory_ms", "ticks"), [(5.0, 5), (4.2, 5), (0.5, 1), (0.3, 1)])
def test_refractory_ticks(refractory_ms, ticks):
    """Under a drive that always suffices, intervals are refractory ticks + 1."""
    cell = NorseLIFRefractory(dt_ms=1.0, refractory_ms=refractory_ms)
    assert cell.refractory_ticks == ticks
    spikes, _ = run(cell, torch.full((60, 1, 1), 5.0))
    assert set(spikes.flatten().nonzero().flatten().diff().tolist()) == {ticks + 1}


@EVERY_CELL
def test_a_used_cell_pickles(name):
    """A cell that has run comes back equal, and runs the same."""
    cell = CELLS[name](dt_ms=2.0, reset=RESETS[0 if name in EXPONENTIAL else 1])
    before = run(cell, noise(5, 2))
    again = pickle.loads(pickle.dumps(cell))
    assert again == cell
    assert torch.equal(run(again, noise(5, 2))[1], before[1])


@EVERY_CELL
def test_cells_are_freed(name):
    """snntorch's class-level list of neurons, never freed, does not grow, and a cell dies with
    its last reference."""
    from snntorch._neurons.neurons import SpikingNeuron

    n_before = len(SpikingNeuron.instances)
    cell = CELLS[name](dt_ms=1.0)
    run(cell, noise(2, 2))
    reference = weakref.ref(cell)
    del cell
    gc.collect()
    assert reference() is None
    assert len(SpikingNeuron.instances) == n_before


def test_an_unknown_name_lists_the_known_ones():
    """The message holds every name that would have worked."""
    with pytest.raises(ValueError, match=r"unknown cell 'lif'.*snntorch-lif, snntorch-lapicque"):
        CELLS["lif"]


@EVERY_CELL
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_times_are_refused(name, value):
    """A time that is not finite and positive is named in the error."""
    kind = CELLS[name]
    for option in kind.__dataclass_fields__:
        if option.endswith("_ms"):
            with pytest.raises(ValueError, match=option):
                kind(**{option: value})


@pytest.mark.parametrize("option", ["jump", "coupling", "sharpness"])
def test_impossible_adaptation_is_refused(option):
    """By the field that is wrong."""
    for kind in CELLS.values():
        if option in kind.__dataclass_fields__:
            with pytest.raises(ValueError, match=option):
                kind(**{option: float("nan")})


@pytest.mark.parametrize("name", ["norse-lif", "norse-cuba-lif", "norse-adex", "snntorch-lapicque"])
def test_euler_refuses_a_tick_as_long_as_its_membrane(name):
    """Euler's decay would be 0 or negative."""
    with pytest.raises(ValueError, match=r"dt_ms < tau_mem_ms.*shorter tick"):
        CELLS[name](tau_mem_ms=5.0, dt_ms=5.0)


def test_a_state_of_another_cell_is_refused():
    """The message says what the state is and how to start one."""
    current = noise(1, 2)
    with pytest.raises(ValueError, match=r"voltage, synaptic_current.*cell\.rest"):
        NorseCubaLIF().tick(current, SnntorchLIF().rest(current))


@EVERY_CELL
def test_what_is_no_input_or_threshold_is_refused(name):
    """NaN would silence a cell for good without a word; infinity is a threshold, never met."""
    cell = CELLS[name]()
    current = torch.ones(2, 3, 4, 4)
    state = cell.rest(current)
    for bad in (math.nan, math.inf):
        broken = current.clone()
        broken[0, 1, 2, 3] = bad
        with pytest.raises(ValueError, match="current holds values that are not finite"):
            cell.tick(broken, state)
    for threshold in (math.nan, -1.0, 0.0, torch.tensor([1.0, -1.0, 1.0])):
        with pytest.raises(ValueError, match="threshold must be positive, got"):
            cell.tick(current, state, threshold)
    assert cell.tick(current, state, math.inf)[0].sum() == 0


@EVERY_CELL
def test_an_unknown_setting_is_answered_with_the_known_ones(name):
    kind = CELLS[name]
    with pytest.raises(TypeError, match=f"{kind.__name__} has no setting 'tau'.*: it takes dt_ms"):
        kind(tau=3.0)
