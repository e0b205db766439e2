"""Every normalisation policy on every state of the weights, for every rule of a finished run.

    python experiments/normalisation_cross.py RUN --workers 2

Writes scores.csv, decomposition.csv, layer_choice.csv and a figure; running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

from neurosim.experiments.controls.options import asked_for
from neurosim.experiments.system.failures import exit_status
from neurosim.experiments.system.threads import one_thread


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; returns the exit status."""
    one_thread()
    return exit_status(
        partial(_command, argv), interrupted="scored networks are kept, run again to resume"
    )


def _command(argv: Sequence[str] | None) -> None:
    asked = asked_for(__doc__.split("\n")[0], argv)
    from neurosim.experiments.controls.commands import CROSS

    print(CROSS.run(*asked))


if __name__ == "__main__":
    sys.exit(main())
