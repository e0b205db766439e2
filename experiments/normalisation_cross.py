"""Every normalisation policy on every state of the weights, for every rule of a finished run.

    python experiments/normalisation_cross.py RUN --workers 2

Writes scores.csv, decomposition.csv, layer_choice.csv and a figure; running it again resumes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from neurosim.experiments.controls.command import ControlCommand, Result
from neurosim.experiments.settings.config import POLICY_NAMES, READOUT_NAMES


def _draw(result: Result, folder: Path) -> None:
    from neurosim.experiments.controls.figure_controls import normalisation_cross

    normalisation_cross(result, folder)


def _tell(result: Result) -> str:
    from neurosim.experiments.controls.words import cross_in_words

    return cross_in_words(result)


COMMAND = ControlCommand(
    name="normalisation_cross",
    description=__doc__.split("\n")[0],
    defaults={
        "px": (),
        "content": ("native",),
        "normalisation": POLICY_NAMES,
        "readouts": READOUT_NAMES,
    },
    draw=_draw,
    tell=_tell,
)
main = COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
