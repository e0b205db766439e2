"""Every normalisation policy on every state of the weights, for every rule of a finished run.

    python experiments/normalisation_cross.py RUN --workers 2

Writes scores.csv, decomposition.csv, layer_choice.csv and a figure; running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from neurosim.experiments.controls.options import asked_for
from neurosim.experiments.system.failures import command


def _command(argv: Sequence[str] | None) -> None:
    asked = asked_for(__doc__.split("\n")[0], argv)
    from neurosim.experiments.controls.commands import CROSS

    print(CROSS.run(*asked))


main = command(_command, interrupted="scored networks are kept, run again to resume")

if __name__ == "__main__":
    sys.exit(main())
