"""Switch by switch, how the final alignment and its change move from the published pipeline.

    python experiments/published_switches.py --data-dir DIR --out runs/switches

Runs the published profile, the profile without each of its switches, and the reference, for the
rules that the switch acts on; what differs in the reading alone is read from the same jobs.
Running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from neurosim.experiments.settings.config import DEFAULT_RULES, PRESETS, Execution
from neurosim.experiments.settings.options import Parser
from neurosim.experiments.system.failures import command


def parser() -> Parser:
    """The command line; the scale is small by default, since there are about 30 jobs a seed."""
    p = Parser(description=__doc__.split("\n")[0])
    p.add_argument("--preset", default="brain92", choices=("demo", "brain92", "paper"))
    p.add_argument("--rules", nargs="+", choices=DEFAULT_RULES, default=list(DEFAULT_RULES))
    p.add_argument("--seeds", nargs="+", type=int, default=[42])
    p.add_argument("--training", help="training images by name; default: the preset's")
    p.add_argument("--n-train", type=int, default=2048, help="default: %(default)s")
    p.add_argument("--epochs", type=int, default=2, help="default: %(default)s")
    p.add_argument("--workers", type=int, default=1, help="default: %(default)s")
    p.add_argument("--data-dir", type=Path, help="default: $NEUROSIM_DATA, else the user's cache")
    p.add_argument("--out", type=Path, default=Path("runs/switches"), help="default: %(default)s")
    return p


def _command(argv: Sequence[str] | None) -> None:
    arguments = parser().parse_args(argv)
    preset = PRESETS[arguments.preset]
    settings = replace(
        preset,
        training=arguments.training or preset.training,
        rules=tuple(arguments.rules),
        seeds=tuple(arguments.seeds),
        n_train=arguments.n_train,
        n_test=200,
        epochs=arguments.epochs,
        checkpoints=tuple(dict.fromkeys((0, arguments.epochs))),
        normalisation=("running",),
        readouts=("gap",),
        profile="published",
    )
    execution = Execution(workers=arguments.workers, data_dir=arguments.data_dir)
    from neurosim.experiments.published.switches import run

    print(run(settings, execution, arguments.out))


main = command(_command, interrupted="run again to resume")

if __name__ == "__main__":
    sys.exit(main())
