"""Alignment at every stimulus size, without retraining, and what of it is image content.

    python experiments/resolution_sweep.py RUN --px 32 64 96 128 160 --workers 2
    python experiments/resolution_sweep.py RUN --content native upsampled blur-32 bands

``upsampled`` stimuli have the size of px and the detail of the training px, so that what a network
makes of its input size and what it makes of finer detail are told apart. Writes scores.csv,
decomposition.csv, layer_choice.csv and a figure (with bands, one of spatial frequencies too);
running it again resumes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from neurosim.experiments.controls.command import ControlCommand, Result

#: The sizes of Leutenegger 2026 (arXiv 2608.12408) up to the largest that brain92's images fill.
DEFAULT_PX = (32, 64, 96, 128, 160)


def _draw(result: Result, folder: Path) -> None:
    from neurosim.experiments.controls.figure_bands import spatial_frequencies
    from neurosim.experiments.controls.figure_controls import resolution_sweep

    resolution_sweep(result, folder)
    spatial_frequencies(result, folder)


def _tell(result: Result) -> str:
    from neurosim.experiments.controls.words import sweep_in_words

    return sweep_in_words(result)


COMMAND = ControlCommand(
    name="resolution_sweep",
    description=__doc__.split("\n")[0],
    defaults={
        "px": DEFAULT_PX,
        "content": ("native", "upsampled"),
        "normalisation": ("running",),
        "readouts": ("gap", "4x4"),
    },
    draw=_draw,
    tell=_tell,
)
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
