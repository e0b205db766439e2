"""Arrays and figures as pictures that a page can hold."""

from __future__ import annotations

import base64
import io

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from neurosim.experiments.figures.style import INK, RC, svg_text
from neurosim.experiments.report.gallery import Raster

#: Of RDMs: even steps of rank are even steps of lightness, also for colour-blind readers.
RDM_COLOURS = "cividis"
_UNDEFINED = (255, 255, 255)


def uri(data: bytes, kind: str) -> str:
    """``data:`` with its type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """An ``(height, width, 3)`` array, pixel by pixel."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG", optimize=True)
    return uri(out.getvalue(), "image/png")


def figure_uri(figure: Figure) -> str:
    """A figure as SVG."""
    return uri(svg_text(figure).encode("utf-8"), "image/svg+xml")


def rdm_uri(percent: NDArray[np.uint8]) -> str:
    """Percentile ranks as colours; undefined pairs (255) are white."""
    colours = (colormaps[RDM_COLOURS](np.linspace(0, 1, 101))[:, :3] * 255).round().astype(np.uint8)
    pixels = colours[np.minimum(percent, 100)]
    pixels[percent > 100] = _UNDEFINED
    return png_uri(pixels)


def gradient() -> str:
    """The colours of RDMs as stops of a CSS gradient."""
    stops = colormaps[RDM_COLOURS](np.linspace(0, 1, 9))
    return ", ".join(matplotlib.colors.to_hex(stop) for stop in stops)


def raster_figure(rows: list[Raster]) -> Figure:
    """One panel a layer, one line a unit, one tick a spike."""
    with matplotlib.rc_context(RC):
        heights = [max(row.n_shown, 6) for row in rows]
        figure = Figure(figsize=(9.0, 0.9 + 0.025 * sum(heights) + 0.45 * len(rows)))
        figure.set_layout_engine("constrained")
        panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=heights)
        for axes, row in zip(panels[:, 0], rows, strict=True):
            axes.plot(row.times_ms, row.units, ls="none", marker="|", ms=3.2, mew=1.1, color=INK)
            axes.set_ylim(max(row.n_shown, 1), -1)
            axes.set_yticks([])
            axes.set_ylabel(row.layer)
            axes.set_title(
                f"{row.n_shown} of {row.n_fired:,} units that fired, of {row.n_units:,}",
                fontsize=8, color="#555555",
            )  # fmt: skip
        last = panels[-1, 0]
        last.set_xlim(-0.02 * rows[0].duration_ms, rows[0].duration_ms)
        last.set_xlabel("time (ms)")
    return figure
