"""The figures of the comparison (Leutenegger 2026, arXiv 2605.30556)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from neurosim.experiments.figures.decomposition import decomposition
from neurosim.experiments.figures.published import beside_published
from neurosim.experiments.figures.resolution import resolution
from neurosim.experiments.figures.seeds import seed_variability
from neurosim.experiments.figures.style import save
from neurosim.experiments.figures.trajectory import all_regions, early_against_late, trajectory
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.published_things import is_things

#: File name -> what draws it. To add a figure, write the function and one line here.
FIGURES: Mapping[str, Callable[[Headline], Figure]] = {
    "figure_1_trajectory": trajectory,
    "figure_2_regions_and_layers": all_regions,
    "figure_3_early_against_late": early_against_late,
    "figure_4_seeds": seed_variability,
    "figure_5_decomposition": decomposition,
    "figure_6_resolution": resolution,
}


#: Further ones of runs on THINGS, which published numbers are about.
THINGS_FIGURES: Mapping[str, Callable[[Headline], Figure]] = {
    "figure_7_published": beside_published,
}


def figures_of(stimuli: str) -> Mapping[str, Callable[[Headline], Figure]]:
    """The figures of a run on the stimuli of this name."""
    return {**FIGURES, **(THINGS_FIGURES if is_things(stimuli) else {})}


def draw_all(
    table: pd.DataFrame,
    folder: Path,
    *,
    layer: str,
    stimuli: str = "",
    only: Collection[str] | None = None,
) -> None:
    """Draw every figure as PNG, PDF and SVG into ``folder``.

    Args:
        table: as ``results.merge`` gives it.
        layer: the layer that the figures are about; those of all layers show it among them.
        stimuli: name of the stimulus set; THINGS has a figure more.
        only: the names of those to draw; None: all.
    """
    headline = Headline.of(table, layer=layer)
    for name, draw in figures_of(stimuli).items():
        if only is None or name in only:
            save(draw(headline), Path(folder), name)
