"""Figure 5: what of a change is normalisation, and what is learning."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from neurosim.experiments.figures.panels import noise_note, not_trained_note, p_note, rule_label
from neurosim.experiments.figures.style import (
    FAINT,
    INK,
    new_figure,
    panel_title,
    placard,
    rule_style,
    styled,
    what_rules_mean,
)
from neurosim.experiments.results.choice import Headline, extent
from neurosim.experiments.results.table import SeedTest, learning_tests
from neurosim.experiments.results.words import p_value, signed

_NORMALISATION = "#c9c2b4"


@styled
def decomposition(headline: Headline) -> Figure:
    """Figure 5: from epoch 0 to statistics-only to trained, for each rule; first ROI large."""
    view, last = headline.view(headline.rois[0]), headline.last
    rules, others = view.rules, headline.rois[1:]
    parts = {roi: headline.view(roi).parts(last) for roi in headline.rois}
    needed = ["normalisation_part", "learning_part"]
    known_of = {roi: table.dropna(subset=needed) for roi, table in parts.items()}
    known = known_of[view.roi]
    held = [rule for rule in rules if rule in view.held]
    tests = region_tests(known, rules, held)
    # A second region alone is drawn like the first, numbers beside it; more are drawn small.
    large = headline.rois if len(others) == 1 else headline.rois[:1]
    small = [roi for roi in headline.rois if roi not in large]
    a_row = 3 if len(small) != 2 else 2
    n_small = int(np.ceil(len(small) / a_row))
    heights = [0.75 + 0.36 * len(rules)] * len(large) + [0.8 + 0.26 * len(rules)] * n_small
    figure = new_figure(
        headline,
        title=f"What of the change by epoch {last} is learning?",
        subtitle=headline.in_words(),
        body_in=sum(heights),
        legend=[],
        notes=[
            "Upper bar: normalisation part = statistics-only (the same passes, learning rate 0) − "
            "epoch 0. Lower bar: learning part = trained − statistics-only. It starts where the "
            "upper one ends, and ends at the whole change (black). Circles: seeds.",
            f"{', '.join(rule_style(rule).short for rule in held)}: nothing learns there, so the "
            "learning part is 0 and the change is that of statistics." * bool(held),
            p_note(tests, "p of the learning part") + ".",
            noise_note([headline.view(roi) for roi in headline.rois]) + ".",
            not_trained_note(view, last),
            what_rules_mean(rules, headline) + ".",
        ],
    )
    grid = figure.add_gridspec(len(heights), 6, height_ratios=heights)
    not_trained = view.not_trained(last)
    if known.empty:
        axes = figure.add_subplot(grid[:, :])
        placard(axes, "no epoch 0 or no statistics-only rows: the change cannot be split")
        return figure
    shares = [t[column] for t in parts.values() for column in ("normalisation_part", "change")]
    low, high = extent([*shares, pd.Series([0.0])])
    limits = (low - 0.06 * (high - low), high + 0.06 * (high - low))
    for i, roi in enumerate(headline.rois):
        if roi in large:
            axes = figure.add_subplot(grid[i, :4])
            numbers = figure.add_subplot(grid[i, 4:])
        else:
            row, column = divmod(small.index(roi), a_row)
            width = 6 // a_row
            axes = figure.add_subplot(grid[len(large) + row, column * width : (column + 1) * width])
        named = roi in large or column == 0
        waterfall(axes, parts[roi], rules, not_trained, large=roi in large, names=named,
                  symbol=headline.symbol)  # fmt: skip
        axes.set_xlim(limits)
        panel_title(axes, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i % 26], roi)
        if roi in large:
            _numbers(numbers, known_of[roi], rules, limits=axes.get_ylim(), held=held)
        if i == 0:
            _bar_key(axes)
    return figure


def _bar_key(axes: Axes) -> None:
    axes.legend(
        handles=[
            Patch(fc=_NORMALISATION, ec="#857d6c", hatch="////", label="normalisation part"),
            Patch(fc="#4d4d4d", label="learning part (colour of the rule)"),
        ],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=2,
        handlelength=1.4,
        columnspacing=1.2,
        borderaxespad=0.3,
        fontsize=8,
    )


def region_tests(
    known: pd.DataFrame, rules: Sequence[str], held: Collection[str]
) -> dict[str, SeedTest]:
    """The test of each rule's learning part in one region; ``held``: rules that learn nothing."""
    return learning_tests(
        {rule: known.loc[known["rule"] == rule, "learning_part"] for rule in rules}, held
    )


def waterfall(
    axes: Axes,
    parts: pd.DataFrame,
    rules: Sequence[str],
    not_trained: Mapping[str, str],
    *,
    large: bool,
    names: bool = True,
    symbol: str = "ρ",
) -> None:
    """Two bars a rule: 0 to the normalisation part, and from there to the whole change.

    Bars carry the gids ``normalisation:<rule>`` and ``learning:<rule>``.
    """
    size = 4.2 if large else 3.0
    for y, rule in enumerate(rules):
        colour = rule_style(rule).colour
        of_rule = parts[parts["rule"] == rule].dropna(subset=["normalisation_part", "change"])
        if of_rule.empty:
            continue
        normalisation = of_rule["normalisation_part"].mean()
        learning, change = of_rule["learning_part"].mean(), of_rule["change"].mean()
        axes.barh(y - 0.2, normalisation, height=0.36, color=_NORMALISATION, edgecolor="#857d6c",
                  hatch="////", lw=0.5, zorder=2, gid=f"normalisation:{rule}")  # fmt: skip
        axes.barh(y + 0.2, learning, left=normalisation, height=0.36, color=colour, lw=0, zorder=2,
                  gid=f"learning:{rule}")  # fmt: skip
        axes.plot([normalisation] * 2, [y - 0.38, y + 0.38], color="#857d6c", lw=0.8, zorder=3)
        axes.plot([change] * 2, [y + 0.01, y + 0.39], color=INK, lw=1.8, zorder=4,
                  solid_capstyle="butt", gid=f"change:{rule}")  # fmt: skip
        if len(of_rule) > 1:
            for shift, column in ((-0.2, "normalisation_part"), (0.2, "change")):
                axes.plot(of_rule[column], [y + shift] * len(of_rule), ls="none", marker="o",
                          ms=size, mfc="white", mec=INK, mew=0.7, alpha=0.9, zorder=5,
                          gid=f"seeds:{column}:{rule}")  # fmt: skip
    axes.set_ylim(len(rules) - 0.45, -0.55)
    axes.axvline(0, color=INK, lw=0.8, zorder=1)
    axes.set_yticks(range(len(rules)), [rule_label(r, not_trained) if names else "" for r in rules])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"Δ{symbol} from epoch 0")


def _numbers(
    axes: Axes,
    parts: pd.DataFrame,
    rules: Sequence[str],
    *,
    limits: tuple[float, float],
    held: Collection[str],
) -> None:
    """Means over seeds beside the bars, on the same rows."""
    tests = region_tests(parts, rules, held)
    axes.set_axis_off()
    axes.set_ylim(limits)
    axes.set_xlim(0, 1)
    tested = any(np.isfinite(test.p) for test in tests.values())
    columns = ["normalisation_part", "learning_part", "change"]
    places = dict(zip([*columns, "p"], (0.26, 0.48, 0.70, 0.98), strict=True))
    names = ["normalisation", "learning", "change", *["p" for _ in range(tested)]]
    for name, x in zip(names, places.values(), strict=False):
        axes.text(x, limits[1] - 0.05, name, ha="right", va="bottom", fontsize=8, color="#555555")
    for y, rule in enumerate(rules):
        of_rule = parts[parts["rule"] == rule]
        if of_rule.empty:
            axes.text(places["learning_part"], y, "cannot be split", ha="right", va="center",
                      fontsize=8, color=FAINT)  # fmt: skip
            continue
        for column in columns:
            axes.text(places[column], y, signed(of_rule[column].mean()), ha="right", va="center",
                      fontsize=8.5, color=INK, gid=f"number:{column}:{rule}")  # fmt: skip
        if np.isfinite(tests[rule].p):
            axes.text(places["p"], y, f"{tests[rule].stars} {p_value(tests[rule].p)}", ha="right",
                      va="center", fontsize=8.5, color=INK)  # fmt: skip
