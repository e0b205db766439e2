"""The figure of spatial frequencies: alignment with one octave band alone, and without it."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurosim.experiments.controls.figure_controls import draw_luminance, panels, shown
from neurosim.experiments.controls.result import Result
from neurosim.experiments.figures.style import FAINT, INK, rule_style, styled
from neurosim.experiments.job.evaluate import NO_NORMALISATION
from neurosim.experiments.job.stimulus_content import NATIVE, is_band
from neurosim.experiments.run.stored import INITIALISED, TRAINED

_ONLY, _NOTCH = "only-", "notch-"


def spatial_frequencies(result: Result) -> Figure | None:
    """rho of each octave band, and without it; None where no bands were shown."""
    rows = shown(result)
    return _figure(result, rows) if rows["content"].map(is_band).any() else None


@styled
def _figure(result: Result, rows: pd.DataFrame) -> Figure:
    px = int(rows["px"].max())
    policies = [p for p in rows["normalisation"].unique() if p != NO_NORMALISATION]
    policy = "running" if "running" in policies or not policies else policies[0]
    rows = rows[(rows["px"] == px) & rows["normalisation"].isin([policy, NO_NORMALISATION])]
    bands = [c.removeprefix(_ONLY) for c in rows["content"].unique() if c.startswith(_ONLY)]
    # From coarse to fine; the mean of the image comes first.
    bands.sort(key=lambda band: -1.0 if band == "dc" else float(band.split("-")[0]))
    figure, grid, rules, rois = panels(
        result,
        rows,
        title="Alignment by spatial frequency: one octave band alone, and all but one",
        subtitle=f"{result.layer}  ·  {px} px  ·  normalisation {policy}  ·  Spearman ρ, "
        "subject_mean, means over seeds",
        legend=[
            Line2D([], [], color=INK, marker="o", ms=5, ls="-", lw=1.2, label="band alone"),
            Line2D([], [], color=INK, marker="o", ms=5, ls=(0, (1, 1.2)), lw=1.2, mfc="white",
                   label="all but the band"),
            Line2D([], [], color=INK, lw=0.9, ls=(0, (6, 2)), label="native"),
        ],
        notes=[
            "Bands are octaves that sum to the image, by the px of the smallest image that holds "
            "them (half cycles across it); dc is its mean. A band "
            "that carries a score has it alone (filled) and is missed (open below native).",
        ],
        body_in=1.75,
    )  # fmt: skip
    for r, roi in enumerate(rois):
        for c, rule in enumerate(rules):
            axes = grid[r][c]
            of_panel = rows[(rows["rule"] == rule) & (rows["roi"] == roi)]
            style = rule_style(rule)
            for weights, colour in ((INITIALISED, FAINT), (TRAINED, style.colour)):
                of_weights = of_panel[of_panel["weights"] == weights]
                of_weights = of_weights[of_weights["epoch"] == of_weights["epoch"].max()]
                mean = of_weights.groupby("content")["rho"].mean()
                _lines(axes, mean, bands, colour, f"{rule}:{weights}")
            draw_luminance(axes, result, roi, [px])
            axes.set_xticks(range(len(bands)))
            axes.set_xticklabels(bands if r == len(rois) - 1 else [""] * len(bands), rotation=90,
                                 fontsize=7.5)  # fmt: skip
            if r == len(rois) - 1:
                axes.set_xlabel("band (px)")
    return figure


def _lines(axes: Axes, mean: pd.Series, bands: list[str], colour: str, gid: str) -> None:
    for kind, dashes, face in ((_ONLY, "-", colour), (_NOTCH, (0, (1, 1.2)), "white")):
        values = mean.reindex([kind + band for band in bands]).to_numpy()
        axes.plot(range(len(bands)), values, color=colour, ls=dashes, lw=1.2, marker="o", ms=4,
                  mfc=face, zorder=3, gid=f"{gid}:{kind}")  # fmt: skip
    if NATIVE in mean:
        axes.axhline(mean[NATIVE], color=colour, lw=0.9, ls=(0, (6, 2)), zorder=2,
                     gid=f"{gid}:native")  # fmt: skip
