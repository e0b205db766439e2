"""Laws of the simulator over random networks: what may change no spike and no weight.

Weights are multiples of 1/64 and decays of the cells are powers of two, so that sums of inputs are
exact in any order and equality is to the bit, unless a test says otherwise.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neurosim.spiking import (
    AllPairs,
    AllToAll,
    CurrentInput,
    FixedInDegree,
    FixedProbability,
    HardBounds,
    NeuronGroup,
    NorseLIF,
    OneToOne,
    PairList,
    PoissonInput,
    Projection,
    Record,
    Scaling,
    SnntorchLIF,
    SpikeTimes,
    SynapticScaling,
    TotalInput,
    Uniform,
    simulate,
)

T = 120
#: v <- v / 2 + I.
CELL = NorseLIF(dt_ms=1.0, tau_mem_ms=2.0)
RULE = AllPairs(a_plus=0.05, a_minus=0.06, coincidence="both", dependence=HardBounds(0.0, 2.0))


class Net:
    """A random network: inputs, two populations, recurrent delayed plastic and inhibitory
    synapses; as lists of pairs, so that a test may renumber it."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.n_in, self.n_a, self.n_b = (int(n) for n in rng.integers(2, 7, 3))
        self.trains = [np.flatnonzero(rng.random(T) < 0.2).astype(float) for _ in range(self.n_in)]
        self.threshold_a = rng.integers(8, 40, self.n_a) / 64
        self.threshold_b = rng.integers(8, 40, self.n_b) / 64
        self.into = self._edges(rng, self.n_in, self.n_a, 0, 4)
        self.forward = self._edges(rng, self.n_a, self.n_b, 0, 3)
        self.back = self._edges(rng, self.n_b, self.n_a, 1, 5)
        self.beside = self._edges(rng, self.n_a, self.n_a, 1, 3)

    @staticmethod
    def _edges(rng, n_pre, n_post, least, most):
        n = int(rng.integers(1, 2 * n_pre * n_post + 1))
        return {
            "pre": rng.integers(0, n_pre, n), "post": rng.integers(0, n_post, n),
            "w": rng.integers(8, 64, n) / 64, "delay": rng.integers(least, most + 1, n),
        }  # fmt: skip

    def build(self, *, plastic=True, trains=None, extra=()):
        a = NeuronGroup(self.n_a, CELL, threshold=self.threshold_a, name="a")
        b = NeuronGroup(self.n_b, CELL, threshold=self.threshold_b, name="b")
        source = SpikeTimes(self.trains if trains is None else trains, name="source")
        rule = RULE if plastic else None

        def joined(pre, post, edges, timing, **more):
            return Projection(
                pre, post, edges["w"], connect=PairList(edges["pre"], edges["post"]),
                delay_ms=edges["delay"].astype(float), timing=timing, **more,
            )  # fmt: skip

        parts = [
            joined(source, a, self.into, rule, name="into"),
            joined(a, b, self.forward, rule, name="forward"),
            joined(b, a, self.back, None, inhibitory=True, name="back"),
            joined(a, a, self.beside, rule, name="beside"),
        ]
        return a, b, parts, [*parts, *extra]


def raster(run, group):
    spikes = run.spikes(group)
    out = np.zeros((T, group.n), bool)
    out[np.rint(spikes.times_ms / run.dt_ms).astype(int), spikes.neurons] = True
    return out


seeds = st.integers(0, 10**6)
law = settings(deadline=None, max_examples=15)


@law
@given(seed=seeds)
def test_neurons_renumbered_fire_renumbered(seed):
    """Static weights: STDP adds its changes in the order of the synapses."""
    net = Net(seed)
    a, b, _, parts = net.build(plastic=False)
    plain = simulate(parts, float(T))
    rng = np.random.default_rng(seed)
    at_in, at_a, at_b = (rng.permutation(n) for n in (net.n_in, net.n_a, net.n_b))
    other = Net(seed)
    other.trains = [net.trains[i] for i in np.argsort(at_in)]
    other.threshold_a[at_a], other.threshold_b[at_b] = net.threshold_a, net.threshold_b
    for edges, pre, post in (
        (other.into, at_in, at_a), (other.forward, at_a, at_b),
        (other.back, at_b, at_a), (other.beside, at_a, at_a),
    ):  # fmt: skip
        order = rng.permutation(len(edges["w"]))
        edges["pre"], edges["post"] = pre[edges["pre"]][order], post[edges["post"]][order]
        edges["w"], edges["delay"] = edges["w"][order], edges["delay"][order]
    c, d, _, turned = other.build(plastic=False)
    moved = simulate(turned[::-1], float(T))
    assume(raster(plain, a).any())
    assert np.array_equal(raster(moved, c)[:, at_a], raster(plain, a))
    assert np.array_equal(raster(moved, d)[:, at_b], raster(plain, b))


@law
@given(seed=seeds)
def test_two_networks_side_by_side_are_each_as_if_alone(seed):
    """Split and padded: whatever else is simulated, idle neurons among it, changes nothing."""
    one, two = Net(seed), Net(seed + 1)
    a, b, parts, whole = one.build()
    c, d, more, rest = two.build()
    alone, other = simulate(whole, float(T)), simulate(rest, float(T))
    for group, name in ((c, "c"), (d, "d")):
        group.name = name
    for part in more:
        part.name = f"second {part.name}"
    more[0].pre.name = "second source"
    idle = NeuronGroup(3, SnntorchLIF(dt_ms=1.0))
    both = simulate([*rest, idle, *whole, Projection(idle, a, 0.5, timing=RULE)], float(T))
    for group, run in ((a, alone), (b, alone), (c, other), (d, other)):
        assert np.array_equal(raster(both, group), raster(run, group))
    for part in parts:
        assert np.array_equal(both.weights(part), alone.weights(part))
    for part in more:
        assert np.array_equal(both.weights(part), other.weights(part))
    assert not raster(both, idle).any()


@law
@given(seed=seeds, late=st.integers(1, 20))
def test_inputs_that_come_later_make_everything_later(seed, late):
    net = Net(seed)
    a, b, parts, whole = net.build()
    plain = simulate(whole, float(T))
    c, d, more, shifted = net.build(trains=[train + late for train in net.trains])
    run = simulate(shifted, float(T))
    for group, moved in ((a, c), (b, d)):
        assert np.array_equal(raster(run, moved)[late:], raster(plain, group)[:-late])
        assert not raster(run, moved)[:late].any()
    assert len(parts) == len(more)


@law
@given(seed=seeds, late=st.integers(0, 7))
def test_a_delay_is_a_spike_that_comes_later(seed, late):
    """Of an input: the same spikes and weights as from trains that are late by as much, to the
    bit; so a delay of 0 is no delay."""
    net = Net(seed)
    net.into["delay"][:] = late
    delayed = net.build()
    late_spikes = [train + late for train in net.trains]
    net.into["delay"][:] = 0
    plain = net.build(trains=late_spikes)
    runs = [simulate(each[3], float(T)) for each in (delayed, plain)]
    for k in (0, 1):
        assert np.array_equal(raster(runs[0], delayed[k]), raster(runs[1], plain[k]))
    for one, other in zip(delayed[2], plain[2], strict=True):
        assert np.array_equal(runs[0].weights(one), runs[1].weights(other))


@law
@given(seed=seeds, cut=st.integers(1, T - 1))
def test_a_run_in_pieces_is_the_whole_run(seed, cut):
    """To the bit: spikes, weights and the state that goes on."""
    net = Net(seed)
    a, b, parts, network = net.build()
    scaling = Scaling(parts[3], SynapticScaling(50.0, gain=0.1), every_ms=20.0)
    network = [*network, scaling]
    whole = simulate(network, float(T))
    first = simulate(network, float(cut))
    second = simulate(network, float(T - cut), start=first.state)
    for group in (a, b):
        found = [run.spikes(group) for run in (first, second)]
        times = np.concatenate([each.times_ms for each in found])
        neurons = np.concatenate([each.neurons for each in found])
        assert np.array_equal(times, whole.spikes(group).times_ms)
        assert np.array_equal(neurons, whole.spikes(group).neurons)
    for name, value in whole.state.tree().items():
        assert np.array_equal(value, second.state.tree()[name]), name


@law
@given(seed=seeds)
def test_synapses_of_weight_zero_do_nothing(seed):
    """Neither to spikes nor, static, to the plasticity of others."""
    net = Net(seed)
    a, b, parts, network = net.build()
    plain = simulate(network, float(T))
    nothing = [
        Projection(a, b, 0.0, delay_ms=3.0), Projection(b, b, 0.0, delay_ms=1.0, inhibitory=True)
    ]  # fmt: skip
    run = simulate([*network, *nothing], float(T))
    for group in (a, b):
        assert np.array_equal(raster(run, group), raster(plain, group))
    for part in parts:
        assert np.array_equal(run.weights(part), plain.weights(part))


@law
@given(seed=seeds)
def test_currents_of_every_tick_are_those_of_a_simulation_by_hand(seed):
    """An independent loop in Python: dense matrices, a list of arrivals per tick."""
    net = Net(seed)
    a, b, _, network = net.build(plastic=False)
    run = simulate(network, float(T))
    spikes = {"in": np.zeros((T, net.n_in), bool)}
    for i, train in enumerate(net.trains):
        spikes["in"][train.astype(int), i] = True
    sizes, theta = {"a": net.n_a, "b": net.n_b}, {"a": net.threshold_a, "b": net.threshold_b}
    v = {k: np.zeros(n) for k, n in sizes.items()}
    for k, n in sizes.items():
        spikes[k] = np.zeros((T, n), bool)
    ways = [("in", "a", net.into, 1), ("a", "b", net.forward, 1), ("b", "a", net.back, -1),
            ("a", "a", net.beside, 1)]  # fmt: skip
    for t in range(T):
        for k in ("a", "b"):
            current = np.zeros(sizes[k])
            for pre, post, edges, sign in ways:
                if post == k:
                    for i, o, w, d in zip(*edges.values(), strict=True):
                        if t >= d and spikes[pre][t - d, i]:
                            current[o] += sign * w
            v[k] = v[k] / 2 + current
            spikes[k][t] = v[k] > theta[k]
            v[k][spikes[k][t]] = 0
    assert np.array_equal(raster(run, a), spikes["a"])
    assert np.array_equal(raster(run, b), spikes["b"])


def test_a_folder_keeps_the_run_and_goes_on_after_an_interruption(tmp_path):
    """The numbers of the run in memory, to the bit, also when it was killed between segments."""
    net = Net(3)
    a, _, parts, network = net.build()
    weights, voltage = Record(parts[0], "weights", every_ms=7.0), Record(a, "voltage", every_ms=2.0)
    records = [weights, voltage]
    plain = simulate(network, float(T), record=records)

    class Killed(Exception):
        pass

    from neurosim.spiking.simulation import run as module

    write = module.write_tree
    for n_writes in range(1, 9):
        folder = tmp_path / str(n_writes)
        left = [n_writes]

        def failing(path, tree, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            write(path, tree)

        module.write_tree = failing
        try:
            with pytest.raises(Killed):
                simulate(network, float(T), record=records, folder=folder, segment_ms=13.0)
        finally:
            module.write_tree = write
        run = simulate(network, float(T), record=records, folder=folder, segment_ms=13.0)
        assert np.array_equal(run.spikes(a).times_ms, plain.spikes(a).times_ms)
        for record in records:
            for name in ("times_ms", "values"):
                found, expected = (getattr(r.samples(record), name) for r in (run, plain))
                assert np.array_equal(found, expected)
        for part in parts:
            assert np.array_equal(run.weights(part), plain.weights(part))
    again = simulate(network, float(T), record=records, folder=folder, segment_ms=13.0)
    assert np.array_equal(again.spikes(a).times_ms, plain.spikes(a).times_ms)
    with pytest.raises(ValueError, match="run of another ticks"):
        simulate(network, 50.0, record=records, folder=folder)
    kept = (folder / "segment-000001.h5").read_bytes()
    for damage in (lambda path: path.write_bytes(kept[:100]), lambda path: path.unlink()):
        damage(folder / "segment-000001.h5")
        with pytest.raises(ValueError, match=r"segment-000001\.h5 is missing or damaged.*remove"):
            again.samples(records[0])
    (folder / "segment-000001.h5").write_bytes(kept)
    for change in ("w", "train"):
        other = Net(3)
        if change == "w":
            other.into["w"] = other.into["w"] / 2
        else:
            other.trains[0] = other.trains[0][:-1]
        with pytest.raises(ValueError, match="run of another input"):
            simulate(other.build()[3], float(T), record=records[:0], folder=folder)
    with pytest.raises(ValueError, match="run of another network"):
        simulate(Net(4).build()[3], float(T), record=records[:0], folder=folder)


def test_what_is_recorded_does_not_depend_on_chunks(monkeypatch):
    """More spikes than the list of the compiled loop holds; sources drawn in blocks."""
    from neurosim.spiking.simulation import engine

    def run():
        cells = NeuronGroup(20, SnntorchLIF(dt_ms=1.0), threshold=0.5)
        noise = PoissonInput(30, 150.0)
        voltage = Record(cells, "voltage", every_ms=3.0, which=[1, 4])
        heard = Record(noise, "spikes")
        synapses = Projection(noise, cells, Uniform(0.0, 0.4), connect=FixedProbability(0.5))
        done = simulate(synapses, 9000.0, record=[voltage, heard], seed=5)
        spikes, inputs = done.spikes(cells), done.spikes(noise)
        return [spikes.times_ms, spikes.neurons, inputs.times_ms, inputs.neurons,
                done.samples(voltage).values]  # fmt: skip

    plain = run()
    monkeypatch.setattr(engine, "_ROOM", 5)
    for found, expected in zip(run(), plain, strict=True):
        assert np.array_equal(found, expected)
    assert len(plain[0]) > 1000
    rate = len(plain[2]) / 30 / 9
    # 1 - exp(-.15) spikes per ms; 5 standard errors of 37,600 spikes.
    assert rate == pytest.approx(1000 * -math.expm1(-0.15), rel=5 / math.sqrt(len(plain[2])))


def test_a_poisson_train_is_one_coin_per_tick():
    """Intervals are geometric: mean 1 / p and variance (1 - p) / p^2, across blocks too."""
    group = NeuronGroup(1, SnntorchLIF(dt_ms=1.0))
    noise = PoissonInput(3, [0.0, 40.0, 300.0])
    heard = Record(noise, "spikes")
    spikes = simulate(Projection(noise, group, 0.0), 200_000.0, record=heard).spikes(noise)
    assert spikes.counts()[0] == 0
    for train, hz in ((1, 40.0), (2, 300.0)):
        p = -math.expm1(-hz / 1000)
        gaps = np.diff(spikes.of(train))
        n = len(gaps)
        assert gaps.mean() == pytest.approx(1 / p, rel=5 * math.sqrt((1 - p) / n))
        assert gaps.var() == pytest.approx((1 - p) / p**2, rel=15 / math.sqrt(n))


def test_seeds_and_names_choose_the_draws():
    group = NeuronGroup(4, SnntorchLIF(dt_ms=1.0))

    def pairs(seed, name):
        joined = Projection(group, group, Uniform(0, 1), connect=FixedProbability(0.5),
                            delay_ms=1.0, name=name)  # fmt: skip
        run = simulate(joined, 1.0, seed=seed)
        return [*run.synapses(joined), run.weights(joined)]

    one = pairs(0, "x")
    assert all(map(np.array_equal, one, pairs(0, "x")))
    for other in (pairs(1, "x"), pairs(0, "y")):
        assert not all(map(np.array_equal, one, other))


def test_connectors_join_what_they_say():
    a, b = (NeuronGroup(n, SnntorchLIF(dt_ms=1.0)) for n in (6, 4))

    def joined(pre, post, connect, delay_ms=1.0):
        projection = Projection(pre, post, 0.5, connect=connect, delay_ms=delay_ms)
        return simulate(projection, 1.0).synapses(projection)

    assert len(joined(a, b, AllToAll())[0]) == 24
    pre, post, _ = joined(a, a, AllToAll(to_itself=False))
    assert len(pre) == 30
    assert (pre != post).all()
    pre, post, _ = joined(a, a, OneToOne())
    assert np.array_equal(pre, post)
    pre, post, _ = joined(a, a, FixedInDegree(3, to_itself=False))
    assert np.array_equal(np.bincount(post), np.full(6, 3))
    assert (pre != post).all()
    assert all(len(set(pre[post == o])) == 3 for o in range(6))
    big = NeuronGroup(400, SnntorchLIF(dt_ms=1.0))
    n = len(joined(big, big, FixedProbability(0.1))[0])
    assert abs(n - 16_000) < 5 * math.sqrt(16_000 * 0.9)


def test_total_input_and_scaling_act_when_they_say():
    """Diehl & Cook's sum of weights, and van Rossum's factor from the rate since the last time."""
    group = NeuronGroup(2, SnntorchLIF(dt_ms=1.0), threshold=[0.5, 9.0])
    source = SpikeTimes([[1.0, 11.0, 21.0], [5.0]])
    projection = Projection(source, group, [[0.6, 0.2], [0.3, 0.3]])
    run = simulate([projection, Scaling(projection, TotalInput(2.0), every_ms=30.0)], 40.0)
    assert run.weight_matrix(projection) == pytest.approx(np.array([[1.5, 0.5], [1.0, 1.0]]))
    rule = SynapticScaling(50.0, gain=0.5)
    run = simulate([projection, Scaling(projection, rule, every_ms=30.0)], 30.0)
    factor = [1 + 0.5 * (50 - hz) / 50 for hz in (100.0, 0.0)]
    expected = np.array([[0.6, 0.2], [0.3, 0.3]]) * np.array(factor)[:, None]
    assert run.weight_matrix(projection) == pytest.approx(expected)


def test_currents_drive_cells():
    group = NeuronGroup(2, SnntorchLIF(dt_ms=1.0), threshold=[0.5, 0.7])
    every_tick = np.zeros((10, 2))
    every_tick[3, 0] = every_tick[7, 1] = 0.6
    run = simulate([CurrentInput(group, every_tick), CurrentInput(group, [0.0, 0.2])], 10.0)
    assert run.spikes(group).of(0).tolist() == [3.0]
    assert 7.0 in run.spikes(group).of(1)


def test_bounds_checking_finds_no_index_outside(tmp_path):
    """The compiled loop on random networks under numba's bounds checks, without optimisation."""
    environment = os.environ | {
        "NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "0", "NUMBA_CACHE_DIR": str(tmp_path)
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, __file__], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


if __name__ == "__main__":
    assert Path(__file__).is_file()
    for number in range(20):
        simulate(Net(number).build()[3], float(T))
