"""Figures of the STDP laboratory, drawn from its tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from neurosim.experiments.figures.style import DPI, FAINT, INK, WIDTH_IN, panel_title, styled
from neurosim.experiments.lab.protocols import CURVES, SJOSTROM, PoissonRun

#: Okabe & Ito's palette; dashes differ as well, for readers who see no colour.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("-", "--", "-.", ":")


def look(index: int) -> dict:
    """Colour and dashes of the timing at a place in the list."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "ls": DASHES[index // len(COLOURS) % len(DASHES)],
    }


@styled
def window(table: pd.DataFrame) -> Figure:
    """Change by one pair against its lag: dots from the kernel, line the closed form."""
    names = list(table["timing"].unique())
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = _figure(1.75 * rows + 0.1)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    for index, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
        part = table[table["timing"] == name]
        axes.axhline(0, color=FAINT, lw=0.6)
        axes.axvline(0, color=FAINT, lw=0.6)
        for side in (part["lag_ms"] < 0, part["lag_ms"] > 0):
            axes.plot(
                part["lag_ms"][side], 1000 * part["closed_form"][side], color=COLOURS[0], lw=1.2
            )
        axes.plot(part["lag_ms"], 1000 * part["change"], "o", ms=2.4, color=INK)
        panel_title(axes, chr(ord("A") + index) if index < 26 else "", name)
    figure.supxlabel("lag = t_post − t_pre (ms)", fontsize=8.5)
    figure.supylabel("change of the weight × 1,000", fontsize=8.5)
    return figure


@styled
def frequency(table: pd.DataFrame, chi2: Mapping[str, float]) -> Figure:
    """Change by 60 pairings against their rate, with the data of Sjostrom et al. 2001."""
    figure = _figure(4.3)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, lag, letter in zip(panels, (10.0, -10.0), "AB", strict=True):
        axes.axhline(0, color=FAINT, lw=0.6)
        part = table[table["lag_ms"] == lag]
        for index, name in enumerate(table["timing"].unique()):
            curve = part[part["timing"] == name]
            axes.plot(curve["rho_hz"], curve["change"], lw=1.4, **look(index),
                      label=f"{name}: χ²/10 = {chi2[name]:.3g}"
                      + _beyond(table.loc[table["timing"] == name, "change"]))  # fmt: skip
        data = SJOSTROM[SJOSTROM["lag_ms"] == lag]
        axes.errorbar(data["rho_hz"], data["change"], data["standard_error"], fmt="o", ms=4.5,
                      color=INK, capsize=2.5, lw=1, zorder=5,
                      label="Sjöström et al. 2001, mean ± s.e.")  # fmt: skip
        order = "pre before post" if lag > 0 else "post before pre"
        panel_title(axes, letter, f"{order}, lag {lag:+g} ms".replace("-", "−"))
        axes.set_xlabel("pairings a second (Hz)")
    panels[0].set_ylabel("change by 60 pairings, fraction of the weight")
    # Rules that miss the data by far would squeeze everything else: their names say how far.
    panels[0].set_ylim(*_FREQUENCY_LIMITS)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7.5)
    return figure


#: Of the changes that data of this protocol show, with room.
_FREQUENCY_LIMITS = (-0.8, 1.1)


def _beyond(changes: pd.Series) -> str:
    """What a curve does outside the axis; empty where it stays inside."""
    low, high = _FREQUENCY_LIMITS
    told = [
        f"{value:+.2g}".replace("-", "−")
        for value, out in (
            (changes.min(), changes.min() < low),
            (changes.max(), changes.max() > high),
        )
        if out
    ]
    return f" (beyond the axis, to {' and '.join(told)})" if told else ""


@styled
def rates(table: pd.DataFrame, run: PoissonRun) -> Figure:
    """Mean change a second under Poisson spikes: points from the kernel, lines the closed form."""
    figure = _figure(3.9)
    panels = figure.subplots(1, len(CURVES))
    names = list(table["timing"].unique())
    for axes, curve, letter in zip(panels, CURVES, "AB", strict=True):
        axes.axhline(0, color=FAINT, lw=0.6)
        for index, name in enumerate(names):
            part = table[(table["curve"] == curve) & (table["timing"] == name)]
            axes.plot(part["post_hz"], part["expected"], lw=1.3, **look(index))
            axes.errorbar(part["post_hz"], part["drift"], part["standard_error"], fmt="o", ms=3.2,
                          color=look(index)["color"], lw=1, label=name)  # fmt: skip
        panel_title(axes, letter, curve)
        axes.set_xlabel("rate of both (Hz)" if letter == "A" else "postsynaptic rate (Hz)")
    panels[0].set_ylabel("change of the weight per second")
    figure.suptitle(
        f"{run.seconds:g} s simulated per point, {run.n} x {run.n} synapses", fontsize=8.5
    )
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=7.5)
    return figure


@styled
def weights(table: pd.DataFrame, theory: pd.DataFrame, seconds: Mapping[str, float]) -> Figure:
    """Weights after Poisson drive of so many seconds: bars from the kernel, line the stationary
    density."""
    names = list(table["ensemble"].unique())
    figure = _figure(2.9)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for index, (axes, name) in enumerate(zip(panels, names, strict=True)):
        found = table.loc[table["ensemble"] == name, "weight"]
        axes.hist(found, np.linspace(0, 1, 26), density=True, color="#b9d3e6")
        line = theory[theory["ensemble"] == name]
        axes.plot(line["weight"], line["density"], color=COLOURS[1], lw=1.5)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, None)
        # Labels of one width, whatever the layout finds room for.
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        panel_title(axes, chr(ord("A") + index), f"{name}, {seconds[name]:g} s")
    panels[0].set_ylabel("density")
    figure.supxlabel(f"weight ({len(found):,} of each rule)", fontsize=8.5)
    return figure


def _figure(height_in: float) -> Figure:
    return Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
