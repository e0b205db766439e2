"""The full comparison: every rule and seed, trained and held against visual cortex.

    python experiments/training_dynamics.py                          # embedded demo, SIMULATED
    python experiments/training_dynamics.py --preset brain92 --data-dir DIR

Writes one HDF5 file a cell, ``results.csv`` and the figures into the run folder, and prints a
summary. Running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neurosim.experiments.config import PRESETS, Comparison, Execution, Start
from neurosim.experiments.execute import CellsFailedError, CellTask, one_thread, run_cells
from neurosim.experiments.options import (
    Layer,
    Parser,
    add_options,
    build,
    names,
    to_toml,
    to_yaml,
)

DEVICES = ("cpu", "cuda", "mps")
SHOWN_FORMATS = ("yaml", "toml")
#: The layer of the printed summary and the headline figure: the readout that keeps layout.
HEADLINE_LAYER = "FC1"


def parser() -> Parser:
    """The command line: the settings of ``config``, and what to do."""
    p = Parser(
        description=__doc__.split("\n")[0],
        epilog="Options override --config, which overrides --preset. Running the same command "
        "again resumes; other settings need another --out.",
    )
    p.add_argument(
        "--config", type=Path, metavar="FILE", help="settings from a .yaml or .toml file"
    )
    p.add_argument(
        "--show-config",
        nargs="?",
        const="yaml",
        choices=SHOWN_FORMATS,
        help="print all settings, as --config reads them, and stop",
    )
    p.add_argument(
        "--audit",
        type=Path,
        metavar="RUN",
        help="audit a run folder, or a folder of activations of your own (docs/controls.md; give "
        "--stimuli), and stop",
    )
    p.add_argument(
        "--report",
        type=Path,
        metavar="RUN",
        help="write the report of a run folder, finished or not, and stop; --out: into this folder",
    )
    add_options(p, Start, "where settings start")
    add_options(p, Comparison, "the comparison (what the numbers depend on)")
    add_options(p, Execution, "its execution")
    return p


@dataclass(frozen=True)
class Command:
    """What a command line asks for."""

    preset: str
    settings: Comparison
    execution: Execution
    shown: str | None
    audited: Path | None = None
    report: Path | None = None

    @classmethod
    def of(cls, argv: Sequence[str] | None) -> Command:
        """Lay the command line over the configuration file over the preset.

        ``epochs`` without ``checkpoints`` in the same place keeps the checkpoints from below up
        to it, and adds it as the last.
        """
        arguments = parser().parse_args(argv)
        classes = (Start, Comparison, Execution)
        layers = [Layer.from_command_line(arguments, *classes)]
        if arguments.config is not None:
            layers.insert(0, Layer.from_file(arguments.config, names(*classes)))
        preset = build(Start, Start(), *layers).preset
        settings = PRESETS[preset]
        for layer in layers:
            if "epochs" in layer.values and "checkpoints" not in layer.values:
                layer = _with_checkpoints(layer, settings.checkpoints)
            settings = build(Comparison, settings, layer)
        execution = build(Execution, Execution(), *layers)
        return cls(
            preset,
            settings,
            execution,
            arguments.show_config,
            arguments.audit,
            arguments.report,
        )

    @property
    def as_file(self) -> str:
        """The settings as a configuration file."""
        text = to_toml if self.shown == "toml" else to_yaml
        return text(Start(self.preset), self.settings, self.execution)


def _with_checkpoints(layer: Layer, below: Sequence[int]) -> Layer:
    epochs = layer.read(Comparison, "epochs")
    kept = [epoch for epoch in below if epoch < epochs]
    return replace(layer, values={**layer.values, "checkpoints": [*kept, epochs]})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison; returns the exit status."""
    one_thread()
    try:
        command = Command.of(argv)
        if command.shown:
            print(command.as_file, end="")
            return 0
        if command.audited is not None:
            print(audit_words(command.audited, command.settings.stimuli, command.execution))
            return 0
        if command.report:
            report(command.report, command.execution)
            return 0
        from neurosim.experiments.run_folder import RunFolder

        folder = RunFolder(command.execution.out or Path("runs") / command.preset)
        run(command.settings, folder, command.execution)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except CellsFailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: finished checkpoints are kept, run again to resume", file=sys.stderr)
        return 130
    return 0


def audit_words(path: Path, stimuli: str, execution: Execution) -> str:
    """Audit a run, or activations of one's own; writes ``audit.json`` there."""
    from neurosim.experiments.audit import in_words
    from neurosim.experiments.audit_activations import audit_activations, holds_activations
    from neurosim.experiments.audit_run import audit_run

    if holds_activations(path):
        return in_words(audit_activations(path, stimuli, execution.data_dir))
    return in_words(audit_run(path, execution.data_dir, HEADLINE_LAYER))


def report(path: Path, execution: Execution) -> None:
    """Write the report of a run that may still be in flight."""
    from neurosim.experiments.data import load_stimuli
    from neurosim.experiments.report import write_report
    from neurosim.experiments.report_run import ReportedRun

    found = ReportedRun.read(path)
    stimuli = load_stimuli(found.settings.stimuli, execution.data_dir, download=execution.download)
    out = execution.out or path
    write_report(found, stimuli, out, layer=HEADLINE_LAYER)
    print(f"{found.n_finished} of {len(found.cells)} cells finished; report: {out / 'report.html'}")


def run(settings: Comparison, folder, execution: Execution) -> None:
    """Check everything, run the cells, write and print the results."""
    images, stimuli = _load_both(settings, execution)
    for seed in settings.seeds:
        images.subset(settings.n_train, settings.n_test, seed)
    _check_device(execution.device)
    if not execution.resume and folder.is_claimed:
        raise ValueError(
            f"{folder.path} already holds a run: give another --out, or leave out --no-resume to "
            "go on from it"
        )
    folder.claim(settings, images, stimuli)
    if stimuli.simulated:
        print("SIMULATED data: images, subjects and ROIs are made by a program.")
    print(
        f"{len(settings.rules)} rules x {len(settings.seeds)} seeds, {settings.epochs} epochs, "
        f"{execution.workers} worker(s), into {folder.path}"
    )
    tasks = [
        CellTask(settings, rule, seed, folder.cell(rule, seed), execution.data_dir,
                 execution.device)
        for rule in settings.rules
        for seed in settings.seeds
    ]  # fmt: skip
    run_cells(tasks, execution.workers)
    from neurosim.experiments.audit_run import audit_run
    from neurosim.experiments.report import write_results

    # Before the report, which shows it.
    audit_run(folder.path, execution.data_dir, HEADLINE_LAYER)
    print(write_results(folder, settings, stimuli, HEADLINE_LAYER))


def _load_both(settings: Comparison, execution: Execution):
    """Training images and stimuli; everything that is missing is told at once."""
    from neurosim.experiments.data import DataError, load_stimuli, load_training_images

    where: dict[str, Any] = {"data_dir": execution.data_dir, "download": execution.download}
    found, missing = [], []
    for load, name in (
        (load_training_images, settings.training),
        (load_stimuli, settings.stimuli),
    ):
        try:
            found.append(load(name, **where))
        except DataError as error:
            missing.append(str(error))
    if missing:
        raise ValueError("; and ".join(message.rstrip(".") for message in missing))
    return found


def _check_device(name: str) -> None:
    import torch

    if name.split(":")[0] not in DEVICES:
        raise ValueError(f"unknown device {name!r}: the known ones are {', '.join(DEVICES)}")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0]}): give --device cpu"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
