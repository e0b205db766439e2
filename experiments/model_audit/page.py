"""The page of an audit: one HTML file that holds everything it shows."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurosim import __version__
from neurosim.experiments.audit.types import FAIL, VERDICTS, WARNING
from neurosim.experiments.model_audit.evidence import Evidence
from neurosim.experiments.results.words import number
from neurosim.models.interop.module_states import AS_GIVEN, GIVEN, RANDOM

if TYPE_CHECKING:
    from neurosim.experiments.model_audit.result import ModelAudit

_TEMPLATES = Path(__file__).with_name("templates")
_GIVEN_COLOUR, _RANDOM_COLOUR = "#0b5fa5", "#c8541b"
_REFERENCE_COLOUR = "#777777"


def render(audit: ModelAudit) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    found = audit.evidence
    image = base64.b64encode(svg(picture(found)).encode()).decode()
    tables: list[dict[str, Any]] = []
    for roi in found.rois:
        rows = score_table(found, roi)
        tables.append({"roi": roi, "columns": list(rows[0]), "rows": rows})
    counts = [(v, sum(f.verdict == v for f in audit.findings)) for v in reversed(VERDICTS)]
    brain = found.given.brain
    return environment.get_template("audit.html").render(
        name=audit.name,
        simulated=brain.simulated,
        lead=f"{len(found.layers)} layers, {len(found.shown)} images, {', '.join(found.rois)} of "
        f"{brain.n_subjects} subjects, {len(found.seeds)} random networks.",
        image=f"data:image/svg+xml;base64,{image}",
        short=audit.in_short(),
        counts=[(v, n) for v, n in counts if n],
        findings=[
            {"verdict": f.verdict, "bad": f.verdict in (FAIL, WARNING), "question": f.question,
             "lines": f.answer.split("\n"), "id": f.id}
            for f in audit.findings
        ],
        tables=tables,
        several=len(found.kinds) > 1,
        methods=audit.methods(),
        badge=audit.badge(),
        version=__version__,
    )  # fmt: skip


def picture(found: Evidence) -> Figure:
    """One panel per region: given and random weights, as everybody compares and with the
    statistics of the same images; noise bounds as a band, low-level references as ticks."""
    n = len(found.rois)
    figure, panels = plt.subplots(
        1, n, figsize=(min(13.0, 2.2 + 5.4 * n), 4.6), squeeze=False, layout="constrained"
    )
    for i, (roi, axes) in enumerate(zip(found.rois, panels[0], strict=True)):
        _panel(axes, found, roi)
        if i == 0:
            axes.set_ylabel("Spearman's rho, mean over subjects")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
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
    bounds = found.bounds[roi]
    if np.isfinite(bounds.lower):
        axes.axhspan(bounds.lower, bounds.upper, color="#dddddd", zorder=0, label="noise bounds")
    beside = found.against.get(roi)
    if beside is not None:
        for rho in beside.scores.values():
            axes.plot([len(places) - 0.4, len(places)], [rho, rho], color=_REFERENCE_COLOUR, lw=1)
        heights = _apart(sorted(beside.scores.items(), key=lambda each: each[1]), axes)
        for (name, _), height in heights:
            axes.text(len(places) + 0.1, height, name, fontsize=7, color=_REFERENCE_COLOUR,
                      va="center")  # fmt: skip
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(places, [_short(layer.name) for layer in found.layers], rotation=60, ha="right",
                    rotation_mode="anchor", fontsize=7.5)  # fmt: skip
    axes.set_title(f"{roi} ({bounds.n_subjects} subjects)", fontsize=10.5, loc="left")
    axes.set_xlim(-0.5, len(places) + 0.18 * len(places) + 1.6)
    axes.spines[["top", "right"]].set_visible(False)


def _apart(marks: list[tuple[str, float]], axes: Axes) -> list[tuple[tuple[str, float], float]]:
    """Heights of labels that do not cover each other."""
    low, high = axes.get_ylim()
    step = 0.042 * (high - low)
    placed: list[tuple[tuple[str, float], float]] = []
    for mark in marks:
        height = mark[1] if not placed else max(mark[1], placed[-1][1] + step)
        placed.append((mark, height))
    return placed


def _short(name: str) -> str:
    return name if len(name) <= 18 else "…" + name[-17:]


def svg(figure: Figure) -> str:
    """The figure as SVG text."""
    buffer = io.StringIO()
    with plt.rc_context({"svg.hashsalt": "neurosim"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    return buffer.getvalue()


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
