"""Figure 6: how much of a score is the size at which the stimuli are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurosim.experiments.figures.panels import (
    Scale,
    band,
    mean_markers,
    noise_note,
    not_trained_note,
    region_row,
    whole_legend,
    zero_line,
)
from neurosim.experiments.figures.style import (
    REFERENCE_DASHES,
    new_figure,
    placard,
    px_axis,
    rule_style,
    styled,
    what_rules_mean,
)
from neurosim.experiments.results.choice import Headline, View

#: Column -> one score a seed of a rule in a view: what is known of the network at that point.
STATES: Mapping[str, Callable[[View, str, int], pd.Series]] = {
    "as initialised": lambda view, rule, last: _at(view.curve(rule), 0),
    "statistics only": lambda view, rule, last: view.statistics_only_at(rule, last),
    "trained": lambda view, rule, last: _at(view.curve(rule), last),
}


@styled
def resolution(headline: Headline) -> Figure:
    """Figure 6: rho by stimulus size, as initialised, with statistics only, and trained."""
    sizes = headline.sizes
    at_px = {px: replace(headline, px=px) for px in sizes}
    views = {(roi, px): h.view(roi) for px, h in at_px.items() for roi in headline.rois}
    shown, n_rows = headline.view(headline.rois[0]), len(headline.rois)
    figure = new_figure(
        headline,
        title="Alignment by the size of the stimuli",
        subtitle=headline.in_words(px=sizes),
        body_in=0.85 + 1.45 * n_rows if len(sizes) > 1 else 1.2,
        legend=whole_legend(headline, shown, zero_point=False),
        notes=[
            f"Trained: after epoch {headline.last}. Statistics only: the same passes with learning "
            "rate 0. Thick lines: means over seeds; thin lines: seeds; open markers: weights "
            "as initialised, or all but.",
            "A network was trained at one size; what changes with px in the first two columns is "
            "the image and the size of the maps, and no learning.",
            "Each region has its own scale. Reference models are computed at each size. "
            f"{noise_note([headline.view(roi) for roi in headline.rois])}.",
            not_trained_note(shown, headline.last),
            what_rules_mean(headline.rules, headline) + ".",
        ],
    )
    if len(sizes) == 1:
        placard(figure.subplots(), f"evaluated at {sizes[0]} px only: no sweep to show")
        return figure
    grid = figure.subplots(n_rows, len(STATES), sharex=True, sharey="row", squeeze=False)
    for row, roi in enumerate(headline.rois):
        of_roi = {px: views[roi, px] for px in sizes}
        scale = Scale.of(list(of_roi.values()))
        for axes, state in zip(grid[row], STATES, strict=True):
            axes.set_ylim(scale.low, scale.high)
            zero_line(axes)
            band(axes, of_roi[sizes[0]])
            _references(axes, of_roi)
            for rule in headline.rules:
                _sweep(axes, of_roi, rule, state, headline.last)
            if row == 0:
                axes.set_title(state, fontsize=9, pad=5)
            if row == n_rows - 1:
                axes.set_xlabel("stimulus size (px, log scale)")
            px_axis(axes, sizes)
        region_row(grid[row], of_roi[sizes[0]])
    return figure


def _at(curve: pd.DataFrame, epoch: int) -> pd.Series:
    return curve.loc[epoch] if epoch in curve.index else pd.Series(dtype=float)


def _references(axes: Axes, of_roi: Mapping[int, View]) -> None:
    table = pd.DataFrame({px: view.references for px, view in of_roi.items()}, dtype=float)
    for name, values in table.iterrows():
        axes.plot(list(table.columns), values, color="#555555", lw=0.9, zorder=1,
                  ls=REFERENCE_DASHES.get(str(name), "-."), gid=f"reference:{name}")  # fmt: skip


def _sweep(axes: Axes, of_roi: Mapping[int, View], rule: str, state: str, last: int) -> None:
    """One rule in one state: gid ``<state>:<rule>``."""
    scores = {px: STATES[state](view, rule, last) for px, view in of_roi.items()}
    table = pd.DataFrame(scores, dtype=float)
    if table.empty:
        return
    style, x = rule_style(rule), table.columns.to_numpy(dtype=float)
    if len(table) > 1:
        axes.plot(x, table.to_numpy().T, color=style.colour, lw=0.6, alpha=0.35, zorder=2)
    mean = table.mean().to_numpy()
    axes.plot(x, mean, color=style.colour, lw=1.6, zorder=3, gid=f"{state}:{rule}")
    shares = next(iter(of_roi.values())).untrained_seeds(rule)
    still = state != "trained" or bool(shares.get(last, 0.0) > 0)
    mean_markers(axes, x, mean, rule, np.full(len(x), still), zorder=3.5)
