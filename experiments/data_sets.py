"""The data sets by name: which are there, which are missing, and fetching them.

python experiments/data_sets.py
python experiments/data_sets.py --fetch cifar10
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from neurosim.experiments.data.registry import (
    STIMULUS_SETS,
    TRAINING_SETS,
    DataError,
    MissingDataError,
    data_directory,
    load_stimuli,
    load_training_images,
)
from neurosim.experiments.settings.options import Parser
from neurosim.experiments.system.failures import exit_status
from neurosim.experiments.system.threads import one_thread


def parser() -> Parser:
    """The command line."""
    p = Parser(description=__doc__.split("\n")[0])
    p.add_argument("--data-dir", type=Path, help="default: $NEUROSIM_DATA, else the user's cache")
    p.add_argument("--fetch", nargs="+", default=(), metavar="NAME", help="download these")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """List, or fetch; returns the exit status."""
    one_thread()
    return exit_status(partial(_command, argv), interrupted="whole files are kept")


def _command(argv: Sequence[str] | None) -> None:
    arguments = parser().parse_args(argv)
    for name in arguments.fetch:
        if name not in {**TRAINING_SETS, **STIMULUS_SETS}:
            known = ", ".join({**TRAINING_SETS, **STIMULUS_SETS})
            raise ValueError(f"unknown data set {name!r}: the known ones are {known}")
    for name in arguments.fetch:
        # A name may stand for both images to train on and stimuli (the demo).
        for found in (name in TRAINING_SETS and load_training_images,
                      name in STIMULUS_SETS and load_stimuli):  # fmt: skip
            if found:
                found(name, arguments.data_dir, download=True)
    print(f"data directory: {data_directory(arguments.data_dir)}")
    for kind, names, load in (
        ("images to train on", TRAINING_SETS, load_training_images),
        ("stimuli and brain", STIMULUS_SETS, load_stimuli),
    ):
        print(f"\n{kind}")
        for name in names:
            print(f"  {name:14}{state(load, name, arguments.data_dir)}")


def state(load, name: str, data_dir: Path | None) -> str:
    """What there is of a data set, in words."""
    try:
        found = load(name, data_dir, progress=False)
    except MissingDataError:
        return "missing (--fetch or docs/data.md says how to get it)"
    except DataError as error:
        return str(error)
    return f"there{', SIMULATED' if found.simulated else ''}, sha256 {found.sha256[:12]}"


if __name__ == "__main__":
    sys.exit(main())
