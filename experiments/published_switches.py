"""Switch by switch, how the final alignment and its change move from the published pipeline.

    python experiments/published_switches.py --data-dir DIR --out runs/switches

Runs the published profile, the profile without each of its switches, and the reference, for the
rules that the switch acts on; what differs in the reading alone is read from the same cells.
Running it again resumes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from neurosim.experiments.settings.config import (
    DEFAULT_RULES,
    PRESETS,
    SWITCH_NAMES,
    Comparison,
    Execution,
)
from neurosim.experiments.settings.options import Parser
from neurosim.experiments.system.failures import exit_status
from neurosim.experiments.system.threads import one_thread

if TYPE_CHECKING:
    from neurosim.experiments.engine.tasks import CellTask

#: Names of the two ends of the table.
ALL_ON, ALL_OFF = "published", "reference"


@dataclass(frozen=True)
class Variant:
    """One line of the table: which switches are left off, and which rules that concerns."""

    name: str
    without: tuple[str, ...]
    rules: tuple[str, ...]


def variants(rules: Sequence[str]) -> Iterator[Variant]:
    """All on, each off by itself, all off."""
    from neurosim.experiments.job.switches import SWITCHES

    yield Variant(ALL_ON, (), tuple(rules))
    for name, switch in SWITCHES.items():
        concerned = tuple(r for r in rules if r in switch.rules) or tuple(rules)
        yield Variant(f"without {name}", (name,), concerned)
    yield Variant(ALL_OFF, SWITCH_NAMES, tuple(rules))


def trained_without(rule: str, without: Sequence[str]) -> tuple[str, ...]:
    """The switches left off that matter to the training or evaluation of a rule: variants that
    agree in them share a cell."""
    from neurosim.experiments.job.switches import SWITCHES

    return tuple(name for name in without if rule in SWITCHES[name].rules)


def cell_variant(rule: str, without: Sequence[str]) -> str:
    """What a cell is called by; readable for the few switches that one rule has."""
    return f"without-{'+'.join(trained_without(rule, without)) or 'none'}"


def cell_path(out: Path, rule: str, seed: int, without: Sequence[str]) -> Path:
    """Where a cell lies."""
    return out / "cells" / f"{rule}-seed{seed}-{cell_variant(rule, without)}.h5"


def tasks_of(
    settings: Comparison, every: Sequence[Variant], out: Path, data_dir: Path | None
) -> list[CellTask]:
    """Each cell once."""
    from neurosim.experiments.engine.tasks import CellTask

    tasks = {}
    for variant in every:
        for rule in variant.rules:
            left_off = trained_without(rule, variant.without)
            of_cell = replace(settings, without=left_off, rules=(rule,))
            for seed in settings.seeds:
                task = CellTask(of_cell, rule, seed, out.absolute(), data_dir,
                                variant=cell_variant(rule, variant.without))  # fmt: skip
                tasks[task.stem] = task
    return list(tasks.values())


def table_of(settings: Comparison, every: Sequence[Variant], out: Path):
    """One row a variant, rule, seed and ROI: what ``Reading.read`` gives, training accuracy, and
    ``shift``: the final alignment minus that of the published profile."""
    import pandas as pd

    from neurosim.experiments.job.job import read_table
    from neurosim.experiments.job.profiles import profile_of

    rows = []
    for variant in every:
        reading = profile_of(replace(settings, without=variant.without)).reading
        for rule in variant.rules:
            for seed in settings.seeds:
                table = read_table(cell_path(out, rule, seed, variant.without))
                read = reading.read(table, px=max(settings.evaluation_px))
                end = table[(table["epoch"] == table["epoch"].max()) & ~table["statistics_only"]]
                accuracy = end["train_accuracy"].iloc[0]
                rows.append(read.assign(variant=variant.name, train_accuracy=accuracy))
    table = pd.concat(rows, ignore_index=True)
    keys = ["rule", "seed", "roi"]
    published = table[table["variant"] == ALL_ON].set_index(keys)["final"].rename("published")
    table = table.join(published, on=keys, validate="m:1")
    table["shift"] = table["final"] - table.pop("published")
    return table[["variant", *(name for name in table if name != "variant")]]


def text_of(table) -> str:
    """Means over seeds, a block a ROI: a line a variant, final alignment and its change a rule."""
    blocks = []
    for roi, rows in table.groupby("roi", sort=False):
        wide = rows.pivot_table(index="variant", columns="rule", values=["final", "change"],
                                sort=False)  # fmt: skip
        ordered = wide.reindex(columns=["final", "change"], level=0)
        blocks.append(f"{roi}\n{ordered.to_string(float_format=lambda v: f'{v:+.3f}', na_rep='.')}")
    return "\n\n".join(blocks)


def parser() -> Parser:
    """The command line; the scale is small by default, since there are about 30 cells a seed."""
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run, read and write ``switches.csv``; returns the exit status."""
    one_thread()
    return exit_status(partial(_command, argv), interrupted="run again to resume")


def _command(argv: Sequence[str] | None) -> None:
    arguments = parser().parse_args(argv)
    if arguments.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {arguments.workers}")
    preset = PRESETS[arguments.preset]
    settings = replace(
        preset,
        training=arguments.training or preset.training,
        seeds=tuple(arguments.seeds),
        n_train=arguments.n_train,
        n_test=200,
        epochs=arguments.epochs,
        checkpoints=tuple(dict.fromkeys((0, arguments.epochs))),
        normalisation=("running",),
        readouts=("gap",),
        profile="published",
    )
    from neurosim.experiments.comparison import run_cells, runner_of
    from neurosim.experiments.data.registry import load_stimuli, load_training_images
    from neurosim.experiments.run.folder import RunFolder, code_sha256
    from neurosim.storage import write_text

    load_stimuli(settings.stimuli, arguments.data_dir)
    load_training_images(settings.training, arguments.data_dir)
    every = list(variants(arguments.rules))
    folder = RunFolder(arguments.out)
    with folder.held():
        tasks = tasks_of(settings, every, arguments.out, arguments.data_dir)
        runner = runner_of(Execution(workers=arguments.workers))
        run_cells(tasks, runner, folder, arguments.workers)
    table = table_of(settings, every, arguments.out)
    write_text(arguments.out / "switches.csv", table.to_csv(index=False))
    # Of the variant with all switches on; "variant" in the table says what is left off.
    asked = {"command": "published_switches", "run": asdict(settings), "code_sha256": code_sha256()}
    write_text(arguments.out / "asked.json", json.dumps(asked, indent=2) + "\n")
    print(text_of(table))


if __name__ == "__main__":
    sys.exit(main())
