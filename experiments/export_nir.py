"""The spiking network of a finished run as a NIR file, for norse and other simulators.

    python experiments/export_nir.py runs/demo --seed 42 --without-competition --out stdp.nir

See docs/cells.md for what NIR can express and how to load the file.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from neurosim.experiments.settings.options import Parser
from neurosim.experiments.system.failures import command


def parser() -> Parser:
    """The command line."""
    p = Parser(description=__doc__.split("\n")[0])
    p.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    p.add_argument("--rule", help="of the job, as the run was given it or by its label")
    p.add_argument("--seed", type=int, help="of the job; by default the first whose network spikes")
    p.add_argument("--epoch", type=int, help="checkpoint; by default the last")
    p.add_argument("--px", type=int, help="side of the images; by default that of training")
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .nir file")
    p.add_argument(
        "--simulator", default="norse", help="what will load it: norse (by default), snntorch"
    )
    p.add_argument(
        "--without-competition",
        action="store_true",
        help="NIR cannot express winner-take-all: leave it out, and calibrate the thresholds of "
        "the trained weights anew without it",
    )
    return p


def _command(argv: Sequence[str] | None) -> None:
    arguments = parser().parse_args(argv)
    from neurosim.experiments.run.export import export

    print(export(**vars(arguments)))


main = command(_command, interrupted="nothing was written")

if __name__ == "__main__":
    sys.exit(main())
