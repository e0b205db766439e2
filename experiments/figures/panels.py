"""What several figures draw into a panel: curves, zero points, noise bounds, references, finals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from neurosim.experiments.figures.style import (
    BAND,
    BAND_TEXT,
    FAINT,
    INK,
    REFERENCE_DASHES,
    ZERO_POINT_MARKER,
    apart,
    rule_handles,
    rule_style,
)
from neurosim.experiments.results.choice import Headline, View, extent
from neurosim.experiments.results.table import STAR_LEVELS, SeedTest, adjusted
from neurosim.experiments.results.words import between, number, p_value, score_label

#: A bound or reference this many data ranges away is drawn apart, so that the data stay readable.
_NEAR = 0.45
#: More rules than this are labelled steeply.
_FEW = 5
OPEN_MARKER_NOTE = (
    "Markers: means over seeds; open where the layer's weights had moved under 1 % or changed in "
    "length only; thin lines: seeds"
)


@dataclass(frozen=True)
class Scale:
    """Limits of a rho axis: the data, and of bounds and references those that lie near.

    band_inside: whether the noise bounds reach into the axis.
    """

    low: float
    high: float
    band_inside: bool

    @classmethod
    def of(cls, views: Sequence[View]) -> Scale:
        """Limits that fit all these views."""
        values: list[pd.DataFrame | pd.Series] = []
        for view in views:
            values += [view.curve(rule) for rule in view.rules]
            values += [view.statistics_only(rule) for rule in view.rules]
        low, high = extent(values)
        span = high - low
        near_low, near_high = low - _NEAR * span, high + _NEAR * span
        nearby = [r for v in views for r in v.references.values() if near_low < r < near_high]
        low, high = min([low, *nearby]), max([high, *nearby])
        lower = [v.bounds[0] for v in views if v.bounds is not None and v.bounds[0] < near_high]
        if lower:
            high = max(high, max(lower) + 0.15 * span)
        margin = 0.08 * (high - low)
        return cls(low - margin, high + margin, bool(lower))

    def holds(self, value: float) -> bool:
        """Whether a value lies within the limits."""
        return self.low <= value <= self.high


def curves(axes: Axes, view: View, rules: Sequence[str], *, change: bool = False) -> None:
    """Mean over seeds by epoch for each rule, seeds as faint lines; ``change`` from epoch 0.

    The mean line of a rule carries the gid ``mean:<rule>``.
    """
    for order, rule in enumerate(rules):
        curve = view.change(rule) if change else view.curve(rule)
        style, epochs = rule_style(rule), curve.index.to_numpy(dtype=float)
        if curve.shape[1] > 1:
            axes.plot(epochs, curve.to_numpy(), color=style.colour, lw=0.6, alpha=0.35, zorder=2)
        mean = curve.mean(axis=1).to_numpy()
        axes.plot(epochs, mean, color=style.colour, lw=1.6, zorder=3 + order, gid=f"mean:{rule}")
        still = (view.untrained_seeds(rule).reindex(curve.index).fillna(0) > 0).to_numpy()
        mean_markers(axes, epochs, mean, rule, still, zorder=3.5 + order)


def mean_markers(
    axes: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    rule: str,
    still: NDArray[np.bool_],
    *,
    zorder: float,
) -> None:
    """A rule's markers, open where ``still`` (the layer was not trained)."""
    style = rule_style(rule)
    for face, chosen in ((style.colour, ~still), ("white", still)):
        axes.plot(x[chosen], y[chosen], ls="none", marker=style.marker, ms=4.8,
                  color=style.colour, mfc=face, mew=1.1, zorder=zorder)  # fmt: skip


def whole_legend(headline: Headline, view: View, *, zero_point: bool) -> list[Line2D]:
    """Rules, the statistics-only mark, reference models: of figures that name none beside lines."""
    return [
        *rule_handles(headline.rules, zero_point=zero_point, short=True),
        *reference_handles(view.references),
    ]


def zero_points(
    axes: Axes, view: View, rules: Sequence[str], *, change: bool = False, size: float = 6.5
) -> None:
    """Each rule's statistics-only score at its epoch, the first checkpoint after 0.

    Side by side, for rules that share a network share this point. gid ``zero:<rule>``.
    """
    for i, rule in enumerate(rules):
        values = view.normalisation_part(rule) if change else view.statistics_only(rule)
        if values.empty:
            continue
        (line,) = axes.plot([view.statistics_only_epoch], [values.mean()], ls="none",
                            marker=ZERO_POINT_MARKER, ms=size, color=rule_style(rule).colour,
                            mec="white", mew=0.6, zorder=20, gid=f"zero:{rule}")  # fmt: skip
        move_right(line, size * (1 + 0.8 * i))


def move_right(line: Line2D, distance_pt: float) -> None:
    """Move marks to the right on paper: the data keep their epoch, and the axis its limits."""
    axes, figure = line.axes, line.get_figure()
    assert axes is not None
    assert figure is not None
    shift = ScaledTranslation(distance_pt / 72, 0, figure.dpi_scale_trans)
    line.set_transform(axes.transData + shift)


def references(axes: Axes, scale: Scale, values: Mapping[str, float], *, label: bool) -> None:
    """Reference models as named lines; for one outside the scale see ``off_axis_note``."""
    inside = {name: v for name, v in values.items() if scale.holds(v)}
    for name, value in inside.items():
        axes.axhline(value, color="#555555", lw=0.9, ls=REFERENCE_DASHES.get(name, "-."), zorder=1,
                     gid=f"reference:{name}")  # fmt: skip
    if not label:
        return
    named = sorted(inside.items(), key=lambda item: item[1])
    heights = apart((value for _, value in named), 0.075 * (scale.high - scale.low))
    for (name, value), above in zip(named, heights, strict=True):
        across = axes.get_yaxis_transform()
        # From the line to its name, which may stand above it.
        axes.plot([1.005, 1.03], [value, above], transform=across, clip_on=False, lw=0.6,
                  color="#999999", solid_capstyle="butt", gid=f"leader:{name}")  # fmt: skip
        shown = f"{name} {number(value)}"
        axes.text(1.04, above, shown, transform=across, va="center", fontsize=7.5, color="#555555")


def reference_handles(values: Mapping[str, float]) -> list[Line2D]:
    """Legend entries of the reference models."""
    return [
        Line2D([], [], color="#555555", lw=0.9, ls=REFERENCE_DASHES.get(name, "-."), label=name)
        for name in values
    ]


def noise_note(views: Sequence[View]) -> str:
    """The noise bounds of these regions, in words."""
    found = [f"{v.roi} {between(*v.bounds)}" for v in views if v.bounds]
    missing = [v.roi for v in views if not v.bounds]
    parts = [f"Noise bounds: {', '.join(found)}"] if found else []
    return "; ".join([*parts, *(f"{roi} has none" for roi in missing)])


def off_axis_note(scale: Scale, views: Sequence[View]) -> str:
    """References that do not fit on the scale, in words."""
    off = [
        f"{name} {number(value)} in {view.roi}"
        for view in views
        for name, value in view.references.items()
        if not scale.holds(value)
    ]
    return f"References off the axis: {', '.join(off)}." if off else ""


def band(axes: Axes, view: View, *, label: bool = False) -> None:
    """The noise bounds as a band on the data's own axis."""
    if view.bounds is None:
        return
    axes.axhspan(*view.bounds, color=BAND, lw=0, zorder=0, gid="band")
    if label:
        top = min(view.bounds[1], axes.get_ylim()[1])
        bounds = f"noise bounds {between(*view.bounds)}"
        axes.text(0.99, top, bounds, transform=axes.get_yaxis_transform(), ha="right",
                  va="top", fontsize=7.5, color=BAND_TEXT)  # fmt: skip


def band_strip(strip: Axes, main: Axes, view: View) -> None:
    """Noise bounds far above the data: a strip of their own above a broken axis."""
    assert view.bounds is not None
    lower, upper = view.bounds
    margin = max(0.3 * (upper - lower), 0.01)
    band(strip, view)
    strip.set_ylim(lower - margin, upper + margin)
    strip.set_yticks([lower, upper], [number(lower), number(upper)])
    strip.set_xticks([])
    strip.spines["bottom"].set_visible(False)
    strip.text(0.5, 0.5, "noise bounds", transform=strip.transAxes, ha="center", va="center",
               fontsize=7.5, color=BAND_TEXT)  # fmt: skip
    for axes, y in ((strip, 0), (main, 1)):
        axes.plot([0], [y], transform=axes.transAxes, clip_on=False, ls="none", color=INK,
                  marker=[(-1, -0.6), (1, 0.6)], ms=6, mew=0.8)  # fmt: skip


def finals(axes: Axes, view: View, rules: Sequence[str], epoch: int) -> None:
    """Scores at one epoch: seeds as dots (gid ``seeds:<rule>``), means as bars (``final:...``)."""
    not_trained = view.not_trained(epoch)
    for x, rule in enumerate(rules):
        style, curve = rule_style(rule), view.curve(rule)
        values = curve.loc[epoch].dropna() if epoch in curve.index else pd.Series(dtype=float)
        places = x + (np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else np.zeros(1))
        face = "white" if rule in view.held or rule in not_trained else style.colour
        axes.plot(places[: len(values)], values, ls="none", marker=style.marker, ms=4,
                  color=style.colour, mfc=face, mew=1, zorder=3, gid=f"seeds:{rule}")  # fmt: skip
        axes.plot([x - 0.34, x + 0.34], [values.mean()] * 2, color=style.colour, lw=2.2, zorder=2,
                  solid_capstyle="butt", gid=f"final:{rule}")  # fmt: skip
    rule_axis(axes, rules, not_trained)


def change_tests(view: View, rules: Sequence[str], epoch: int) -> dict[str, SeedTest]:
    """The sign-flip test of each rule's change from epoch 0, adjusted over the rules."""
    changes = {rule: view.change(rule) for rule in rules}
    return adjusted(
        {
            rule: SeedTest.of(
                change.loc[epoch] if epoch in change.index else pd.Series(dtype=float)
            )
            for rule, change in changes.items()
        }
    )


def p_marks(axes: Axes, tests: Mapping[str, SeedTest]) -> None:
    """p of each rule, with its stars, in a row over the rules of ``finals``."""
    axes.set_axis_off()
    axes.set_xlim(-0.6, len(tests) - 0.4)
    for x, test in enumerate(tests.values()):
        if np.isfinite(test.p):
            axes.text(x, 0.1, f"{test.stars}\n{p_value(test.p)}", ha="center", va="bottom",
                      fontsize=7.5, linespacing=0.9, color=INK, gid="test",
                      rotation=0 if len(tests) <= _FEW else 90)  # fmt: skip
    if any(np.isfinite(test.p) for test in tests.values()):
        axes.text(-0.65, 0.1, "p", ha="right", va="bottom", fontsize=7.5, color=INK)  # fmt: skip


def rule_axis(axes: Axes, rules: Sequence[str], not_trained: Mapping[str, str]) -> None:
    """Rules by name along x; a dagger where the layer was not trained."""
    axes.set_xticks(range(len(rules)), [rule_label(rule, not_trained) for rule in rules])
    axes.set_xlim(-0.6, len(rules) - 0.4)
    axes.tick_params(axis="x", length=0)
    for text in axes.get_xticklabels():
        text.set(rotation=38 if len(rules) <= _FEW else 65, ha="right", rotation_mode="anchor")


def rule_label(rule: str, not_trained: Mapping[str, str]) -> str:
    """``STDP†``."""
    return rule_style(rule).short + "†" * (rule in not_trained)


def p_note(tests: Mapping[str, SeedTest], what: str) -> str:
    """The test, and the floor that no p can fall below."""
    n = max((test.n for test in tests.values()), default=0)
    if n < 2:
        return f"{what}: no test, for a test over seeds needs two seeds or more"
    floor = min(test.floor for test in tests.values())
    possible = floor < STAR_LEVELS[0]
    return (
        f"{what}: exact paired sign-flip test over seeds, two-sided, "
        f"Benjamini-Hochberg over the rules; p ≥ {p_value(floor)} with {n} seeds, "
        + ("* p < 0.05, ** p < 0.01, *** p < 0.001" if possible else "so no star is possible")
    )


def not_trained_note(view: View, epoch: int, *, mark: str = "† ") -> str:
    """Which rules left the layer as it was, in words."""
    found = view.not_trained(epoch)
    if not found:
        return ""
    named = ", ".join(f"{rule_style(rule).short} ({seeds})" for rule, seeds in found.items())
    return f"{mark}{view.layer} not trained (moved under 1 % or changed in length only): {named}."


def region_row(row: Sequence[Axes], view: View) -> None:
    """Name a row of panels by its region, and tell the noise bounds beside it."""
    row[0].set_ylabel(f"{view.roi}\n{score_label(view.comparator)}")
    noise = between(*view.bounds) if view.bounds else "none"
    row[-1].annotate(
        f"noise bounds\n{noise}", (1, 0.5), (5, 0), xycoords="axes fraction",
        textcoords="offset points", va="center", fontsize=7.5, color=BAND_TEXT,
    )  # fmt: skip


def zero_line(axes: Axes) -> None:
    """A thin line at 0."""
    axes.axhline(0, color=FAINT, lw=0.7, zorder=0.5)
