"""The page of an audit: one HTML file that holds everything it shows."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurosim import __version__
from neurosim.experiments.audit.types import FAIL, VERDICTS, WARNING, Finding
from neurosim.experiments.figures.style import apart, svg_text

_TEMPLATES = Path(__file__).with_name("templates")
_REFERENCE_COLOUR = "#777777"


@dataclass(frozen=True, eq=False)
class Page:
    """What a page shows.

    title, lead: above the picture. picture: score by layer. short: the three sentences below it.
    tables: region -> one mapping per layer, from columns to texts. note: above them.
    """

    title: str
    lead: str
    simulated: bool
    picture: Figure
    short: Sequence[str]
    findings: Sequence[Finding]
    tables: Mapping[str, Sequence[Mapping[str, str]]]
    note: str
    methods: str
    badge: str


def render(page: Page) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    image = base64.b64encode(svg_text(page.picture).encode()).decode()
    counts = [(v, sum(f.verdict == v for f in page.findings)) for v in reversed(VERDICTS)]
    return environment.get_template("audit.html").render(
        page=page,
        image=f"data:image/svg+xml;base64,{image}",
        counts=[(v, n) for v, n in counts if n],
        findings=[
            {"verdict": f.verdict, "bad": f.verdict in (FAIL, WARNING), "question": f.question,
             "lines": f.answer.split("\n"), "id": f.id}
            for f in page.findings
        ],
        tables=[{"roi": roi, "columns": list(rows[0]) if rows else [], "rows": rows}
                for roi, rows in page.tables.items()],
        version=__version__,
    )  # fmt: skip


def panels(rois: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """One panel per region, side by side."""
    n = len(rois)
    figure = Figure(figsize=(min(13.0, 2.2 + 5.4 * n), 4.6), layout="constrained")
    axes = figure.subplots(1, n, squeeze=False)
    axes[0, 0].set_ylabel("Spearman's rho, mean over subjects")
    return figure, list(axes[0])


def draw_beside(
    axes: Axes,
    layers: Sequence[str],
    title: str,
    bounds: tuple[float, float],
    references: Mapping[str, float],
) -> None:
    """What stands beside the lines of a panel: noise bounds as a band, references as ticks."""
    places = np.arange(len(layers))
    if np.isfinite(bounds[0]):
        axes.axhspan(*bounds, color="#dddddd", zorder=0, label="noise bounds")
    for rho in references.values():
        axes.plot([len(places) - 0.4, len(places)], [rho, rho], color=_REFERENCE_COLOUR, lw=1)
    low, high = axes.get_ylim()
    names = sorted(references, key=lambda name: references[name])
    heights = apart((references[name] for name in names), 0.042 * (high - low))
    for name, height in zip(names, heights, strict=True):
        axes.text(len(places) + 0.1, height, name, fontsize=7, color=_REFERENCE_COLOUR, va="center")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(places, [_short(name) for name in layers], rotation=60, ha="right",
                    rotation_mode="anchor", fontsize=7.5)  # fmt: skip
    axes.set_title(title, fontsize=10.5, loc="left")
    # The names of references take a sixth of the width.
    axes.set_xlim(-0.5, (len(places) + 0.2) / 0.84)
    axes.spines[["top", "right"]].set_visible(False)


def draw_legend(figure: Figure, axes: Axes) -> None:
    """One legend of all panels, below them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)


def _short(name: str) -> str:
    return name if len(name) <= 18 else "…" + name[-17:]
