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
from collections.abc import Sequence

from neurosim.experiments.controls.options import asked_for
from neurosim.experiments.system.failures import command


def _command(argv: Sequence[str] | None) -> None:
    asked = asked_for(__doc__.split("\n")[0], argv)
    from neurosim.experiments.controls.commands import SWEEP

    print(SWEEP.run(*asked))


main = command(_command, interrupted="scored networks are kept, run again to resume")

if __name__ == "__main__":
    sys.exit(main())
