"""The data sets by name: which are there, which are missing, and fetching them.

python experiments/data_sets.py
python experiments/data_sets.py --fetch cifar10
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from neurosim.experiments.settings.options import Parser
from neurosim.experiments.system.failures import command
from neurosim.naming.choices import Choices


def parser() -> Parser:
    """The command line."""
    p = Parser(description=__doc__.split("\n")[0])
    p.add_argument("--data-dir", type=Path, help="default: $NEUROSIM_DATA, else the user's cache")
    p.add_argument("--fetch", nargs="+", default=(), metavar="NAME", help="download these")
    return p


def _command(argv: Sequence[str] | None) -> None:
    arguments = parser().parse_args(argv)
    from neurosim.experiments.data import registry

    sets = Choices("data set", {**registry.TRAINING_SETS, **registry.STIMULUS_SETS})
    for name in arguments.fetch:
        _ = sets[name]
    # A name may stand for both images to train on and stimuli (the demo).
    kinds = (
        ("images to train on", registry.TRAINING_SETS, registry.load_training_images),
        ("stimuli and brain", registry.STIMULUS_SETS, registry.load_stimuli),
    )
    for name in arguments.fetch:
        for _, names, load in kinds:
            if name in names:
                load(name, arguments.data_dir, download=True)
    print(f"data directory: {registry.data_directory(arguments.data_dir)}")
    for kind, names, load in kinds:
        print(f"\n{kind}")
        for name in names:
            try:
                found = load(name, arguments.data_dir, progress=False)
                told = (
                    f"there{', SIMULATED' if found.simulated else ''}, sha256 {found.sha256[:12]}"
                )
            except registry.MissingDataError:
                told = "missing (--fetch or docs/data.md says how to get it)"
            except registry.DataError as error:
                told = str(error)
            print(f"  {name:14}{told}")


main = command(_command, interrupted="whole files are kept")

if __name__ == "__main__":
    sys.exit(main())
