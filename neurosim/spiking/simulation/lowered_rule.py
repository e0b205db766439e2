"""From a timing to the row of constants that ``kernels.plastic`` reads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neurosim.spiking.kernels import plastic as k
from neurosim.spiking.kernels.event import ALL, CENTRED, FIRST, NEAREST, REDUCED
from neurosim.spiking.timing.abstract_timing import AbstractTiming
from neurosim.spiking.timing.rules import AbstractTraceTiming, Clopath
from neurosim.spiking.timing.third_factor import Rewarded
from neurosim.spiking.timing.trace_rule import COINCIDENCE, TraceRule
from neurosim.spiking.timing.weight_dependence import AbstractWeightDependence

_PAIRINGS = {
    "all": ALL, "nearest": NEAREST, "centred": CENTRED, "reduced": REDUCED, "first": FIRST
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class LoweredRule:
    """row: ``(N_COLUMNS,)``. silent_at_end: what a synapse whose presynaptic neuron never fired
    loses at the end of a run, before the gain of its weight (``FirstSpike``)."""

    row: np.ndarray
    silent_at_end: float = 0.0

    @property
    def pairing(self) -> int:
        """The code of the pairing."""
        return int(self.row[k.PAIRING])

    @property
    def late_ticks(self) -> int:
        """How many ticks late the filters of the membrane are read."""
        return int(self.row[k.LATE])


def lowered_rule(timing: AbstractTiming, dt_ms: float) -> LoweredRule:
    """The constants of a timing under ticks of ``dt_ms``.

    Raises:
        ValueError: a timing that cannot be carried out spike by spike.
    """
    row = np.zeros(k.N_COLUMNS)
    _bound(row, timing.dependence)
    row[k.FORGET] = -1.0
    if isinstance(timing, Rewarded):
        _third_factor(row, timing, dt_ms)
        timing = timing.timing
    if isinstance(timing, AbstractTraceTiming):
        silent = _traces(row, timing.rule, dt_ms)
        if silent and row[k.FORGET] >= 0:
            raise ValueError(
                "silent inputs of FirstSpike change at the end of a run, which no reward can mark: "
                "give it a finite tau_minus_ms, or leave Rewarded out"
            )
        return LoweredRule(row, silent)
    if isinstance(timing, Clopath):
        _membrane(row, timing, dt_ms)
        return LoweredRule(row)
    raise ValueError(
        f"the simulator runs timings of traces and Clopath, not {type(timing).__name__}: extend "
        "AbstractTraceTiming, or compute the change of given spikes with TraceSTDP"
    )


def _third_factor(row: np.ndarray, rewarded: Rewarded, dt_ms: float) -> None:
    row[k.FORGET] = dt_ms / rewarded.tau_eligibility_ms
    if rewarded.tau_reward_ms > 0:
        row[k.KEEP_SIGNAL] = math.exp(-dt_ms / rewarded.tau_reward_ms)
        row[k.AREA] = rewarded.tau_joint_ms / rewarded.tau_reward_ms
        row[k.JOINT] = -math.expm1(-dt_ms / rewarded.tau_joint_ms)


def tables(row: np.ndarray) -> np.ndarray:
    """``exp(-gap rate)`` for gaps of 0, 1, ..., ``(4, N_TABLE)``."""
    rates = row[k.RATE_PLUS : k.RATE_Y + 1]
    return np.exp(-np.arange(N_TABLE) * rates[:, None])


#: Gaps whose exponential is looked up: 2 tables of them fit the fastest memory.
N_TABLE = 2048


def _bound(row: np.ndarray, dependence: AbstractWeightDependence) -> None:
    row[k.CONSTANT] = dependence.constant
    row[k.P : k.S + 1] = dependence.exponents
    row[k.ORIGIN : k.SCALE + 1] = dependence.unit
    row[k.W_MIN], row[k.W_MAX] = dependence.w_min, dependence.w_max


def _traces(row: np.ndarray, rule: TraceRule, dt_ms: float) -> float:
    row[k.PAIRING] = _PAIRINGS[rule.pairing]
    row[k.SEES_PRE], row[k.SEES_POST] = COINCIDENCE[rule.coincidence]
    row[k.A_PLUS : k.A3_MINUS + 1] = rule.a_plus, rule.a_minus, rule.a3_plus, rule.a3_minus
    row[k.OFFSET] = rule.offset
    taus = rule.tau_plus_ms, rule.tau_minus_ms, rule.tau_x_ms, rule.tau_y_ms
    row[k.RATE_PLUS : k.RATE_Y + 1] = [dt_ms / tau for tau in taus]
    endless = rule.pairing == "first" and math.isinf(rule.tau_minus_ms)
    return rule.a_minus if endless else 0.0


def _membrane(row: np.ndarray, timing: Clopath, dt_ms: float) -> None:
    voltage = timing.voltage
    row[k.PAIRING] = k.VOLTAGE
    row[k.RATE_PLUS : k.RATE_Y + 1] = dt_ms / timing.tau_x_ms
    row[k.THETA_PLUS], row[k.THETA_MINUS] = timing.theta_plus, timing.theta_minus
    # x_bar is the trace of spikes over tau_x.
    row[k.GAIN_PLUS], row[k.GAIN_MINUS] = timing.a_ltp * dt_ms / timing.tau_x_ms, timing.a_ltd
    row[k.KEEP_PLUS] = math.exp(-dt_ms / timing.tau_plus_ms)
    row[k.KEEP_MINUS] = math.exp(-dt_ms / timing.tau_minus_ms)
    row[k.LATE] = round(timing.delay_ms / dt_ms)
    row[k.REST], row[k.PEAK], row[k.RESET] = voltage.rest, voltage.peak, voltage.reset
    row[k.N_PEAK] = max(1, round(voltage.width_ms / dt_ms))
    keep, after = (math.exp(-dt_ms / t) for t in (voltage.tau_membrane_ms, voltage.tau_after_ms))
    row[k.KEEP_MEMBRANE], row[k.KEEP_AFTER], row[k.AFTER] = keep, after, voltage.after
    row[k.REACH] = reach(dt_ms, voltage.tau_membrane_ms, voltage.tau_after_ms)


def reach(dt_ms: float, tau_membrane_ms: float, tau_after_ms: float) -> float:
    """What an exponential drive of size 1 adds to a membrane in one tick; by ``(1 - exp(-x)) / x``
    where the two times are nearly one, their difference being rounding."""
    keep, after = (math.exp(-dt_ms / tau) for tau in (tau_membrane_ms, tau_after_ms))
    if abs(tau_after_ms - tau_membrane_ms) < 1e-3 * tau_membrane_ms:
        x = dt_ms * (1 / tau_membrane_ms - 1 / tau_after_ms)
        return dt_ms / tau_membrane_ms * after * (-math.expm1(-x) / x if x else 1.0)
    return (after - keep) * tau_after_ms / (tau_after_ms - tau_membrane_ms)
