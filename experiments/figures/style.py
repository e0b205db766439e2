"""How every figure looks: header, legend, notes, axes, files."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, Protocol

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from neurosim.arrays.storage import whole_or_nothing, write_text
from neurosim.experiments.figures.rule_styles import rule_style, told_apart
from neurosim.experiments.results.choice import Headline

P = ParamSpec("P")

#: Settings of matplotlib under which figures are drawn and written. DejaVu Sans ships with it.
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.titlelocation": "left",
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,
    "svg.hashsalt": "neurosim",
}
#: Inches. Shown 900 px wide, 9 pt text is 12.5 px high.
WIDTH_IN = 9.0
DPI = 200
INK, FAINT = "#222222", "#8a8a8a"
BAND, BAND_TEXT = "#e9e4d8", "#6b6250"


#: Share of an epoch axis that lies between epoch 0 and 1.
_FIRST_EPOCH = 0.3
ZERO_POINT_MARKER = "X"
ZERO_POINT_NOTE = (
    "Statistics-only: the same passes with learning rate 0, so only statistics of normalisation "
    "changed (when spiking: thresholds). Crosses are of the first checkpoint after epoch 0 and are "
    "drawn to the right of it, side by side, so that they can be told apart"
)
REFERENCE_DASHES = {
    "luminance": (0, (1, 1.5)),
    "pixels": (0, (4, 2)),
    "mean-rgb": (0, (1, 4)),
    "colour-histogram": (0, (8, 2)),
    "silhouette": (0, (4, 2, 1, 2)),
    "gabor": (0, (8, 2, 1, 2)),
    "pixels-4x4-projected": (0, (4, 2, 1, 2, 1, 2)),
}


class ShownData(Protocol):
    """What a figure is of."""

    @property
    def simulated(self) -> bool:
        """Whether any of it is simulated."""
        ...


def _columns(labels: Sequence[str]) -> int:
    """The most columns of a legend, at most 8, that fit the page: it is filled column by column."""
    for columns in range(8, 1, -1):
        rows = max(1, int(np.ceil(len(labels) / columns)))
        longest = [
            max(map(len, labels[i : i + rows]), default=0) for i in range(0, len(labels), rows)
        ]
        # In inches: handle and gaps, and a letter of 8.5 points.
        if sum(0.45 + 0.064 * n for n in longest) <= WIDTH_IN:
            return columns
    return 1


def new_figure(
    headline: ShownData,
    *,
    title: str,
    subtitle: str,
    body_in: float,
    legend: Sequence[Line2D],
    notes: Sequence[str],
) -> Figure:
    """A figure with header, legend and notes in place; axes go between them."""
    wrapped = [
        line for note in notes if note for line in textwrap.wrap(note, 158, break_on_hyphens=False)
    ]
    columns = _columns([str(entry.get_label()) for entry in legend])
    header_in = 0.62 + 0.2 * int(np.ceil(len(legend) / columns))
    footer_in = 0.1 + 0.155 * len(wrapped)
    height_in = header_in + body_in + footer_in
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI)
    figure.set_layout_engine(
        "constrained",
        rect=(0.005, footer_in / height_in, 0.99, body_in / height_in),
        w_pad=0.06,
        h_pad=0.05,
    )

    def write(x: float, inches_down: float, text: str, **look: Any) -> None:
        figure.text(x, 1 - inches_down / height_in, text, va="top", **look)

    write(0.012, 0.09, title, fontsize=11, fontweight="bold", color=INK)
    write(0.012, 0.33, subtitle, fontsize=8.5, color="#555555")
    if headline.simulated:
        box = {"boxstyle": "square,pad=0.3", "fc": "#b00020", "ec": "none"}
        write(0.985, 0.1, "SIMULATED DATA", fontsize=8.5, fontweight="bold", ha="right",
              color="white", bbox=box)  # fmt: skip
    if legend:
        figure.legend(
            handles=list(legend),
            loc="upper left",
            bbox_to_anchor=(0.007, 1 - 0.5 / height_in),
            ncols=columns,
            borderaxespad=0.1,
            handletextpad=0.5,
            columnspacing=1.5,
            handlelength=1.8,
        )
    for i, line in enumerate(wrapped):
        y = (footer_in - 0.06 - 0.155 * i) / height_in
        figure.text(0.012, y, line, va="top", fontsize=7.5, color="#555555")
    return figure


def rule_handles(
    rules: Sequence[str], *, zero_point: bool = False, short: bool = False
) -> list[Line2D]:
    """The legend: one entry a rule, and the mark of the statistics-only zero point.

    short: where it stands is left to the notes.
    """
    handles = []
    for rule in rules:
        style = rule_style(rule)
        handles.append(
            Line2D([], [], color=style.colour, marker=style.marker, ms=5, lw=1.6, label=style.short)
        )
    if zero_point:
        handles.append(
            Line2D([], [], color=FAINT, marker=ZERO_POINT_MARKER, ms=6.5, mec="white", mew=0.6,
                   ls="none", label="statistics-only" + " (right of its epoch)" * (not short))
        )  # fmt: skip
    return handles


def what_rules_mean(rules: Sequence[str], headline: Headline) -> str:
    """The abbreviations and numbered variants spelled out, and whose headline layer another rule
    trained in this run."""
    found: dict[str, list[str]] = {}
    for rule in rules:
        meaning, trainer = rule_style(rule).meaning, headline.trainers.get(rule)
        if trainer is not None:
            meaning += f" ({headline.layer}: a {rule_style(trainer).short} readout)"
        found.setdefault(meaning.strip(), []).append(rule_style(rule).short)
    told = [f"{', '.join(names)}: {what}" for what, names in found.items() if what]
    styles = [rule_style(rule) for rule in rules]
    told += [f"{style.short}: {style.label}" for style in styles if style.short != style.label]
    return "; ".join(told)


def epoch_axis(
    axes: Axes, epochs: Sequence[int], *, width_in: float, label: str = "epoch (log scale from 1)"
) -> None:
    """Linear from epoch 0 to 1, logarithmic after."""
    last = max(*epochs, 1)

    def place(epoch: ArrayLike) -> NDArray[np.float64]:
        e = np.asarray(epoch, dtype=float)
        if last == 1:
            return e
        later = _FIRST_EPOCH + (1 - _FIRST_EPOCH) * np.log(np.maximum(e, 1)) / np.log(last)
        return np.where(e <= 1, _FIRST_EPOCH * e, later)

    def epoch_at(share: ArrayLike) -> NDArray[np.float64]:
        x = np.asarray(share, dtype=float)
        if last == 1:
            return x
        later = last ** ((np.maximum(x, _FIRST_EPOCH) - _FIRST_EPOCH) / (1 - _FIRST_EPOCH))
        return np.where(x <= _FIRST_EPOCH, x / _FIRST_EPOCH, later)

    axes.set_xscale("function", functions=(place, epoch_at))
    axes.set_xlim(float(epoch_at(-0.06)), float(epoch_at(1.06)))
    axes.xaxis.set_major_locator(FixedLocator(list(epochs)))
    axes.xaxis.set_minor_locator(NullLocator())
    places, apart = place(epochs), 0.2 * 1.12 / width_in
    kept = {len(epochs) - 1}
    previous = -np.inf
    for i, x in enumerate(places[:-1]):
        if x - previous >= apart and places[-1] - x >= apart:
            kept.add(i)
            previous = x
    axes.set_xticklabels([str(e) if i in kept else "" for i, e in enumerate(epochs)])
    axes.set_xlabel(label if last > 1 or not label else "epoch")


def apart(values: Iterable[float], step: float) -> list[float]:
    """Heights of labels of rising values: each at its own, or a step above the one below."""
    heights: list[float] = []
    for value in values:
        heights.append(max(value, heights[-1] + step) if heights else value)
    return heights


def px_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Stimulus sizes on a logarithmic scale, each named."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([str(px) for px in sizes])


def panel_title(axes: Axes, letter: str, text: str) -> None:
    """A bold letter and what the panel shows."""
    for shift_pt, part, weight in ((0, letter, "bold"), (15 if letter else 0, text, "normal")):
        axes.annotate(part, (0, 1), (shift_pt, 7), xycoords="axes fraction",
                      textcoords="offset points", fontsize=9, fontweight=weight,
                      color=INK)  # fmt: skip


def placard(axes: Axes, text: str) -> None:
    """Say in an empty panel why it is empty (gid ``placard``)."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, textwrap.fill(text, 34), transform=axes.transAxes, ha="center", va="center",
              color=FAINT, fontsize=8.5, gid="placard")  # fmt: skip


_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": "neurosim"},
    "pdf": {"CreationDate": None, "Creator": "neurosim", "Producer": "neurosim"},
    "svg": {"Date": None, "Creator": "neurosim"},
}


#: The endings of a figure's files.
KINDS = ("png", "pdf", "svg")


def save(figure: Figure, folder: Path, name: str, *, dpi: int = DPI) -> None:
    """Write PNG, PDF and SVG, each whole or not at all; no dates inside, so equal tables give
    equal bytes."""
    _lay_out(figure)
    with matplotlib.rc_context(RC):
        for kind in ("png", "pdf"):
            with whole_or_nothing(Path(folder) / f"{name}.{kind}") as path:
                figure.savefig(path, format=kind, dpi=dpi, metadata=_METADATA[kind])
    write_text(Path(folder) / f"{name}.svg", svg_text(figure))


def svg_text(figure: Figure) -> str:
    """A figure as SVG, letters as paths: it looks alike wherever it is opened."""
    _lay_out(figure)
    out = io.StringIO()
    with matplotlib.rc_context(RC):
        figure.savefig(out, format="svg", metadata=_METADATA["svg"])
    svg = out.getvalue()
    # matplotlib names clip paths by where they lie in memory.
    for number, name in enumerate(dict.fromkeys(re.findall(r"url\(#(p[0-9a-f]{10})\)", svg))):
        svg = svg.replace(name, f"clip{number}")
    return svg


def _lay_out(figure: Figure) -> None:
    """Once for all files of a figure."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a drawing function under ``RC``, variants of the rules that it shows told apart, and
    leave the settings outside as they were."""

    @wraps(draw)
    def within(*shown: P.args, **options: P.kwargs) -> Figure:
        rules = [rule for each in shown for rule in getattr(each, "rules", ())]
        with matplotlib.rc_context(RC), told_apart(rules):
            return draw(*shown, **options)

    return within
