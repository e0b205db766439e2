"""What a control command found, small enough to keep beside the code: means over seeds, rounded.

    python experiments/control_summary.py RUN/controls/normalisation_cross --out SUMMARY

For each folder NAME given, writes into --out:

    NAME_scores.csv         one row a rule, state of the weights, px, content, policy, readout,
                            layer and ROI: mean over seeds, sd, interval, partial alignments
    NAME_decomposition.csv  normalisation part, learning part and change, with intervals
    NAME_layer_choice.csv   fixed, best and held-out layer, means over seeds
    NAME.md                 the tables to read, and the figures as PNG

It computes nothing anew: every number is a mean of what the folder's tables hold, in the
convention ``subject_mean``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from neurosim.experiments.settings.options import Parser, require_folder
from neurosim.experiments.system.failures import command

_FOLDER_HELP = "what normalisation_cross.py or resolution_sweep.py wrote"


def _command(argv: Sequence[str] | None) -> None:
    parser = Parser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help=_FOLDER_HELP)
    parser.add_argument("--out", type=Path, required=True, help="folder of the summary")
    parser.add_argument("--layer", help="layer of the page; by default that of the command's table")
    parser.add_argument("--px", type=int, help="size of the page; by default the largest")
    arguments = parser.parse_args(argv)
    require_folder(arguments.out)
    from neurosim.experiments.controls.summary import Found, summarise

    all_found = [Found.read(folder) for folder in arguments.folders]
    names = [found.name for found in all_found]
    if len(set(names)) < len(names):
        raise ValueError(f"two folders are of the same command ({', '.join(names)}): give one each")
    for found in all_found:
        for file in summarise(found, arguments.out, arguments.layer, arguments.px):
            print(f"{file} ({file.stat().st_size / 1000:,.0f} kB)")


main = command(_command, interrupted="nothing is half written")

if __name__ == "__main__":
    sys.exit(main())
