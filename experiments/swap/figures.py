"""The figures of ``encoder_swap``: rasters, accuracy against time and cost, alignment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurosim.experiments.figures.rule_styles import SHADES, shade
from neurosim.experiments.figures.style import BAND, FAINT, INK, new_figure, panel_title, styled
from neurosim.experiments.results.words import counted, number
from neurosim.experiments.swap.config import DT_MS, EncoderSwap
from neurosim.models.rule_table import base_of

#: Colour by what a code uses: counts, times, digits, changes, populations; one hue a family.
_LOOKS = {
    "current": ("#0072b2", "o"), "bernoulli": ("#56b4e9", "s"), "poisson": ("#3a5a9b", "^"),
    "snntorch-rate": ("#8fb8de", "D"), "norse-poisson": ("#1b9aaa", "v"),
    "norse-current": ("#13505b", "P"), "latency": ("#d55e00", "o"),
    "rank-order": ("#e69f00", "s"), "snntorch-latency": ("#f4a582", "D"),
    "phase": ("#009e73", "o"), "burst": ("#7fbf7b", "s"), "delta": ("#cc79a7", "o"),
    "population": ("#6a3d9a", "o"),
}  # fmt: skip
_LAYER_MARKS = {"Conv1": "o", "Conv2": "s", "Conv3": "D"}


@dataclass(frozen=True)
class SwapResults:
    """Everything the figures show.

    pixels: accuracy of the same probe on the images; chance: of guessing.
    """

    settings: EncoderSwap
    curve: pd.DataFrame
    energy: pd.DataFrame
    alignment: pd.DataFrame
    rasters: Mapping[str, np.ndarray]
    pixels: float
    chance: float
    simulated: bool
    rois: tuple[str, ...]

    @property
    def encoders(self) -> Sequence[str]:
        """In the order asked for."""
        return self.settings.encoders

    def final(self) -> pd.DataFrame:
        """Means over seeds at the end of a presentation, one row an encoder."""
        last = self.curve[self.curve["time_ms"] == self.curve["time_ms"].max()]
        table = last.groupby("encoder").mean(numeric_only=True)
        seconds = self.energy.groupby("encoder")["seconds_per_image"].mean()
        return table.assign(ms_per_image=1000 * seconds).loc[list(self.encoders)]

    def scores(self) -> pd.DataFrame:
        """rho by subject mean: one row for each encoder, seed, layer and ROI, references too."""
        return self.alignment[self.alignment["convention"] == "subject_mean"]

    def summary_table(self) -> pd.DataFrame:
        """One row an encoder: means over its seeds, and the least and the most of them."""
        last = self.curve[self.curve["time_ms"] == self.curve["time_ms"].max()]
        scores = self.scores()
        at = (scores["layer"] == "Conv3") & (scores["roi"] == self.rois[0])
        rho = scores[at].set_index(["encoder", "seed"])["rho"].rename(f"rho_Conv3_{self.rois[0]}")
        values = last.set_index(["encoder", "seed"]).drop(columns="time_ms").join(rho)
        by_encoder = values.groupby("encoder")
        table = by_encoder.mean()
        for name in ("accuracy", str(rho.name)):
            table[f"{name}_min"], table[f"{name}_max"] = (
                by_encoder[name].agg(["min", "max"]).T.values
            )
        table.insert(0, "n_seeds", by_encoder.size())
        return table.loc[list(self.encoders)].reset_index()

    def summary(self) -> str:
        """The printed table."""
        scores = self.scores()
        mine = scores[scores["encoder"].isin(self.encoders)]
        rho = mine.groupby(["encoder", "layer", "roi"])["rho"].mean()
        n_seeds = len(self.settings.seeds)
        final = self.final()
        columns = {
            "accuracy": final["accuracy"].map(number),
            "input": final["input_spikes"].map("{:.0f}".format),
            "spikes": final["spikes"].map("{:.0f}".format),
            "events": final["synaptic_events"].map("{:.3g}".format),
            "ms/image": final["ms_per_image"].map(lambda ms: number(ms, 2)),
            f"rho of Conv3 with {self.rois[0]}": [
                number(rho[encoder, "Conv3", self.rois[0]]) for encoder in final.index
            ],
        }
        return (
            f"Means over {counted(n_seeds, 'seed')}; accuracy of a linear probe on Conv3 (pixels: "
            f"{number(self.pixels)}, chance: {number(self.chance)}); spikes and events an image.\n"
            + pd.DataFrame(columns).rename_axis(index=None, columns="encoder").to_string()
        )


def _agreeing(encoders: Sequence[str]) -> str:
    """What to say of codes that are the same spike for spike, where both are there."""
    # bernoulli and norse-poisson are one code, but their thresholds start from other draws.
    if {"latency", "snntorch-latency"} <= set(encoders):
        return " latency and snntorch-latency are the same code and lie on each other."
    return ""


def _looks(encoders: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of encoders that are shown together: variants of one are shades of it."""
    found: dict[str, tuple[str, str]] = {}
    for encoder in encoders:
        colour, mark = _LOOKS.get(base_of(encoder), ("#555555", "X"))
        shades = [shade(colour, by) for by in SHADES]
        used = {look[0] for look in found.values()}
        free = [each for each in shades if each not in used]
        found[encoder] = (free or shades)[0], mark
    return found


def _new_figure(results: SwapResults, title: str, body_in: float, note: str) -> Figure:
    """Title above, what was done below; axes go between them."""
    s = results.settings
    under = "" if s.weight_dependence == "additive" else f", {s.weight_dependence}"
    said = (
        f"{s.training} images, {s.stimuli} stimuli, {s.cell} cells, "
        f"{'-'.join(map(str, s.channels))} maps, {counted(s.epochs, 'epoch')} of STDP "
        f"({s.timing}{under}) on {s.n_train} images, {counted(len(s.seeds), 'seed')}"
    )
    return new_figure(results, title=title, subtitle=said, body_in=body_in, legend=[], notes=[note])


@styled
def rasters(results: SwapResults) -> Figure:
    """Input spikes of one image under every encoder."""
    encoders, columns = list(results.encoders), min(5, len(results.encoders))
    n_rows = -(-len(encoders) // columns)
    figure = _new_figure(
        results,
        "The same image under every encoder",
        1.75 * n_rows + 0.1,
        "Input spikes of the first held-out image. Rows are inputs of the on/off front end, by "
        "falling intensity from the top, silent inputs left out; a population shows its units "
        "under each other, the one that prefers 0 on top, for fewer inputs.",
    )
    axes = np.atleast_1d(figure.subplots(n_rows, columns, squeeze=False)).ravel()
    looks = _looks(encoders)
    for i, (axis, encoder) in enumerate(zip(axes, encoders, strict=False)):
        raster = results.rasters[encoder]
        ticks, inputs = np.nonzero(raster)
        axis.scatter(
            (ticks + 0.5) * DT_MS,
            inputs,
            s=3.2,
            marker="|",
            linewidths=1.0,
            color=looks[encoder][0],
        )
        axis.set_xlim(0, len(raster) * DT_MS)
        axis.set_ylim(raster.shape[1] - 0.5, -0.5)
        axis.set_yticks([])
        panel_title(axis, "", encoder)
        if i >= len(encoders) - columns:
            axis.set_xlabel("time (ms)")
        else:
            axis.tick_params(labelbottom=False)
        if i % columns == 0:
            axis.set_ylabel("inputs by intensity")
    for axis in axes[len(encoders) :]:
        axis.set_axis_off()
    return figure


@styled
def accuracy_and_cost(results: SwapResults) -> Figure:
    """Accuracy of the probe against time, and against synaptic events."""
    figure = _new_figure(
        results,
        "What is read, how soon, at what cost",
        4.6,
        "Accuracy on held-out images of a linear probe (ridge, penalty by leave-one-out) on the "
        "spike counts of Conv3 so far, averaged over a 4 x 4 grid: one probe a point, the same for "
        "every encoder. A synaptic event is one spike crossing one synapse, from the encoder to "
        "Conv3. Means over seeds, bars at the end from the least to the most of them. Dashed: the "
        "same probe on the image itself; dotted: chance." + _agreeing(results.encoders),
    )
    grid = figure.add_gridspec(1, 3, width_ratios=[1, 1, 0.34])
    first = figure.add_subplot(grid[0])
    second = figure.add_subplot(grid[1], sharey=first)
    curves = results.curve.groupby(["encoder", "time_ms"]).mean(numeric_only=True)
    ranges = results.summary_table().set_index("encoder")
    looks = _looks(results.encoders)
    for encoder in results.encoders:
        curve, (colour, mark) = curves.loc[encoder], looks[encoder]
        kind: dict[str, Any] = {"color": colour, "lw": 1.3, "alpha": 0.9}
        first.plot(curve.index, curve["accuracy"], **kind)
        seen = curve[curve["synaptic_events"] > 0]
        second.plot(seen["synaptic_events"], seen["accuracy"], **kind)
        for axis, x in ((first, curve.index[-1]), (second, seen["synaptic_events"].iloc[-1])):
            axis.plot(x, curve["accuracy"].iloc[-1], mark, color=colour, ms=5.5, mec="white",
                      mew=0.5)  # fmt: skip
        low, high = ranges.loc[encoder, ["accuracy_min", "accuracy_max"]]
        second.vlines(seen["synaptic_events"].iloc[-1], low, high, color=colour, lw=0.9, alpha=0.7)
    for axis in (first, second):
        axis.axhline(results.pixels, color=FAINT, lw=0.9, ls=(0, (4, 2)))
        axis.axhline(results.chance, color=FAINT, lw=0.9, ls=(0, (1, 1.5)))
    second.set_xscale("log")
    second.tick_params(labelleft=False)
    first.set_ylabel("accuracy of a probe on Conv3")
    first.set_xlabel("time since the image came on (ms)")
    second.set_xlabel("synaptic events an image (log scale)")
    panel_title(first, "A", "accuracy over time")
    panel_title(second, "B", "accuracy over cost")
    handles = [
        Line2D([], [], color=looks[e][0], marker=looks[e][1], ms=5, lw=1.3, label=e)
        for e in results.encoders
    ]
    side = figure.add_subplot(grid[2])
    side.set_axis_off()
    side.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.1, 1.0), borderaxespad=0.0)
    return figure


@styled
def alignment(results: SwapResults) -> Figure:
    """Alignment of each layer with each ROI, by encoder, beside noise bounds and luminance."""
    scores, rois = results.scores(), results.rois
    encoders = list(results.encoders)
    figure = _new_figure(
        results,
        "Alignment with the brain by encoder",
        0.21 * len(encoders) + 1.25,
        "Spearman rho of RDMs (1 - Pearson of spike counts on a 4 x 4 grid), by subject, then "
        "averaged; stimuli at the size of the training images. One mark a seed. Shaded: noise "
        "bounds (leave one subject out) where they are in range; dotted line: luminance. Layers: "
        "circle Conv1, square Conv2, diamond Conv3.",
    )
    axes = np.atleast_1d(figure.subplots(1, len(rois), sharey=True, sharex=True))
    reach = scores[scores["encoder"].isin(encoders)]["rho"]
    luminance = scores[scores["encoder"] == "reference:luminance"]
    low = min(0.0, float(reach.min()), float(luminance["rho"].min()))
    high = max(float(reach.max()), float(luminance["rho"].max()))
    margin = 0.06 * (high - low)
    for axis, roi in zip(axes, rois, strict=True):
        here = scores[scores["roi"] == roi]
        _rho_panel(axis, here, encoders)
        reference = luminance[luminance["roi"] == roi]
        if len(reference):
            axis.axvline(float(reference["rho"].iloc[0]), color=INK, lw=0.9, ls=(0, (1, 1.5)))
        axis.set_xlim(low - margin, high + margin)
        axis.set_xlabel("Spearman ρ")
        panel_title(axis, "", roi)
    axes[0].set_yticks(range(len(encoders)), encoders)
    axes[0].set_ylim(len(encoders) - 0.5, -0.5)
    return figure


def _rho_panel(axis: Axes, here: pd.DataFrame, encoders: Sequence[str]) -> None:
    axis.axvspan(here["noise_lower"].iloc[0], here["noise_upper"].iloc[0], color=BAND, zorder=0)
    axis.axvline(0, color=FAINT, lw=0.7)
    looks = _looks(encoders)
    for row, encoder in enumerate(encoders):
        axis.axhline(row, color="#eeeeee", lw=0.7, zorder=0.5)
        for shift, (layer, mark) in zip((-0.22, 0.0, 0.22), _LAYER_MARKS.items(), strict=True):
            rho = here[(here["encoder"] == encoder) & (here["layer"] == layer)]["rho"]
            axis.plot(rho, np.full(len(rho), row + shift), mark, ms=4, mec="white", mew=0.4,
                      color=looks[encoder][0])  # fmt: skip


#: File name -> drawing function.
FIGURES: Mapping[str, Callable[[SwapResults], Figure]] = {
    "rasters": rasters,
    "accuracy_and_cost": accuracy_and_cost,
    "alignment": alignment,
}
