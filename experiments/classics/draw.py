"""The figure of each classic, beside what the paper shows."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from neurosim.experiments.classics.outcome import Outcome
from neurosim.experiments.figures.style import FAINT, INK, WIDTH_IN, panel_title, styled

BLUE, ORANGE = "#0072b2", "#d55e00"


@styled
def song(outcome: Outcome) -> Figure:
    """Weights at the start and at the end, and on their way (their figures 2 and 4)."""
    curves = outcome.curves
    figure = Figure(figsize=(WIDTH_IN, 2.6), layout="constrained")
    ends, way = figure.subplots(1, 2, width_ratios=(1, 1.4))
    bins = np.linspace(0, 1, 26)
    ends.hist(curves["weights_at_start"], bins, histtype="step", color=FAINT, label="at the start")
    ends.hist(curves["weights"], bins, color=BLUE, label="at the end")
    ends.legend(frameon=False)
    ends.set(xlabel="weight / maximum", ylabel="synapses")
    panel_title(ends, "A", "Additive STDP sorts the inputs")
    way.plot(curves["times_ms"] / 1000, curves["weights_over_time"], color=INK, lw=0.4, alpha=0.5)
    way.set(xlabel="time (s)", ylabel="weight / maximum", ylim=(-0.02, 1.02))
    panel_title(way, "B", "Every twentieth weight")
    return figure


@styled
def vogels(outcome: Outcome) -> Figure:
    """The mean rate on its way to the target, and spikes at the end (their figure 4)."""
    curves = outcome.curves
    figure = Figure(figsize=(WIDTH_IN, 2.6), layout="constrained")
    rate, raster, spread = figure.subplots(1, 3, width_ratios=(1.2, 1.2, 1))
    rate.plot(curves["times_ms"] / 1000, curves["rate_hz"], color=BLUE, lw=1)
    rate.axhline(outcome.numbers["target"], color=ORANGE, ls="--", lw=1, label="target")
    rate.legend(frameon=False)
    rate.set(xlabel="time (s)", ylabel="mean rate (Hz)", yscale="log")
    panel_title(rate, "A", "Inhibition balances")
    shown = curves["spike_of"] < 200
    raster.plot(curves["spike_ms"][shown] / 1000, curves["spike_of"][shown], ",", color=INK)
    raster.set(xlabel="time (s)", ylabel="excitatory cell")
    panel_title(raster, "B", "The last half second")
    spread.hist(curves["rates"], 30, color=BLUE)
    spread.axvline(outcome.numbers["target"], color=ORANGE, ls="--", lw=1)
    spread.set(xlabel="rate of a cell (Hz)", ylabel="cells")
    panel_title(spread, "C", "Last quarter")
    return figure
