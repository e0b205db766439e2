"""The published profile against the published numbers: weights moved, and training accuracy.

    python experiments/published_numbers.py --data-dir DIR --out runs/published

Trains each rule as the profile ``published`` does (8,000 CIFAR-10 images, 40 epochs, seed 42) and
evaluates nothing. One file a rule, rewritten after each epoch: running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from neurosim.experiments.published.targets import PUBLISHED
from neurosim.experiments.settings.config import PRESETS, Execution
from neurosim.experiments.settings.options import Parser
from neurosim.experiments.system.failures import command


def parser() -> Parser:
    """The command line."""
    p = Parser(description=__doc__.split("\n")[0])
    p.add_argument("--rules", nargs="+", choices=PUBLISHED, default=list(PUBLISHED))
    p.add_argument("--seed", type=int, default=42, help="default: %(default)s")
    p.add_argument("--epochs", type=int, default=40, help="default: %(default)s")
    p.add_argument("--training", default="cifar10", help="images by name; default: %(default)s")
    p.add_argument("--n-train", type=int, default=8000, help="default: %(default)s")
    p.add_argument("--without", nargs="+", default=[], metavar="SWITCH", help="left off")
    p.add_argument("--workers", type=int, default=1, help="default: %(default)s")
    p.add_argument("--data-dir", type=Path, help="default: $NEUROSIM_DATA, else the user's cache")
    p.add_argument("--out", type=Path, default=Path("runs/published"), help="default: %(default)s")
    return p


def _command(argv: Sequence[str] | None) -> None:
    arguments = parser().parse_args(argv)
    settings = replace(
        PRESETS["paper"],
        training=arguments.training,
        n_train=arguments.n_train,
        rules=tuple(arguments.rules),
        seeds=(arguments.seed,),
        epochs=arguments.epochs,
        checkpoints=tuple(dict.fromkeys((0, arguments.epochs))),
        profile="published",
        without=tuple(arguments.without),
    )
    execution = Execution(workers=arguments.workers, data_dir=arguments.data_dir)
    from neurosim.experiments.published.numbers import run

    print(run(settings, execution, arguments.out))


main = command(_command, interrupted="run again to resume")

if __name__ == "__main__":
    sys.exit(main())
