"""Masquelier, Guyonneau & Thorpe 2008: one cell finds the pattern that repeats in noise."""

from __future__ import annotations

from typing import final

import numpy as np
import torch

from neurosim.experiments.classics.outcome import Outcome
from neurosim.spiking import (
    AbstractSource,
    HardBounds,
    NearestPair,
    NeuronGroup,
    Projection,
    SnntorchSynaptic,
    simulate,
)

SOURCE = "Masquelier, Guyonneau & Thorpe 2008, doi:10.1371/journal.pone.0001377"
PATTERN_MS = 50


@final
class RepeatingPattern(AbstractSource):
    """Poisson trains in which, a quarter of the time, half of the afferents repeat 50 ms of
    spikes, with a jitter and besides spontaneous spikes; rates stay what they are all along.

    n: afferents. pattern_hz, spontaneous_hz: rates of what repeats and what does not.
    """

    name = "afferents"

    def __init__(
        self, n: int = 2000, pattern_hz: float = 54.0, spontaneous_hz: float = 10.0, seed: int = 0
    ) -> None:
        self.n, self.pattern_hz, self.spontaneous_hz = n, pattern_hz, spontaneous_hz
        rng = np.random.default_rng(seed)
        self.spikes = rng.random((PATTERN_MS, n // 2)) < pattern_hz / 1000
        #: Ticks at which the pattern began, by block.
        self.shown: dict[int, np.ndarray] = {}

    def check(self, dt_ms: float) -> None:
        if dt_ms != 1.0:
            raise ValueError(f"the pattern is drawn in ticks of 1 ms, got {dt_ms}")

    def draw(self, first: int, n_ticks: int, dt_ms: float, generator: torch.Generator):
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        raster = rng.random((n_ticks, self.n), np.float32) < self.pattern_hz / 1000
        shown = rng.random(n_ticks // PATTERN_MS) < 1 / 3
        shown[1:] &= ~shown[:-1]
        begins = np.flatnonzero(shown) * PATTERN_MS
        at, which = np.nonzero(self.spikes)
        for begin in begins.tolist():
            raster[begin : begin + PATTERN_MS, : self.n // 2] = False
            jittered = at + np.rint(rng.normal(0, 1, len(at))).astype(int)
            raster[begin + np.clip(jittered, 0, PATTERN_MS - 1), which] = True
        raster |= rng.random((n_ticks, self.n), np.float32) < self.spontaneous_hz / 1000
        self.shown[first] = first + begins
        ticks, trains = np.nonzero(raster)
        return first + ticks, trains

    def begins_ms(self, after_ms: float, before_ms: float) -> np.ndarray:
        """When the pattern began, between two times."""
        begins = np.sort(np.concatenate(list(self.shown.values())))
        return begins[(begins >= after_ms) & (begins + PATTERN_MS <= before_ms)].astype(float)


def repeating_pattern(seconds: float = 240.0, seed: int = 0) -> Outcome:
    """Their experiment with stationary rates: 2,000 afferents of 64 Hz, a 50 ms pattern.

    A potential of 10 ms behind a current of 2.5 ms, threshold 500 in units of one synapse's peak
    potential, weights .475 at the start; nearest spikes, .03125 and .85 of it, 16.8 and 33.7 ms.
    """
    source = RepeatingPattern(seed=seed)
    neuron = SnntorchSynaptic(dt_ms=1.0, tau_mem_ms=10.0, tau_syn_ms=2.5)
    cell = NeuronGroup(1, neuron, threshold=500.0 * _peak(neuron), name="cell")
    window = NearestPair(
        a_plus=0.03125, a_minus=0.85 * 0.03125, tau_plus_ms=16.8, tau_minus_ms=33.7,
        coincidence="potentiate", dependence=HardBounds(0.0, 1.0),
    )  # fmt: skip
    synapses = Projection(source, cell, 0.475, timing=window, name="synapses")
    run = simulate(synapses, 1000.0 * seconds, seed=seed)
    times = run.spikes(cell).of(0)
    weights = run.weights(synapses)
    start, end = 750.0 * seconds, 1000.0 * seconds
    begins = source.begins_ms(start, end)
    hit, false_hz, latency = _score(times[times >= start], begins, end - start)
    all_begins = source.begins_ms(0.0, end)
    place = np.searchsorted(all_begins, times, side="right") - 1
    since = np.where(place >= 0, times - all_begins[np.maximum(place, 0)], np.inf)
    numbers = {
        "hit rate": hit, "false alarms per s": false_hz, "latency in ms": latency,
        "weights of the pattern": float(weights[: source.n // 2].mean()),
        "weights of the others": float(weights[source.n // 2 :].mean()),
    }  # fmt: skip
    return Outcome(
        "masquelier",
        SOURCE,
        "in the last quarter 98 % of the patterns are found and there is less than one false alarm "
        "in 10 s",
        numbers,
        bool(hit > 0.98 and false_hz < 0.1),
        {
            "times_ms": times, "since_ms": np.where(since < PATTERN_MS, since, np.nan),
            "pattern_weights": weights[: source.n // 2], "other_weights": weights[source.n // 2 :],
        },
    )  # fmt: skip


def _peak(cell: SnntorchSynaptic) -> float:
    """The highest voltage after one input of 1."""
    k = np.arange(100) * cell.dt_ms
    fast, slow = (np.exp(-k / tau) for tau in (cell.tau_syn_ms, cell.tau_mem_ms))
    return float(np.convolve(fast, slow)[:100].max())


def _score(times: np.ndarray, begins: np.ndarray, duration_ms: float) -> tuple[float, float, float]:
    """Share of patterns with a spike, spikes outside of them per second, mean latency of the
    first spike of a pattern."""
    first = np.searchsorted(times, begins)
    inside = first < np.searchsorted(times, begins + PATTERN_MS)
    latency = times[first[inside]] - begins[inside]
    within = np.searchsorted(begins, times, side="right") - 1
    outside = (within < 0) | (times - begins[np.maximum(within, 0)] >= PATTERN_MS)
    share = float(inside.mean()) if len(begins) else 0.0
    return (
        share,
        1000 * float(outside.sum()) / duration_ms,
        float(latency.mean()) if inside.any() else np.inf,
    )
