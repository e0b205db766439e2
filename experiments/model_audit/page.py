"""The page of a model's audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurosim.experiments.audit_page.page import Page, draw_beside, draw_legend, panels
from neurosim.experiments.model_audit.evidence import Evidence
from neurosim.experiments.results.words import number
from neurosim.models.interop.module_states import AS_GIVEN, GIVEN, RANDOM

if TYPE_CHECKING:
    from neurosim.experiments.model_audit.result import ModelAudit

_GIVEN_COLOUR, _RANDOM_COLOUR = "#0b5fa5", "#c8541b"


def page_of(audit: ModelAudit) -> Page:
    """What the page of a model's audit shows."""
    found = audit.evidence
    brain = found.given.brain
    one = " The network keeps no normalisation statistics, so there is one state of them."
    return Page(
        title=f"What of the brain score of {audit.name} is learning",
        lead=f"{len(found.layers)} layers, {len(found.shown)} images, {', '.join(found.rois)} of "
        f"{brain.n_subjects} subjects, {len(found.seeds)} random networks.",
        simulated=bool(brain.simulated),
        picture=picture(found),
        short=audit.in_short(),
        findings=audit.findings,
        tables={roi: score_table(found, roi) for roi in found.rois},
        note="Spearman's rho, mean over subjects and, for random weights, over seeds."
        f"{one * (len(found.kinds) < 2)} Permuted weights, other sizes and readouts are in "
        "scores.csv.",
        methods=audit.methods(),
        badge=audit.badge(),
    )


def picture(found: Evidence) -> Figure:
    """One panel per region: given and random weights, as everybody compares and with the
    statistics of the same images; noise bounds as a band, low-level references as ticks."""
    figure, axes = panels(found.rois)
    for roi, panel in zip(found.rois, axes, strict=True):
        _panel(panel, found, roi)
    draw_legend(figure, axes[0])
    return figure


def _panel(axes: Axes, found: Evidence, roi: str) -> None:
    places = np.arange(len(found.layers))
    states = [
        (GIVEN, found.own, "-", "statistics as given"),
        (RANDOM, found.fresh, "-", "as initialised"),
    ]
    if AS_GIVEN in found.kinds:
        words = "statistics " + found.matched
        states += [(GIVEN, found.matched, "--", words), (RANDOM, found.matched, "--", words)]
    for weights, statistics, line, words in states:
        colour = _GIVEN_COLOUR if weights == GIVEN else _RANDOM_COLOUR
        rows = found.rows(roi, weights, statistics)
        if rows.empty:  # a state that was not given
            continue
        by_layer = rows.groupby("layer")["rho"]
        order = [layer.name for layer in found.layers]
        mean = by_layer.mean().reindex(order).to_numpy()
        if weights == RANDOM and len(found.seeds) > 1:
            low, high = (
                each.reindex(order).to_numpy() for each in (by_layer.min(), by_layer.max())
            )
            axes.fill_between(places, low, high, color=colour, alpha=0.13, linewidth=0)
        face = colour if line == "-" else "white"
        axes.plot(
            places, mean, line, color=colour, marker="o", markersize=4.5, markerfacecolor=face,
            label=f"{weights} weights, {words}", linewidth=1.7,
        )  # fmt: skip
    bounds, beside = found.bounds[roi], found.against.get(roi)
    draw_beside(
        axes, [layer.name for layer in found.layers], f"{roi} ({bounds.n_subjects} subjects)",
        (bounds.lower, bounds.upper), {} if beside is None else beside.scores,
    )  # fmt: skip


def score_table(found: Evidence, roi: str) -> list[dict[str, Any]]:
    """One row per layer: the score of every state, mean over seeds."""
    columns = [
        (f"{weights}, {statistics}", weights, statistics)
        for statistics in found.kinds
        for weights in (GIVEN, RANDOM)
        if found.states(weights, statistics)
    ]
    rows = {name: found.mean(roi, w, s) for name, w, s in columns}
    return [
        {"layer": layer.name}
        | {name: number(float(rows[name][layer.name])) for name, _, _ in columns}
        for layer in found.layers
    ]
