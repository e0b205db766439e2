"""Figure 7: THINGS, this run beside the published numbers (Leutenegger 2026)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurosim.experiments.figures.panels import zero_line
from neurosim.experiments.figures.style import (
    FAINT,
    apart,
    epoch_axis,
    new_figure,
    panel_title,
    placard,
    px_axis,
    rule_handles,
    rule_style,
    styled,
    what_rules_mean,
)
from neurosim.experiments.results import published_things as published
from neurosim.experiments.results.choice import Headline

_ROI, _LAYER = "V1", "Conv1"
_SIZES = (32, 224)
_POLICIES = {
    "identity": "identity",
    "calibrated": "calibrated",
    "augmented-accumulated": "augmented\naccumulated",
}
_DASHES = (0, (4, 2))
_THEIRS: dict[str, Any] = {
    "color": FAINT, "lw": 1.0, "ls": _DASHES, "ms": 4.5, "mfc": "white", "mew": 0.9,
}  # fmt: skip


@styled
def beside_published(headline: Headline) -> Figure:
    """Figure 7: trajectory, best layer, sizes, and zero points, theirs dashed in grey."""
    px = max((size for size in _SIZES if size in headline.sizes), default=None)
    shown = headline if px is None else replace(headline, px=px)
    figure = new_figure(
        headline,
        title="THINGS: this run beside the published numbers",
        subtitle=f"{_ROI}  ·  colour: this run ({headline.seeds_in_words()}, epoch "
        f"{headline.last})  ·  grey, dashed: published (5 seeds, epoch {published.EPOCHS})",
        body_in=5.2,
        legend=[
            *rule_handles(headline.rules),
            Line2D([], [], color=FAINT, ls=_DASHES, marker="o", ms=4.5, mfc="white", lw=1.0,
                   label="published, same markers"),
            Line2D([], [], color="#b00020", ls="none", marker="x", ms=5,
                   label="published, INVALID: batch-statistics BN"),
        ],
        notes=[
            "Published: B from arXiv 2605.30556 (best of four layers, chosen anew at each epoch); "
            "A, C and D from its correction, arXiv 2608.12408. 720 first exemplars, 3 subjects; "
            "A and C leave out stimulus pairs of one fMRI run, ours are of all pairs. A to C: "
            "subject_mean; D: mean_rdm.",
            "Published facts, not a target: under the profile reference the rules themselves "
            "differ from the published pipeline (docs/published.md). "
            + what_rules_mean(headline.rules, headline) + ".",
        ],
    )  # fmt: skip
    grid = figure.subplots(2, 2)
    where = f"{px} px" if px is not None else "32 and 224 px"
    panels = (
        ("A", f"{_LAYER}, {where}", _trajectory),
        ("B", "best layer, 224 px", _best_layer),
        ("C", f"{_LAYER} by stimulus size", _sizes),
        ("D", f"{_LAYER}, {where}: trained − untrained", _zero_points),
    )
    for axes, (letter, text, draw) in zip(grid.flat, panels, strict=True):
        missing = _missing(shown, px)
        if missing:
            placard(axes, missing)
            continue
        zero_line(axes)
        draw(axes, shown)
        panel_title(axes, letter, text)
    for axes in grid[:, 0]:
        if axes.axison:
            axes.set_ylabel("Spearman ρ")
    return figure


def _missing(headline: Headline, px: int | None) -> str:
    if headline.comparator != "spearman":
        return f"published numbers are Spearman correlations, and this run's are {headline.score}"
    if _ROI not in headline.rois or _LAYER not in headline.layers:
        return f"published numbers are of {_ROI} and {_LAYER}: this run has none"
    if px is None:
        return "published numbers are at 32 and 224 px: this run was evaluated at neither"
    return ""


def _trajectory(axes: Axes, headline: Headline) -> None:
    view = headline.view(_ROI, _LAYER)
    epochs, ends = set(headline.epochs), dict[str, float]()
    for rule in headline.rules:
        theirs = published.trajectory(rule, headline.px)
        if len(theirs):
            ends[rule] = float(theirs["value"].iloc[-1])
        _theirs(axes, rule, theirs["epoch"].tolist(), theirs["value"].tolist())
        epochs |= set(theirs["epoch"].astype(int))
        curve = view.curve(rule)
        _ours(axes, rule, curve.index.tolist(), curve.mean(axis=1).tolist())
    _name_ends(axes, ends)
    epoch_axis(axes, sorted(epochs), width_in=3.6)


def _best_layer(axes: Axes, headline: Headline) -> None:
    """Ours at 224 px where the run has it: the first paper has no other size."""
    at = replace(headline, px=224) if 224 in headline.sizes else None
    epochs, named = {0, 1, published.EPOCHS}, list[float]()
    for rule in headline.rules:
        theirs = published.best_layers(rule)
        valid = theirs["status"] == published.VALID
        kept, broken = theirs[valid], theirs[~valid]
        _theirs(axes, rule, kept["epoch"].tolist(), kept["value"].tolist())
        axes.plot(broken["epoch"].astype(float), broken["value"], ls="none", marker="x", ms=5,
                  color="#b00020", zorder=2, gid=f"invalid:{rule}")  # fmt: skip
        for x, y in zip(broken["epoch"].tail(1), broken["value"].tail(1), strict=True):
            # Two rules end within a hundredth of each other: one name above, one below.
            down = -9 if any(abs(y - other) < 0.02 for other in named) else 5
            named.append(y)
            axes.annotate(rule_style(rule).short, (float(x), y), (0, down), fontsize=6.5,
                          color="#b00020", textcoords="offset points", ha="center")  # fmt: skip
        if at is not None:
            rows = at.models[(at.models["rule"] == rule) & (at.models["roi"] == _ROI)]
            rows = rows[~rows["statistics_only"]]
            best = rows.groupby(["epoch", "seed"])["rho"].max().groupby("epoch").mean()
            epochs |= set(best.index.astype(int))
            _ours(axes, rule, best.index.tolist(), best.tolist())
    if at is None:
        axes.text(0.99, 0.02, "this run: not evaluated at 224 px", transform=axes.transAxes,
                  ha="right", fontsize=7.5, color=FAINT)  # fmt: skip
    epoch_axis(axes, sorted(epochs), width_in=3.6)


def _sizes(axes: Axes, headline: Headline) -> None:
    sizes = set(headline.sizes)
    ends: dict[str, float] = {}
    for rule in headline.rules:
        theirs = published.sweep(rule)
        if len(theirs):
            ends[rule] = float(theirs["value"].iloc[-1])
        _theirs(axes, rule, theirs["px"].tolist(), theirs["value"].tolist())
        sizes |= set(theirs["px"].astype(int))
        at = [replace(headline, px=px).view(_ROI, _LAYER).curve(rule) for px in headline.sizes]
        # The published sweep shows the untrained network as initialised.
        epoch = 0 if rule in headline.held else headline.last
        ours = [float(c.loc[epoch].mean()) if epoch in c.index else np.nan for c in at]
        _ours(axes, rule, headline.sizes, ours)
    _name_ends(axes, ends)
    px_axis(axes, sorted(sizes))
    axes.set_xlabel("stimulus size (px, log scale); trained: last epoch, untrained: epoch 0")


def _zero_points(axes: Axes, headline: Headline) -> None:
    theirs = published.changes(headline.px)
    rules = [rule for rule in headline.rules if rule in set(theirs["rule"])]
    shifts = dict(zip(rules, np.linspace(-0.3, 0.3, max(len(rules), 1)), strict=False))
    for x, policy in enumerate(_POLICIES):
        mine = published.our_changes(headline.table, headline.px, policy, headline.readout)
        for rule, shift in shifts.items():
            rows = theirs[(theirs["rule"] == rule) & (theirs["normalisation"] == policy)]
            _theirs(axes, rule, [x + shift - 0.035], rows["value"].tolist(), name=policy)
            if rule in mine:
                _ours(axes, rule, [x + shift + 0.035], [mine[rule]], name=policy)
    axes.set_xticks(range(len(_POLICIES)), list(_POLICIES.values()))
    axes.set_xlim(-0.55, len(_POLICIES) - 0.45)
    axes.set_xlabel("statistics of the untrained network (trained: running)")


def _name_ends(axes: Axes, ends: Mapping[str, float]) -> None:
    """Published curves by name, right of their ends: untrained and BP have one marker."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    named = sorted(ends, key=lambda rule: ends[rule])
    heights = apart((ends[rule] for rule in named), 0.055 * (high - low))
    for rule, above in zip(named, heights, strict=True):
        axes.text(1.01, above, rule_style(rule).short, transform=axes.get_yaxis_transform(),
                  va="center", fontsize=6.5, color=FAINT)  # fmt: skip


def _theirs(axes: Axes, rule: str, x: Sequence[float], y: Sequence[float], name: str = "") -> None:
    axes.plot(list(map(float, x)), y, marker=rule_style(rule).marker, zorder=2,
              gid=f"published:{rule}" + f":{name}" * bool(name), **_THEIRS)  # fmt: skip


def _ours(axes: Axes, rule: str, x: Sequence[float], y: Sequence[float], name: str = "") -> None:
    style = rule_style(rule)
    axes.plot(list(map(float, x)), y, color=style.colour, marker=style.marker, ms=4.5, lw=1.5,
              zorder=3, gid=f"ours:{rule}" + f":{name}" * bool(name))  # fmt: skip
