"""The command line of the controls. Light: ``--help`` imports this and nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurosim.experiments.settings.config import CONTENT_HELP
from neurosim.experiments.settings.options import (
    Layer,
    Parser,
    add_options,
    build,
    option,
    require_folder,
)


@dataclass(frozen=True)
class GridOptions:
    """The grid and the figure. What is left out, the run or the command says."""

    px: tuple[int, ...] = option((), "sizes of the stimuli; the training size is always added")
    content: tuple[str, ...] = option((), f"what stimuli hold: {CONTENT_HELP}")
    normalisation: tuple[str, ...] = option((), "policies")
    readouts: tuple[str, ...] = option((), "readouts of the conv layers")
    epochs: tuple[int, ...] = option((), "checkpoints to score; by default the last")
    n_calibration: int = option(256, "clean training images of the calibrated policies")
    resamples: int = option(500, "bootstrap resamples; 0 for no intervals")
    splits: int = option(10, "halvings for the held-out choice of a layer; 0 for none")
    layer: str | None = option(
        None, "layer of the figure and the printed table; by default the headline of the network"
    )


@dataclass(frozen=True)
class WorkOptions:
    """Where and how."""

    workers: int = option(os.cpu_count() or 1, "processes side by side; by default all cores")
    data_dir: Path | None = option(None, "data; by default $NEUROSIM_DATA, else the user's cache")
    out: Path | None = option(None, "folder of the results; by default inside RUN")

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.out is not None:
            require_folder(self.out)


def asked_for(
    description: str, argv: Sequence[str] | None
) -> tuple[Path, GridOptions, WorkOptions]:
    """The run, the grid and the rest of a command line."""
    parser = Parser(description=description)
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="folder of a run; its finished jobs are read"
    )
    add_options(parser, GridOptions, "what is looked at")
    add_options(parser, WorkOptions, "where and how")
    arguments = parser.parse_args(argv)
    given = Layer.from_command_line(arguments, GridOptions, WorkOptions)
    return (
        arguments.run,
        build(GridOptions, GridOptions(), given),
        build(WorkOptions, WorkOptions(), given),
    )
