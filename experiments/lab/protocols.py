"""Protocols of the STDP laboratory: spike trains in, tidy tables out. The kernels do the work."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from neurosim.arrays.streams import generator
from neurosim.naming.choices import Choices
from neurosim.spiking import (
    AbstractTiming,
    AllPairs,
    ByDensity,
    Guetig,
    HardBounds,
    Multiplicative,
    NearestPair,
    PoissonNeuron,
    SpikeWindow,
    SumOverBatch,
    TraceSTDP,
    VanRossum,
    poisson_drift,
    weight_change,
)
from neurosim.synapses import Dense
from neurosim.types import LocalSignal

#: Fractional change after 60 pairings at rho Hz in layer-5 pairs of visual cortex, mean and
#: standard error (Sjostrom, Turrigiano & Nelson 2001, 10.1016/S0896-6273(01)00542-6, as tabled by
#: Pfister & Gerstner 2006, 10.1523/JNEUROSCI.1425-06.2006).
SJOSTROM = pd.DataFrame(
    [
        (+10.0, 0.1, -0.04, 0.05),
        (+10.0, 10.0, 0.14, 0.10),
        (+10.0, 20.0, 0.29, 0.14),
        (+10.0, 40.0, 0.53, 0.11),
        (+10.0, 50.0, 0.56, 0.26),
        (-10.0, 0.1, -0.29, 0.08),
        (-10.0, 10.0, -0.41, 0.11),
        (-10.0, 20.0, -0.34, 0.10),
        (-10.0, 40.0, 0.56, 0.32),
        (-10.0, 50.0, 0.75, 0.19),
    ],
    columns=["lag_ms", "rho_hz", "change", "standard_error"],
)
N_PAIRINGS = 60
#: The weight before the first pairing: a change is a fraction of it under a weight dependence.
START = 0.5
PAIRING_DT_MS = 0.1


def window_table(timings: Mapping[str, AbstractTiming], lags_ms: Sequence[float]) -> pd.DataFrame:
    """Change by one pair at each lag: the kernel's, and the closed form with its gains at START."""
    rows = []
    for name, timing in timings.items():
        for lag in lags_ms:
            row = {"timing": name, "lag_ms": lag}
            row["change"] = weight_change(timing, [0.0], [lag], w=START)
            row["closed_form"] = _closed_form(timing, lag)
            rows.append(row)
    return pd.DataFrame(rows)


def _closed_form(timing: AbstractTiming, lag: float) -> float:
    window = getattr(timing, "window", None)
    if window is None:
        return math.nan
    size = float(window(lag))
    gains = timing.dependence
    return size * float(gains.plus(START) if size > 0 else gains.minus(START))


def pairing(lag_ms: float, rho_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Spike times in ms of N_PAIRINGS pairs at ``rho_hz``: ``(pre, post)``."""
    pre = np.arange(N_PAIRINGS) * 1000 / rho_hz
    # Whole ticks, so that the lag stays what it says at rates whose period is none.
    pre = np.rint(pre / PAIRING_DT_MS) * PAIRING_DT_MS
    return pre, pre + lag_ms


def pairing_change(timing: AbstractTiming, lag_ms: float, rho_hz: float) -> float:
    """Fractional change by the protocol. Additive timings state it directly, without bounds; under
    a weight dependence the weight starts at START and evolves."""
    pre, post = pairing(lag_ms, rho_hz)
    change = weight_change(timing, pre, post, dt_ms=PAIRING_DT_MS, w=START)
    return change if timing.dependence.constant else change / START


def frequency_table(
    timings: Mapping[str, AbstractTiming], rates_hz: Sequence[float]
) -> pd.DataFrame:
    """The frequency dependence of each timing at lags of +10 and -10 ms."""
    rows = [
        {"timing": name, "lag_ms": lag, "rho_hz": rho,
         "change": pairing_change(timing, lag, rho)}
        for name, timing in timings.items()
        for lag in (10.0, -10.0)
        for rho in rates_hz
    ]  # fmt: skip
    return pd.DataFrame(rows)


def chi2(timing: AbstractTiming) -> float:
    """Mean squared error over the ten points of SJOSTROM, each in units of its standard error."""
    errors = [
        (pairing_change(timing, row.lag_ms, row.rho_hz) - row.change) / row.standard_error
        for row in SJOSTROM.itertuples()
    ]
    return float(np.mean(np.square(errors)))


def best_pair_rule(rule: type[AllPairs] | type[NearestPair]) -> AllPairs | NearestPair:
    """The pair rule with the amplitudes that fit SJOSTROM best, at the decay times of Bi & Poo.

    The change is linear in both amplitudes, so this is weighted least squares, and the best that
    any amplitudes can do.
    """
    base = rule(tau_plus_ms=16.8, tau_minus_ms=33.7)
    columns = [
        [pairing_change(replace(base, **amplitudes), row.lag_ms, row.rho_hz)
         for row in SJOSTROM.itertuples()]
        for amplitudes in ({"a_plus": 1.0, "a_minus": 0.0}, {"a_plus": 0.0, "a_minus": 1.0})
    ]  # fmt: skip
    weights = 1 / SJOSTROM["standard_error"].to_numpy()
    design = np.transpose(columns) * weights[:, None]
    found, *_ = np.linalg.lstsq(design, SJOSTROM["change"].to_numpy() * weights, rcond=None)
    return replace(base, a_plus=float(found[0]), a_minus=float(found[1]))


@dataclass(frozen=True)
class PoissonRun:
    """How long and how finely a drift is measured.

    n: trains on each side; all n x n synapses between them are averaged.
    """

    seconds: float = 20.0
    n: int = 40
    dt_ms: float = 0.5


def measured_drift(
    timing: AbstractTiming, pre_hz: float, post_hz: float, run: PoissonRun, draw: torch.Generator
) -> tuple[float, float]:
    """``(dw / dt, its standard error)`` in weight a second, by the kernel, on Poisson trains."""
    n_ticks = round(1000 * run.seconds / run.dt_ms)
    sides = []
    for hz in (pre_hz, post_hz):
        # The rate is exact this way; what ticks cost is half a tick over each decay time.
        p = hz * run.dt_ms / 1000
        sides.append((torch.rand((n_ticks, 1, run.n), generator=draw) < p).double())
    change = ByDensity().change(Dense(run.n, run.n), SpikeWindow(*sides), timing, run.dt_ms)
    rate = change / run.seconds
    # Synapses share their trains: the mean varies with the means over each side.
    spread = sum(float(rate.mean(axis).var()) / run.n for axis in (0, 1))
    return float(rate.mean()), math.sqrt(spread)


def has_drift(timing: AbstractTiming) -> bool:
    """Whether the timing has a drift by rates to compare with."""
    try:
        poisson_drift(timing, 1.0, 1.0)
    except (ValueError, TypeError):
        return False
    return timing.dependence.constant


#: Curve -> (pre_hz, post_hz) at the rate on its axis.
CURVES = {
    "both at the same rate": lambda hz: (hz, hz),
    "presynaptic rate 10 Hz": lambda hz: (10.0, hz),
}


def rate_table(
    timings: Mapping[str, AbstractTiming], rates_hz: Sequence[float], run: PoissonRun, seed: int
) -> Iterator[dict[str, float | str]]:
    """Rows of measured and expected drift, one at a time. ``curve`` is a name of CURVES."""
    for name, timing in timings.items():
        for curve, rates_at in CURVES.items():
            for hz in rates_hz:
                pre_hz, post_hz = rates_at(hz)
                draw = generator(seed, f"rates/{name}/{curve}/{hz}")
                drift, error = measured_drift(timing, pre_hz, post_hz, run, draw)
                yield {
                    "timing": name, "curve": curve, "pre_hz": pre_hz, "post_hz": post_hz,
                    "drift": drift, "standard_error": error,
                    "expected": poisson_drift(timing, pre_hz, post_hz).total,
                }  # fmt: skip


@dataclass(frozen=True)
class Ensemble:
    """Weights under Poisson drive: the rule, and how long they need to settle.

    Depression outweighs potentiation by 5 % (Song, Miller & Abbott 2000, 10.1038/78829), at which
    50 inputs of 20 Hz balance: ``alpha - 1 = 1 / (n r tau)``.
    """

    timing: AllPairs
    seconds: float

    def n_chunks(self, share: float) -> int:
        """Number of stretches of CHUNK_S in a share of the seconds."""
        return max(1, round(share * self.seconds / CHUNK_S))


#: Weights that drive the neuron are read this often; no weight moves noticeably in between.
CHUNK_S = 2.0
N_NEURONS = 20
WEIGHT_DT_MS = 1.0
#: Weight dependences by name; steps small enough for the theory, large enough to settle in time.
ENSEMBLES: Choices[Ensemble] = Choices(
    "ensemble",
    {
        "hard bounds": Ensemble(AllPairs(0.01, 0.0105, dependence=HardBounds()), 800.0),
        "guetig mu=0.1": Ensemble(AllPairs(0.01, 0.0105, dependence=Guetig(mu=0.1)), 300.0),
        "multiplicative": Ensemble(AllPairs(0.01, 0.0105, dependence=Multiplicative()), 100.0),
        "van Rossum": Ensemble(AllPairs(0.005, 0.0105, dependence=VanRossum()), 150.0),
    },
)


class _Synapses:
    """A layer as plasticity sees it."""

    name = "synapses"

    def __init__(self, weight: torch.Tensor) -> None:
        self.weight, self.synapse = weight, Dense(weight.shape[1], weight.shape[0])

    def plastic_parameters(self) -> dict[str, torch.Tensor]:
        return {"weight": self.weight}


def settle_weights(
    ensemble: Ensemble,
    neuron: PoissonNeuron,
    seed: int,
    share: float = 1.0,
    after_chunk: Callable[[], object] = lambda: None,
) -> np.ndarray:
    """Weights ``(N_NEURONS, n_inputs)`` that Poisson drive leads to, from U(0, 1).

    The neurons share their inputs and fire each for itself.

    Args:
        share: of the ensemble's seconds.
        after_chunk: called after each CHUNK_S.
    """
    draw = generator(seed, "weights")
    dt_s = WEIGHT_DT_MS / 1000
    weight = torch.rand((N_NEURONS, neuron.n_inputs), generator=draw, dtype=torch.float64)
    layer = _Synapses(weight)
    plasticity = TraceSTDP(ensemble.timing, SumOverBatch())
    n_ticks, delay = round(CHUNK_S / dt_s), round(neuron.delay_ms / WEIGHT_DT_MS)
    for _ in range(ensemble.n_chunks(share)):
        pre = torch.rand((n_ticks, neuron.n_inputs), generator=draw) < neuron.pre_hz * dt_s
        pre = pre.double()
        expected = torch.zeros((n_ticks, N_NEURONS), dtype=torch.float64)
        expected[delay:] = neuron.gain * pre[: n_ticks - delay] @ layer.weight.T
        post = torch.rand(expected.shape, generator=draw, dtype=torch.float64) < expected
        memory = plasticity.begin(layer)
        for a, b in zip(pre.unsqueeze(1), post.unsqueeze(1), strict=True):
            memory = plasticity.observe(layer, memory, LocalSignal(a, b, {"dt": WEIGHT_DT_MS}))
        layer.weight += plasticity.delta(layer, memory)["weight"]
        after_chunk()
    return layer.weight.numpy()
