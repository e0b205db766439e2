"""The figures of the two control commands: policies x weights, and stimulus sizes x content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurosim.experiments.controls.result import Result
from neurosim.experiments.figures.style import (
    BAND,
    BAND_TEXT,
    FAINT,
    INK,
    REFERENCE_DASHES,
    ZERO_POINT_MARKER,
    new_figure,
    px_axis,
    rule_style,
    styled,
)
from neurosim.experiments.job.evaluate import NO_NORMALISATION
from neurosim.experiments.results.choice import REFERENCE
from neurosim.experiments.results.words import between, seeds
from neurosim.experiments.run.stored import INITIALISED, STATISTICS_ONLY, TRAINED

#: Where a figure has more rules than these in a row, it grows too wide to read.
_MAX_RULES = 6
_SHORT = {
    "identity": "identity",
    "running": "running",
    "calibrated": "calibrated",
    "calibrated-at-px": "calibrated\nat px",
    "augmented-accumulated": "augmented\naccumulated",
    NO_NORMALISATION: "none",
}
_LUMINANCE = f"{REFERENCE}luminance"
_STATISTICS_COLOUR = "#6b6250"
#: Dashes of what is not the stimulus as it is.
DOTTED = (0, (1, 1.2))


@styled
def normalisation_cross(result: Result) -> Figure:
    """rho by policy, a panel a rule and ROI."""
    rows = shown(result)
    px = int(rows["px"].max())
    rows = rows[(rows["px"] == px) & (rows["content"] == "native")]

    def draw(axes: Axes, of_panel: pd.DataFrame, rule: str) -> None:
        policies = [p for p in _SHORT if p in set(of_panel["normalisation"])]
        for weights, shift, look in _looks(rule):
            of_weights = last_of(of_panel, weights)
            for x, policy in enumerate(policies):
                values = of_weights.loc[of_weights["normalisation"] == policy, "rho"].to_numpy(
                    float
                )
                axes.plot([x + shift] * len(values), values, ls="none", marker=".", ms=3,
                          color=look["color"], alpha=0.5, zorder=2)  # fmt: skip
                axes.plot([x + shift], [values.mean()], ls="none", zorder=3, mew=0.8,
                          gid=f"{rule}:{weights}:{policy}", **look)  # fmt: skip
        axes.set_xticks(range(len(policies)), [_SHORT[p] for p in policies])
        axes.set_xlim(-0.6, max(len(policies) - 0.4, 1.6))

    return panels(
        result,
        rows,
        draw,
        title="Alignment by normalisation policy and by what the weights have been through",
        subtitle=_in_words(rows, result, f"{px} px"),
        legend=[_handle(_STATISTICS_COLOUR, "statistics-only", ZERO_POINT_MARKER)],
        note="Each network is evaluated under the statistics of batch norm that are named below "
        "it; weights are held. Identity on initialised weights is the published epoch 0, running "
        "on trained weights its later epochs. Large: means over seeds; small: seeds.",
        body_in=2.1,
    )


@styled
def resolution_sweep(result: Result) -> Figure:
    """rho by px and content, a panel a rule and ROI."""
    rows, policy = of_one_policy(shown(result))
    sizes = sorted(int(px) for px in rows["px"].unique())
    contents = [c for c in ("native", "upsampled") if c in set(rows["content"])]

    def draw(axes: Axes, of_panel: pd.DataFrame, rule: str) -> None:
        for weights, _, look in _looks(rule):
            for content in contents:
                chosen = last_of(of_panel[of_panel["content"] == content], weights)
                mean = chosen.groupby("px")["rho"].mean()
                axes.plot(mean.index, mean.to_numpy(), ls="-" if content == "native" else DOTTED,
                          lw=1.3, zorder=3, mew=0.6, gid=f"{rule}:{weights}:{content}",
                          **{**look, "ms": 4})  # fmt: skip
        px_axis(axes, sizes)
        axes.set_xlabel("px (log)")

    return panels(
        result,
        rows,
        draw,
        title="Alignment by stimulus size, and what of it is image content",
        subtitle=_in_words(rows, result, f"normalisation {policy}"),
        legend=[
            _handle(_STATISTICS_COLOUR, "statistics-only", ZERO_POINT_MARKER),
            Line2D([], [], color=INK, lw=1.4, label="native"),
            Line2D([], [], color=INK, lw=1.4, ls=DOTTED, label="upsampled"),
        ],
        note=f"Upsampled stimuli hold the detail of {result.training_px} px at every size, so the "
        "distance between dotted lines and their left end is size alone, and that between "
        "dotted and solid lines finer detail. Lines: means over seeds; no network was trained "
        f"at another size than {result.training_px} px.",
        body_in=1.75,
    )


def shown(result: Result) -> pd.DataFrame:
    """Rows of rules at the figure's layer, first readout, ``subject_mean``."""
    table = result.tables["scores"]
    rows = table[
        ~table["rule"].str.startswith(REFERENCE)
        & (table["layer"] == result.layer)
        & (table["convention"] == "subject_mean")
    ]
    return rows[rows["readout"] == rows["readout"].iloc[0]]


def of_one_policy(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The rows under ``running``, else under the first policy, and its name."""
    policies = [p for p in rows["normalisation"].unique() if p != NO_NORMALISATION]
    policy = "running" if "running" in policies or not policies else policies[0]
    return rows[rows["normalisation"].isin([policy, NO_NORMALISATION])], policy


def last_of(rows: pd.DataFrame, weights: str) -> pd.DataFrame:
    """The rows of one state of the weights, at its last epoch."""
    rows = rows[rows["weights"] == weights]
    return rows[rows["epoch"] == rows["epoch"].max()]


def panels(
    result: Result,
    rows: pd.DataFrame,
    draw: Callable[[Axes, pd.DataFrame, str], None],
    *,
    title: str,
    subtitle: str,
    legend: Sequence[Line2D],
    note: str,
    body_in: float,
) -> Figure:
    """A panel a rule (columns) and ROI (rows), each ROI on a scale of its own.

    Args:
        draw: draws the rows of one rule and ROI into a panel, and names its x axis.
    """
    rules, rois = list(rows["rule"].unique()), list(rows["roi"].unique())
    rules, left_out = rules[:_MAX_RULES], rules[_MAX_RULES:]
    bounds = rows.drop_duplicates("roi").set_index("roi")[["noise_lower", "noise_upper"]]
    noise = ", ".join(
        f"{roi} {between(lower, upper)}"
        for roi, (lower, upper) in bounds.iterrows()
        if np.isfinite(lower)
    )
    figure = new_figure(
        result,
        title=title,
        subtitle=subtitle,
        body_in=0.75 + body_in * len(rois),
        legend=[
            _handle(FAINT, "as initialised", "o"),
            *legend,
            *(_handle(rule_style(r).colour, f"{rule_style(r).label} trained", rule_style(r).marker)
              for r in rules if r != "untrained"),
            Line2D([], [], color="#555555", lw=0.9, ls=REFERENCE_DASHES["luminance"],
                   label="luminance"),
        ],
        notes=[
            note,
            f"Noise bounds: {noise}." * bool(noise),
            f"Not drawn: {', '.join(left_out)} (in the table)." * bool(left_out),
        ],
    )  # fmt: skip
    grid = figure.subplots(len(rois), len(rules), sharey="row", squeeze=False)
    for roi, of_row in zip(rois, grid, strict=True):
        of_roi = rows[rows["roi"] == roi]
        for rule, axes in zip(rules, of_row, strict=True):
            _scale(axes, of_roi["rho"], *bounds.loc[roi], named=axes is of_row[0])
            draw(axes, of_roi[of_roi["rule"] == rule], rule)
            _luminance(axes, result, roi, sorted(of_roi["px"].unique()))
            axes.tick_params(axis="x", labelrotation=90, labelsize=7.5)
            axes.label_outer()
        of_row[0].set_ylabel(f"{roi}\nSpearman ρ")
    for rule, axes in zip(rules, grid[0], strict=True):
        axes.set_title(rule_style(rule).label, loc="center")
    return figure


def _scale(axes: Axes, values: pd.Series, lower: float, upper: float, *, named: bool) -> None:
    """From 0 to the highest score, up to the noise bounds where they lie near."""
    axes.axhline(0, color=INK, lw=0.6, zorder=1)
    low, high = min(0.0, values.min()), values.max()
    inside = np.isfinite(lower) and lower < high + 0.3 * (high - low)
    margin = 0.08 * (high - low)
    axes.set_ylim(low - margin, (max(high, lower) if inside else high) + margin)
    if inside:
        axes.axhspan(lower, upper, color=BAND, zorder=0)
        if named:
            axes.annotate("noise bounds", (0, lower), (3, 2), fontsize=7, color=BAND_TEXT,
                          xycoords=("axes fraction", "data"),
                          textcoords="offset points")  # fmt: skip


def _looks(rule: str) -> list[tuple[str, float, dict[str, Any]]]:
    style = rule_style(rule)
    return [
        (INITIALISED, -0.27, {"color": FAINT, "marker": "o", "ms": 5}),
        (STATISTICS_ONLY, 0.0,
         {"color": _STATISTICS_COLOUR, "marker": ZERO_POINT_MARKER, "ms": 6, "mec": "white"}),
        (TRAINED, 0.27, {"color": style.colour, "marker": style.marker, "ms": 5}),
    ]  # fmt: skip


def _handle(colour: str, label: str, marker: str) -> Line2D:
    return Line2D([], [], color=colour, marker=marker, ms=5, ls="none", label=label)


def _luminance(axes: Axes, result: Result, roi: str, sizes: Sequence[int]) -> None:
    table = result.tables["scores"]
    rows = table[
        (table["rule"] == _LUMINANCE)
        & (table["roi"] == roi)
        & (table["convention"] == "subject_mean")
        & table["px"].isin(sizes)
    ].sort_values("px")
    look: dict[str, Any] = {
        "color": "#555555", "lw": 0.9, "ls": REFERENCE_DASHES["luminance"], "zorder": 1,
        "gid": "reference:luminance",
    }  # fmt: skip
    if len(sizes) == 1:
        axes.axhline(float(rows["rho"].iloc[0]), **look)
    else:
        axes.plot(rows["px"], rows["rho"], **look)


def _in_words(rows: pd.DataFrame, result: Result, what: str) -> str:
    n = rows.groupby("rule")["seed"].nunique()
    where = f"{result.layer} ({rows['readout'].iloc[0]})"
    return "  ·  ".join([where, what, "Spearman ρ, subject_mean", f"n = {seeds(n.min(), n.max())}"])
