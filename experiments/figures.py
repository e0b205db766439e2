"""Figures 1 to 6 of the comparison (Leutenegger 2026, arXiv 2605.30556)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from neurosim.experiments.figure_data import Headline
from neurosim.experiments.figure_decomposition import decomposition
from neurosim.experiments.figure_resolution import resolution
from neurosim.experiments.figure_seeds import seed_variability
from neurosim.experiments.figure_style import DPI, save
from neurosim.experiments.figure_trajectory import all_regions, early_against_late, trajectory

#: File name -> what draws it. To add a figure, write the function and one line here.
FIGURES: Mapping[str, Callable[[Headline], Figure]] = {
    "figure_1_trajectory": trajectory,
    "figure_2_regions_and_layers": all_regions,
    "figure_3_early_against_late": early_against_late,
    "figure_4_seeds": seed_variability,
    "figure_5_decomposition": decomposition,
    "figure_6_resolution": resolution,
}


def draw_all(table: pd.DataFrame, folder: Path, *, layer: str, dpi: int = DPI) -> None:
    """Draw every figure as PNG, PDF and SVG into ``folder``.

    Args:
        table: as ``results.merge`` gives it.
        layer: the layer that the figures are about; those of all layers show it among them.
    """
    headline = Headline.of(table, layer=layer)
    for name, draw in FIGURES.items():
        save(draw(headline), Path(folder), name, dpi=dpi)
