"""Vogels et al. 2011: inhibitory plasticity balances a recurrent network."""

from __future__ import annotations

import numpy as np

from neurosim.experiments.classics.outcome import Outcome
from neurosim.spiking import (
    ConductanceLIF,
    CurrentInput,
    FixedProbability,
    HardBounds,
    Inhibitory,
    NeuronGroup,
    Projection,
    Record,
    simulate,
)

SOURCE = "Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011, doi:10.1126/science.1211095"
#: Their cell: 200 pF, 10 nS, -60 mV, threshold -50 mV, 5 ms refractory.
CELL = ConductanceLIF(
    dt_ms=0.5, tau_mem_ms=20.0, tau_excitatory_ms=5.0, tau_inhibitory_ms=10.0, rest=-60.0,
    e_excitatory=0.0, e_inhibitory=-80.0, threshold=-50.0, reset=-60.0, refractory_ms=5.0,
)  # fmt: skip


def balance(seconds: float = 20.0, n: int = 2000, target_hz: float = 5.0, seed: int = 0) -> Outcome:
    """A recurrent network whose inhibition onto excitation is plastic.

    Conductances of the paper, in units of the 10 nS leak: .3 nS excitatory, 3 nS between
    inhibitory cells, up to 100 nS plastic; a current of 200 pA. Theirs has 10,000 cells and 2 %
    connectivity; this one keeps the 160 excitatory inputs per cell with fewer cells.
    """
    n_inhibitory = n // 5
    p = min(1.0, 200 / n)
    e = NeuronGroup(n - n_inhibitory, CELL, start={"voltage": _spread(n - n_inhibitory)}, name="e")
    i = NeuronGroup(n_inhibitory, CELL, start={"voltage": _spread(n_inhibitory)}, name="i")
    connect, late = FixedProbability(p), CELL.dt_ms
    rule = Inhibitory(eta=0.01, target_hz=target_hz, dependence=HardBounds(0.0, 10.0))

    def joined(pre, post, weight, *, inhibitory=False, timing=None):
        return Projection(
            pre, post, weight, connect=connect, delay_ms=late, inhibitory=inhibitory,
            timing=timing, name=f"{pre.name}-{post.name}",
        )  # fmt: skip

    plastic = joined(i, e, 1e-3, inhibitory=True, timing=rule)
    network = [
        joined(e, e, 0.03), joined(e, i, 0.03), joined(i, i, 0.3, inhibitory=True), plastic,
        CurrentInput(e, 20.0), CurrentInput(i, 20.0),
    ]  # fmt: skip
    weights = Record(plastic, "weights", every_ms=500.0, which=np.arange(200))
    run = simulate(network, 1000.0 * seconds, record=weights, seed=seed)
    spikes = run.spikes(e)
    edges = np.arange(0.0, 1000.0 * seconds + 1, 250.0)
    rate = np.histogram(spikes.times_ms, edges)[0] / e.n / 0.25
    late_rates = spikes.rates_hz(after_ms=750.0 * seconds)
    numbers = {
        "rate at the start": float(rate[0]), "rate at the end": float(late_rates.mean()),
        "target": target_hz, "CV of intervals": _irregularity(spikes, 750.0 * seconds),
    }  # fmt: skip
    shown = spikes.times_ms >= 1000.0 * seconds - 500
    return Outcome(
        "vogels",
        SOURCE,
        "the mean rate of the last quarter lies within 20 % of the target, intervals have a CV "
        "above .5",
        numbers,
        bool(abs(late_rates.mean() / target_hz - 1) < 0.2 and numbers["CV of intervals"] > 0.5),
        {
            "times_ms": edges[:-1], "rate_hz": rate, "rates": late_rates,
            "spike_ms": spikes.times_ms[shown], "spike_of": spikes.neurons[shown],
        },
    )  # fmt: skip


def _spread(n: int) -> np.ndarray:
    """Membranes anywhere between rest and threshold, so that the start is not one volley."""
    return np.linspace(CELL.rest, CELL.threshold, n, endpoint=False)


def _irregularity(spikes, after_ms: float) -> float:
    """Mean coefficient of variation of the intervals of neurons with at least ten."""
    late = spikes.times_ms >= after_ms
    order = np.lexsort((spikes.times_ms[late], spikes.neurons[late]))
    times, neurons = spikes.times_ms[late][order], spikes.neurons[late][order]
    found = []
    for train in np.split(times, np.flatnonzero(np.diff(neurons)) + 1):
        gaps = np.diff(train)
        if len(gaps) >= 10:
            found.append(gaps.std() / gaps.mean())
    return float(np.mean(found)) if found else 0.0
