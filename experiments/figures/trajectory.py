"""Figures 1 to 3: through training in the first ROI, in all ROIs and layers, early against late."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from string import ascii_lowercase
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from neurosim.experiments.figures.panels import (
    OPEN_MARKER_NOTE,
    Scale,
    band,
    band_strip,
    change_tests,
    curves,
    finals,
    mean_markers,
    noise_note,
    not_trained_note,
    off_axis_note,
    p_marks,
    p_note,
    references,
    region_row,
    whole_legend,
    zero_line,
    zero_points,
)
from neurosim.experiments.figures.style import (
    FAINT,
    ZERO_POINT_MARKER,
    ZERO_POINT_NOTE,
    epoch_axis,
    new_figure,
    panel_title,
    placard,
    rule_handles,
    rule_style,
    styled,
    what_rules_mean,
)
from neurosim.experiments.results.choice import Headline, View, extent
from neurosim.experiments.results.words import score_label


@styled
def trajectory(headline: Headline) -> Figure:
    """Figure 1: rho by epoch, change from epoch 0, and final scores, in the first ROI."""
    view, last = headline.view(headline.rois[0]), headline.last
    scale = Scale.of([view])
    broken = view.bounds is not None and not scale.band_inside
    zero = any(len(view.statistics_only(rule)) for rule in view.rules)
    tests = change_tests(view, view.rules, last)
    figure = new_figure(
        headline,
        title=f"Alignment with {view.roi} through training",
        subtitle=headline.in_words(),
        body_in=3.3,
        legend=rule_handles(view.rules, zero_point=zero),
        notes=[
            f"{OPEN_MARKER_NOTE}.",
            f"{ZERO_POINT_NOTE}." * zero,
            "" if view.bounds else f"{noise_note([view])}.",
            off_axis_note(scale, [view]),
            not_trained_note(view, last),
            p_note(tests, "C, change from epoch 0") + ".",
            what_rules_mean(view.rules, headline) + ".",
        ],
    )
    grid = figure.add_gridspec(2, 3, width_ratios=(1.85, 1.05, 1.1), height_ratios=(0.17, 1))
    a = figure.add_subplot(grid[1, 0] if broken else grid[:, 0])
    b, c = figure.add_subplot(grid[:, 1]), figure.add_subplot(grid[1, 2])
    top_a, top_c = figure.add_subplot(grid[0, 0]) if broken else a, figure.add_subplot(grid[0, 2])
    if broken:
        band_strip(top_a, a, view)
    for axes in (a, c):
        axes.set_ylim(scale.low, scale.high)
        zero_line(axes)
        if scale.band_inside:
            band(axes, view, label=axes is a)
        references(axes, scale, view.references, label=axes is a)
    curves(a, view, view.rules)
    zero_points(a, view, view.rules)
    epoch_axis(a, headline.epochs, width_in=3.0)
    a.set_ylabel(headline.score)
    panel_title(top_a, "A", "score")

    if any(len(view.change(rule)) for rule in view.rules):
        zero_line(b)
        curves(b, view, view.rules, change=True)
        zero_points(b, view, view.rules, change=True)
        epoch_axis(b, headline.epochs, width_in=2.2)
        b.set_ylabel(f"Δ{headline.symbol} from epoch 0")
    else:
        placard(b, "no epoch 0 in this table: no change to show")
    panel_title(b, "B", "change from epoch 0")

    finals(c, view, view.rules, last)
    p_marks(top_c, tests)
    panel_title(top_c, "C", f"score after epoch {last}")
    return figure


@styled
def all_regions(headline: Headline) -> Figure:
    """Figure 2: every ROI (rows, each on a scale of its own) and layer (columns)."""
    views = {(r, la): headline.view(r, la) for r in headline.rois for la in headline.layers}
    rules = headline.rules
    scales = {roi: Scale.of([views[roi, la] for la in headline.layers]) for roi in headline.rois}
    zero = any(len(view.statistics_only(rule)) for view in views.values() for rule in rules)
    n_rows, n_columns = len(headline.rois), len(headline.layers)
    figure = new_figure(
        headline,
        title="Every region and layer through training",
        subtitle=headline.in_words(layer=False),
        body_in=0.85 + 1.3 * n_rows,
        legend=whole_legend(headline, views[headline.rois[0], headline.layers[0]], zero_point=zero),
        notes=[
            f"{OPEN_MARKER_NOTE}.",
            "Each region has its own scale. Shaded: noise bounds, where they reach into the axis.",
            f"{ZERO_POINT_NOTE}." * zero,
            *(off_axis_note(scale, [headline.view(roi)]) for roi, scale in scales.items()),
            what_rules_mean(rules, headline) + ".",
        ],
    )
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey="row", squeeze=False)
    for row, roi in enumerate(headline.rois):
        for column, layer in enumerate(headline.layers):
            axes, view = grid[row][column], views[roi, layer]
            axes.set_ylim(scales[roi].low, scales[roi].high)
            zero_line(axes)
            band(axes, view)
            references(axes, scales[roi], view.references, label=False)
            curves(axes, view, rules)
            zero_points(axes, view, rules, size=5)
            label = "epoch" * (row == n_rows - 1)
            epoch_axis(axes, headline.epochs, width_in=7.6 / n_columns, label=label)
            if row == 0:
                axes.set_title(_column_title(headline, layer), fontsize=8.5, pad=5)
        region_row(grid[row], views[roi, headline.layers[0]])
    return figure


def _column_title(headline: Headline, layer: str) -> str:
    """The layer, and the rules that left it as it was: the same in every region."""
    found = headline.view(headline.rois[0], layer).not_trained(headline.last)
    names = ", ".join(rule_style(rule).short for rule in found)
    second = textwrap.fill(f"not trained: {names}", 112 // len(headline.layers)) if names else ""
    return f"{headline.layer_in_words(layer)}\n{second}"


@styled
def early_against_late(headline: Headline) -> Figure:
    """Figure 3: the first ROI against the last, as a path and as a difference."""
    early, late = headline.view(headline.rois[0]), headline.view(headline.rois[-1])
    rules, alone = early.rules, len(headline.rois) == 1
    limits, letters = _plane(early, late)
    zero = any(len(early.statistics_only(rule)) for rule in rules)
    figure = new_figure(
        headline,
        title=f"Early against late: {early.roi} and {late.roi}",
        subtitle=headline.in_words(),
        body_in=3.6,
        legend=[
            *rule_handles(rules, zero_point=zero and not alone),
            *(Line2D([], [], label=name, **look) for name, look in letters.items() if not alone),
        ],
        notes=[
            f"{OPEN_MARKER_NOTE}.",
            f"A, small marks: seeds after epoch {headline.last}; letters: reference models.",
            f"{ZERO_POINT_NOTE}." * zero,
            f"{noise_note([early, late])}: a score can only be as high as a region is reliable.",
            not_trained_note(early, headline.last, mark=""),
            what_rules_mean(rules, headline) + ".",
        ],
    )
    a, b = figure.subplots(1, 2, width_ratios=(1, 1.15))
    if alone:
        for axes in (a, b):
            placard(axes, f"{early.roi} is the only region: there is no late one to compare with")
        return figure
    _paths(a, early, late, rules)
    for name, look in letters.items():
        a.plot(early.references[name], late.references[name], zorder=2, gid=f"reference:{name}",
               **look)  # fmt: skip
    a.set(xlim=limits, ylim=limits, aspect="equal")
    a.plot(limits, limits, color=FAINT, lw=0.7, ls=(0, (5, 3)), zorder=1)
    a.annotate("equal", (limits[1], limits[1]), (-12, -8), textcoords="offset points",
               ha="right", va="bottom", rotation=45, rotation_mode="anchor",
               fontsize=7.5, color=FAINT)  # fmt: skip
    panel_title(a, "A", "path through training")
    difference, sign = early.minus(late), headline.symbol
    zero_line(b)
    low, high = extent([difference.curve(rule) for rule in rules])
    b.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    curves(b, difference, rules)
    zero_points(b, difference, rules)
    epoch_axis(b, headline.epochs, width_in=3.8)
    b.set_ylabel(f"{sign} with {early.roi} − {sign} with {late.roi}")
    panel_title(b, "B", "difference, paired within seeds")
    return figure


def _plane(early: View, late: View) -> tuple[tuple[float, float], dict[str, dict[str, Any]]]:
    """Limits of the plane of two regions, and the look of each reference model inside: a letter."""
    both = [view.curve(rule) for view in (early, late) for rule in early.rules]
    both += [view.statistics_only(rule) for view in (early, late) for rule in early.rules]
    low, high = extent(both)
    margin = 0.08 * (high - low)
    limits = (low - margin, high + margin)
    inside = [
        name
        for name in early.references
        if name in late.references
        and all(limits[0] < view.references[name] < limits[1] for view in (early, late))
    ]
    looks = zip(inside, ascii_lowercase, strict=False)
    return limits, {
        name: {"ls": "none", "marker": f"${letter}$", "ms": 6, "color": "#555555", "mew": 0.3}
        for name, letter in looks
    }


def _paths(axes: Axes, early: View, late: View, rules: Sequence[str]) -> None:
    """Mean scores of every epoch in the plane of the two regions; gid ``path:<rule>``."""
    for rule in rules:
        style, x, y = rule_style(rule), early.curve(rule), late.curve(rule)
        still = (early.untrained_seeds(rule).reindex(x.index).fillna(0) > 0).to_numpy()
        across, up = x.mean(axis=1).to_numpy(), y.mean(axis=1).to_numpy()
        axes.plot(across, up, color=style.colour, lw=1.4, zorder=3, gid=f"path:{rule}")
        mean_markers(axes, across, up, rule, still, zorder=4)
        if x.shape[1] > 1:
            ends = y.reindex(columns=x.columns).iloc[-1]
            axes.plot(x.iloc[-1], ends, ls="none", marker=style.marker, ms=2.6, mew=0, alpha=0.6,
                      color=style.colour, zorder=2)  # fmt: skip
        points = (early.statistics_only(rule).mean(), late.statistics_only(rule).mean())
        axes.plot([points[0]], [points[1]], ls="none", marker=ZERO_POINT_MARKER, ms=6.5,
                  color=style.colour, mec="white", mew=0.6, zorder=5)  # fmt: skip
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.set_xlabel(f"{score_label(early.comparator)} with {early.roi}")
    axes.set_ylabel(f"{score_label(late.comparator)} with {late.roi}")
