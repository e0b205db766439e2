"""The full comparison: every rule and seed, trained and held against visual cortex.

    python experiments/training_dynamics.py                          # embedded demo, SIMULATED
    python experiments/training_dynamics.py --preset brain92 --data-dir DIR

Writes one HDF5 file a job, ``results.csv`` and the figures into the run folder, and prints a
summary. Running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neurosim.experiments.settings.config import (
    PRESETS,
    Comparison,
    Execution,
    Start,
    with_checkpoints,
)
from neurosim.experiments.settings.options import (
    Layer,
    Parser,
    add_options,
    build,
    names,
    to_toml,
    to_yaml,
)
from neurosim.experiments.system.failures import command

if TYPE_CHECKING:
    from neurosim.experiments.audit.result import TableAudit

SHOWN_FORMATS = ("yaml", "toml")


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
        "--plan",
        action="store_true",
        help="measure and print what the run will take: time, memory, disk; and stop",
    )
    p.add_argument(
        "--audit",
        type=Path,
        metavar="RUN",
        help="audit a run folder, or a folder of activations of your own (docs/controls.md; give "
        "--stimuli), and stop",
    )
    p.add_argument(
        "--strict", action="store_true",
        help="with --audit: exit status 1 where a verdict warns, too",
    )  # fmt: skip
    p.add_argument(
        "--report",
        type=Path,
        metavar="RUN",
        help="write the report of a run folder, finished or not, and stop; --out: into this folder",
    )
    p.add_argument("--watch", type=Path, metavar="RUN", help="follow a run from another terminal")
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
    watched: Path | None
    is_plan: bool
    audited: Path | None
    strict: bool
    report: Path | None

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
            settings = build(Comparison, settings, with_checkpoints(layer, settings.checkpoints))
        execution = build(Execution, Execution(), *layers)
        return cls(
            preset,
            settings,
            execution,
            arguments.show_config,
            arguments.watch,
            arguments.plan,
            arguments.audit,
            arguments.strict,
            arguments.report,
        )

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.execution.out or Path("runs") / self.preset

    @property
    def as_file(self) -> str:
        """The settings as a configuration file."""
        text = to_toml if self.shown == "toml" else to_yaml
        return text(Start(self.preset), self.settings, self.execution)


def _command(argv: Sequence[str] | None) -> int:
    command = Command.of(argv)
    if command.shown:
        print(command.as_file, end="")
        return 0
    if command.audited is not None:
        found = audited(command.audited, command.settings.stimuli, command.execution)
        print(f"{found}\n{found.badge()}\n{command.audited / 'audit.html'}")
        return found.status(command.strict)
    if command.report is not None:
        report(command.report, command.execution)
        return 0
    if command.watched is not None:
        from neurosim.experiments.progress.watch import watch

        return watch(command.watched)
    from neurosim.experiments.comparison.run import plan, run

    if command.is_plan:
        print(plan(command.settings, command.execution, command.folder))
        return 0
    print(run(command.settings, command.execution, command.folder))
    return 0


def audited(path: Path, stimuli: str, execution: Execution) -> TableAudit:
    """Audit a run, or activations of one's own; writes ``audit.json`` and ``audit.html`` there."""
    from neurosim.experiments.audit.activations import audit_activations, holds_activations
    from neurosim.experiments.audit.run import audit_run
    from neurosim.experiments.audit_page.of_table import write_page

    if holds_activations(path):
        found = audit_activations(path, stimuli, execution.data_dir)
    else:
        found = audit_run(path, execution.data_dir)
    write_page(found, path)
    return found


def report(path: Path, execution: Execution) -> None:
    """Write the report of a run that may still be in flight."""
    from neurosim.experiments.data.registry import load_stimuli
    from neurosim.experiments.job.network import roles_of
    from neurosim.experiments.report.files import write_report
    from neurosim.experiments.run.stored import StoredRun

    found = StoredRun.read(path).require_checkpoint()
    stimuli = load_stimuli(found.settings.stimuli, execution.data_dir, download=execution.download)
    out = execution.out or path
    write_report(found, stimuli, out, layer=roles_of(found.settings).headline)
    print(f"{found.n_finished} of {len(found.jobs)} jobs finished; report: {out / 'report.html'}")


main = command(
    _command,
    interrupted="finished jobs and the last epoch of the others are kept, run again to resume",
)

if __name__ == "__main__":
    sys.exit(main())
