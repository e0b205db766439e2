"""Figure 4: how much the seed matters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurosim.experiments.figures.panels import (
    Scale,
    band,
    move_right,
    noise_note,
    not_trained_note,
    off_axis_note,
    references,
    rule_axis,
    rule_label,
    whole_legend,
    zero_line,
)
from neurosim.experiments.figures.style import (
    ZERO_POINT_MARKER,
    ZERO_POINT_NOTE,
    epoch_axis,
    new_figure,
    panel_title,
    rule_style,
    styled,
    what_rules_mean,
)
from neurosim.experiments.results.choice import Headline, View
from neurosim.experiments.results.words import score_label, score_symbol

_A_ROW = 5


@styled
def seed_variability(headline: Headline) -> Figure:
    """Figure 4: every seed of every rule; the spread by epoch; how seeds pair at the end."""
    view = headline.view(headline.rois[0])
    rules, scale, several = view.rules, Scale.of([view]), view.rows["seed"].nunique() > 1
    zero = any(len(view.statistics_only(rule)) for rule in rules)
    n_rows, n_columns = int(np.ceil(len(rules) / _A_ROW)), min(len(rules), _A_ROW)
    figure = new_figure(
        headline,
        title=f"Seed by seed: {view.roi}",
        subtitle=headline.in_words(),
        body_in=1.85 * n_rows + 2.55,
        legend=whole_legend(headline, view, zero_point=zero),
        notes=[
            f"A, {'C' if several else 'B'}: one line a seed; all rules of a seed see the same "
            "images in the same order, and start from the same weights where they share a network.",
            f"{ZERO_POINT_NOTE}." * zero,
            "B: standard deviation over seeds with n − 1."
            if several
            else "One seed: how far another one would lie from it is not known.",
            f"{noise_note([view])}{' (shaded)' * scale.band_inside}.",
            off_axis_note(scale, [view]),
            not_trained_note(view, headline.last),
            what_rules_mean(rules, headline) + ".",
        ],
    )
    grid = figure.add_gridspec(n_rows + 1, 1, height_ratios=[1.0] * n_rows + [1.35])
    first: Axes | None = None
    for row in range(n_rows):
        cells = grid[row].subgridspec(1, n_columns)
        for column, rule in enumerate(rules[row * _A_ROW : (row + 1) * _A_ROW]):
            axes = figure.add_subplot(cells[column], sharey=first)
            axes.tick_params(labelleft=column == 0)
            _spaghetti(axes, view, rule, scale, zero=zero)
            epoch_axis(axes, headline.epochs, width_in=8.2 / n_columns, label="epoch")
            name = rule_label(rule, view.not_trained(headline.last))
            panel_title(axes, "A" if first is None else "", name)
            if column == 0:
                axes.set_ylabel(headline.score)
            first = first or axes
    # The spread of one seed is unknown: the notes say so, and no panel is drawn for it.
    lower = grid[n_rows].subgridspec(1, 2 if several else 1)
    if several:
        b = figure.add_subplot(lower[0])
        _spread(b, view, rules)
        epoch_axis(b, headline.epochs, width_in=3.8)
        panel_title(b, "B", "spread over seeds")
    c = figure.add_subplot(lower[-1])
    _pairs(c, view, rules, headline.last)
    of = "the same seeds" if several else "the seed"
    panel_title(c, "C" if several else "B", f"{of} under every rule, epoch {headline.last}")
    return figure


def _spaghetti(axes: Axes, view: View, rule: str, scale: Scale, *, zero: bool) -> None:
    style, curve = rule_style(rule), view.curve(rule)
    epochs = curve.index.to_numpy(dtype=float)
    axes.set_ylim(scale.low, scale.high)
    zero_line(axes)
    band(axes, view)
    references(axes, scale, view.references, label=False)
    for seed in curve:
        axes.plot(epochs, curve[seed], color=style.colour, lw=1.0, alpha=0.8, marker=style.marker,
                  ms=2.8, mew=0, gid=f"seed:{rule}:{seed}")  # fmt: skip
    if zero:
        values = view.statistics_only(rule)
        for i, value in enumerate(values):
            (line,) = axes.plot([view.statistics_only_epoch], [value], ls="none", ms=5,
                                marker=ZERO_POINT_MARKER, color=style.colour, mec="white", mew=0.5,
                                zorder=5, gid=f"zero:{rule}:{i}")  # fmt: skip
            move_right(line, 5 * (1 + 0.4 * i))


def _spread(axes: Axes, view: View, rules: Sequence[str]) -> None:
    for rule in rules:
        style, spread = rule_style(rule), view.curve(rule).std(axis=1, ddof=1)
        axes.plot(spread.index.to_numpy(dtype=float), spread.to_numpy(), color=style.colour, lw=1.6,
                  marker=style.marker, ms=4.8, mew=0, gid=f"sd:{rule}")  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_ylabel(f"sd of {score_symbol(view.comparator)}")


def _pairs(axes: Axes, view: View, rules: Sequence[str], epoch: int) -> None:
    """One grey line a seed through its final score under every rule; gid ``pair:<seed>``."""
    not_trained = view.not_trained(epoch)
    ends = {rule: view.curve(rule).reindex([epoch]).iloc[0] for rule in rules}
    scores = pd.DataFrame(ends)[list(rules)]
    for seed, of_seed in scores.iterrows():
        axes.plot(range(len(rules)), of_seed, color="#b5b5b5", lw=0.9, zorder=1, gid=f"pair:{seed}")
    for x, rule in enumerate(rules):
        style = rule_style(rule)
        face = "white" if rule in view.held or rule in not_trained else style.colour
        axes.plot([x] * len(scores), scores[rule], ls="none", marker=style.marker, ms=4.8,
                  color=style.colour, mfc=face, mew=1, zorder=2)  # fmt: skip
    zero_line(axes)
    rule_axis(axes, rules, not_trained)
    axes.set_ylabel(score_label(view.comparator))
