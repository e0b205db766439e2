"""A control command from beginning to end: check, score every network, write what they show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from neurosim.arrays.storage import read_tree
from neurosim.experiments.controls.options import GridOptions, WorkOptions
from neurosim.experiments.controls.result import Result
from neurosim.experiments.controls.state_scores import Grid, Scores
from neurosim.experiments.controls.tables import choice_table, decomposition_table, score_table
from neurosim.experiments.controls.tasks import ControlFolder, ControlTask, scores_of
from neurosim.experiments.data.loaded import data_of
from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.engine.runners import runner_of
from neurosim.experiments.figures.style import KINDS, save
from neurosim.experiments.job.evaluate import reference_table
from neurosim.experiments.job.network import roles_of
from neurosim.experiments.progress.run import finished
from neurosim.experiments.results.table import write_csv
from neurosim.experiments.run.stored import State, StoredRun
from neurosim.experiments.settings.config import Execution
from neurosim.naming.choices import Choices


@dataclass(frozen=True)
class Control:
    """One command: its name, its defaults, and what it draws and says.

    draw: figure name -> what draws it (None: nothing to draw). tell: result -> text.
    """

    name: str
    defaults: Mapping[str, tuple[Any, ...]]
    draw: Mapping[str, Callable[[Result], Figure | None]]
    tell: Callable[[Result], str]

    def run(self, path: Path, options: GridOptions, work: WorkOptions) -> str:
        """Score, write tables and figures; returns the words.

        Raises:
            ValueError: a layer or an axis is unknown, the run was made with other data, ...
        """
        run = StoredRun.read(path).require_finished()
        roles = roles_of(run.settings)
        layer = Choices("layer", {n: n for n in roles.scored})[options.layer or roles.headline]
        if run.unfinished:
            print(f"not finished, left out: {', '.join(run.unfinished)}", file=sys.stderr)
        states = run.states(options.epochs or None)
        grid = self._grid(run, options)
        stimuli = _checked_data(run, work.data_dir)
        folder = ControlFolder(
            work.out or path / "controls" / self.name,
            # Movement and accuracy are theirs.
            also=[job.path for job in run.finished],
        )
        tasks = {
            state: ControlTask.of(run, state, grid, folder.path, work.data_dir) for state in states
        }
        # Networks that jobs share are one task; the longest come first.
        once = {task.stem: task for task in reversed(tasks.values())}
        queue = sorted(once.values(), key=lambda task: -task.cost)
        with folder.held():
            folder.record_asked(
                {
                    "command": self.name,
                    "run": {
                        **asdict(run.settings),
                        "rules": list(dict.fromkeys(job.rule for job in run.finished)),
                        "seeds": list(dict.fromkeys(job.seed for job in run.finished)),
                    },
                    "grid": asdict(grid),
                    "layer": layer,
                    "data": dict(run.data),
                    "simulated": stimuli.simulated,
                }
            )
            execution = Execution(workers=work.workers, data_dir=work.data_dir)
            derived = finished(folder, queue, runner_of(execution), work.workers)

            def write() -> tuple[str, list[str]]:
                trees = {stem: scores_of(read_tree(folder.part(stem))) for stem in once}
                scores = {state: trees[task.stem] for state, task in tasks.items()}
                return self._write(run, scores, grid, stimuli, layer, folder.path)

            text = derived.words(write)
        return f"{text}\ntables and figure: {folder.path}"

    def _grid(self, run: StoredRun, options: GridOptions) -> Grid:
        axes = {name: getattr(options, name) or default for name, default in self.defaults.items()}
        px = axes["px"] or run.settings.evaluation_px
        axes["px"] = tuple(sorted({run.settings.training_px, *px}))
        return Grid(
            **axes,
            n_calibration=options.n_calibration,
            n_resamples=options.resamples,
            n_splits=options.splits,
        )

    def _write(
        self,
        run: StoredRun,
        scores: Mapping[State, Scores],
        grid: Grid,
        stimuli: StimulusSet,
        layer: str,
        out: Path,
    ) -> tuple[str, list[str]]:
        """Write tables and figures; returns the words, and the names of the files."""
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
            tables["layer_choice"] = choice_table(scores, table, layer)
        for name, found in tables.items():
            write_csv(out / f"{name}.csv", found)
        names = [f"{name}.csv" for name in tables]
        result = Result(tables, layer, run.settings.training_px, stimuli.simulated)
        for name, draw in self.draw.items():
            figure = draw(result)
            if figure is not None:
                save(figure, out, name)
                names += [f"{name}.{kind}" for kind in KINDS]
        return self.tell(result), names


def _checked_data(run: StoredRun, data_dir: Path | None) -> StimulusSet:
    """The stimuli of a run.

    Raises:
        ValueError: the run was made with other data than those at hand.
    """
    images, stimuli = data_of(run.settings.training, run.settings.stimuli, data_dir)
    for kind, given in (("training", images), ("stimuli", stimuli)):
        if run.data.get(kind) not in (None, given.sha256):
            raise ValueError(
                f"the {kind} data {given.name!r} found now are not those of {run.path} (their "
                "SHA-256 differs): give the --data-dir of that run"
            )
    return stimuli
