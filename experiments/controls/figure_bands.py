"""The figure of spatial frequencies: alignment with one octave band alone, and without it."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurosim.experiments.controls.figure_controls import (
    DOTTED,
    last_of,
    of_one_policy,
    panels,
    shown,
)
from neurosim.experiments.controls.result import Result
from neurosim.experiments.figures.style import FAINT, INK, rule_style, styled
from neurosim.experiments.job.stimulus_content import NATIVE, is_band
from neurosim.experiments.run.stored import INITIALISED, TRAINED

_ONLY, _NOTCH = "only-", "notch-"
_DASHED = (0, (6, 2))


def spatial_frequencies(result: Result) -> Figure | None:
    """rho of each octave band, and without it; None where no bands were shown."""
    rows = shown(result)
    return _figure(result, rows) if rows["content"].map(is_band).any() else None


@styled
def _figure(result: Result, rows: pd.DataFrame) -> Figure:
    px = int(rows["px"].max())
    rows, policy = of_one_policy(rows[rows["px"] == px])
    bands = [c.removeprefix(_ONLY) for c in rows["content"].unique() if c.startswith(_ONLY)]
    # From coarse to fine; the mean of the image comes first.
    bands.sort(key=lambda band: -1.0 if band == "dc" else float(band.split("-")[0]))

    def draw(axes: Axes, of_panel: pd.DataFrame, rule: str) -> None:
        for weights, colour in ((INITIALISED, FAINT), (TRAINED, rule_style(rule).colour)):
            mean = last_of(of_panel, weights).groupby("content")["rho"].mean()
            _lines(axes, mean, bands, colour, f"{rule}:{weights}")
        axes.set_xticks(range(len(bands)), bands)
        axes.set_xlabel("band (px)")

    return panels(
        result,
        rows,
        draw,
        title="Alignment by spatial frequency: one octave band alone, and all but one",
        subtitle=f"{result.layer}  ·  {px} px  ·  normalisation {policy}  ·  Spearman ρ, "
        "subject_mean, means over seeds",
        legend=[
            Line2D([], [], color=INK, marker="o", ms=5, ls="-", lw=1.2, label="band alone"),
            Line2D([], [], color=INK, marker="o", ms=5, ls=DOTTED, lw=1.2, mfc="white",
                   label="all but the band"),
            Line2D([], [], color=INK, lw=0.9, ls=_DASHED, label="native"),
        ],
        note="Bands are octaves that sum to the image, by the px of the smallest image that holds "
        "them (half cycles across it); dc is its mean. A band that carries a score has it alone "
        "(filled) and is missed (open below native).",
        body_in=1.75,
    )  # fmt: skip


def _lines(axes: Axes, mean: pd.Series, bands: list[str], colour: str, gid: str) -> None:
    for kind, dashes, face in ((_ONLY, "-", colour), (_NOTCH, DOTTED, "white")):
        values = mean.reindex([kind + band for band in bands]).to_numpy()
        axes.plot(range(len(bands)), values, color=colour, ls=dashes, lw=1.2, marker="o", ms=4,
                  mfc=face, zorder=3, gid=f"{gid}:{kind}")  # fmt: skip
    if NATIVE in mean:
        axes.axhline(mean[NATIVE], color=colour, lw=0.9, ls=_DASHED, zorder=2,
                     gid=f"{gid}:native")  # fmt: skip
