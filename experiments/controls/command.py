"""What the commands that evaluate a finished run have in common: options, checks, files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.experiments.settings.options import (
    Layer,
    Parser,
    add_options,
    build,
    option,
    require_folder,
)
from neurosim.experiments.system.failures import exit_status
from neurosim.experiments.system.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd

    from neurosim.experiments.controls.state_scores import Grid
    from neurosim.experiments.run.stored import StoredRun

#: Images that statistics are calibrated on; a seed's first ones.
N_CALIBRATION = 256
CONTENT_HELP = "native, upsampled, blur-R (R px), bands"


@dataclass(frozen=True)
class GridOptions:
    """The grid and the figure. What is left out, the run or the command says."""

    px: tuple[int, ...] = option((), "sizes of the stimuli; the training size is always added")
    content: tuple[str, ...] = option((), f"what stimuli hold: {CONTENT_HELP}")
    normalisation: tuple[str, ...] = option((), "policies")
    readouts: tuple[str, ...] = option((), "readouts of the conv layers")
    epochs: tuple[int, ...] = option((), "checkpoints to score; by default the last")
    n_calibration: int = option(N_CALIBRATION, "clean training images of the calibrated policies")
    resamples: int = option(500, "bootstrap resamples; 0 for no intervals")
    splits: int = option(10, "halvings for the held-out choice of a layer; 0 for none")
    layer: str = option("FC1", "layer of the figure and the printed table")


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


@dataclass(frozen=True)
class Result:
    """All that a command has found, for its figure and its words.

    tables: file stem -> table (``scores``, ``decomposition``, ``layer_choice``).
    """

    tables: Mapping[str, pd.DataFrame]
    layer: str
    training_px: int
    simulated: bool


@dataclass(frozen=True)
class ControlCommand:
    """One command: its name, its defaults, and what it draws and says.

    draw: result, folder -> files written there. tell: result -> text.
    """

    name: str
    description: str
    defaults: Mapping[str, tuple[Any, ...]]
    draw: Callable[[Result, Path], None]
    tell: Callable[[Result], str]

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Run it; returns the exit status."""
        one_thread()
        return exit_status(
            partial(self._command, argv),
            interrupted="scored networks are kept, run again to resume",
        )

    def _command(self, argv: Sequence[str] | None) -> None:
        parser = Parser(description=self.description)
        parser.add_argument(
            "run", type=Path, metavar="RUN", help="folder of a run; its finished cells are read"
        )
        add_options(parser, GridOptions, "what is looked at")
        add_options(parser, WorkOptions, "where and how")
        arguments = parser.parse_args(argv)
        given = Layer.from_command_line(arguments, GridOptions, WorkOptions)
        print(
            self.run(
                arguments.run,
                build(GridOptions, GridOptions(), given),
                build(WorkOptions, WorkOptions(), given),
            )
        )

    def _note(self, folder: Path, run: StoredRun, grid: Grid, *, simulated: bool) -> None:
        """What the tables are of, for whoever meets them later."""
        from neurosim.experiments.run.folder import code_sha256
        from neurosim.storage import write_text

        asked = {
            "command": self.name,
            "run": {
                **asdict(run.settings),
                "rules": list(dict.fromkeys(rule for rule, _ in run.cells)),
                "seeds": list(dict.fromkeys(seed for _, seed in run.cells)),
            },
            "grid": asdict(grid),
            "data": dict(run.data),
            "simulated": simulated,
            "code_sha256": code_sha256(),
        }
        write_text(folder / "asked.json", json.dumps(asked, indent=2) + "\n")

    def run(self, path: Path, options: GridOptions, work: WorkOptions) -> str:
        """Score, write tables and figure; returns the words."""
        from neurosim.experiments.controls.run import score_run
        from neurosim.experiments.controls.state_scores import Grid
        from neurosim.experiments.controls.tables import (
            choice_table,
            decomposition_table,
            score_table,
        )
        from neurosim.experiments.engine.tasks import data_of
        from neurosim.experiments.job.evaluate import SCORED_LAYERS, reference_table
        from neurosim.experiments.results.table import write_csv
        from neurosim.experiments.run.stored import StoredRun

        if options.layer not in SCORED_LAYERS:
            raise ValueError(
                f"unknown layer {options.layer!r}: the known ones are {', '.join(SCORED_LAYERS)}"
            )
        run = StoredRun.read(path)
        if run.unfinished:
            print(f"not finished, left out: {', '.join(run.unfinished)}", file=sys.stderr)
        states = run.states(options.epochs or None)
        axes = {name: getattr(options, name) or default for name, default in self.defaults.items()}
        px = axes["px"] or run.settings.evaluation_px
        axes["px"] = tuple(sorted({run.settings.training_px, *px}))
        grid = Grid(
            **axes,
            n_calibration=options.n_calibration,
            n_resamples=options.resamples,
            n_splits=options.splits,
        )
        folder = work.out or path / "controls" / self.name
        scores = score_run(
            run, states, grid, folder, workers=work.workers, data_dir=work.data_dir
        )  # fmt: skip
        _, stimuli = data_of(run.settings.training, run.settings.stimuli, work.data_dir)
        table = score_table(
            scores,
            run.movement(),
            reference_table(stimuli, grid.px).assign(content="native"),
            simulated=stimuli.simulated,
        )
        tables = {"scores": table}
        if grid.n_resamples:
            tables["decomposition"] = decomposition_table(scores, stimuli.brain)
        if grid.n_splits:
            tables["layer_choice"] = choice_table(scores, table, options.layer)
        for name, found in tables.items():
            write_csv(folder / f"{name}.csv", found)
        self._note(folder, run, grid, simulated=stimuli.simulated)
        result = Result(tables, options.layer, run.settings.training_px, stimuli.simulated)
        self.draw(result, folder)
        return f"{self.tell(result)}\ntables and figure: {folder}"
