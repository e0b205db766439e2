"""The two control commands."""

from __future__ import annotations

from neurosim.experiments.controls.figure_bands import spatial_frequencies
from neurosim.experiments.controls.figure_controls import normalisation_cross, resolution_sweep
from neurosim.experiments.controls.run import Control
from neurosim.experiments.controls.words import cross_in_words, sweep_in_words
from neurosim.experiments.settings.config import POLICY_NAMES

#: The sizes of Leutenegger 2026 (arXiv 2608.12408) up to the largest that brain92's images fill.
DEFAULT_PX = (32, 64, 96, 128, 160)

CROSS = Control(
    name="normalisation_cross",
    defaults={
        "px": (),
        "content": ("native",),
        "normalisation": POLICY_NAMES,
        "readouts": ("gap", "4x4", "full"),
    },
    draw={"normalisation_cross": normalisation_cross},
    tell=cross_in_words,
)
SWEEP = Control(
    name="resolution_sweep",
    defaults={
        "px": DEFAULT_PX,
        "content": ("native", "upsampled"),
        "normalisation": ("running",),
        "readouts": ("gap", "4x4"),
    },
    draw={"resolution_sweep": resolution_sweep, "spatial_frequencies": spatial_frequencies},
    tell=sweep_in_words,
)
