"""Switch by switch, how the final alignment and its change move from the published pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from neurosim.arrays.storage import write_text
from neurosim.experiments.data.loaded import load_both
from neurosim.experiments.engine.job_tasks import JobTask
from neurosim.experiments.engine.runners import runner_of
from neurosim.experiments.job.store import read_table
from neurosim.experiments.job.switches import SWITCHES, profile_of
from neurosim.experiments.progress.run import finished
from neurosim.experiments.results.words import number, signed
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.settings.config import SWITCH_NAMES, Comparison, Execution

#: Names of the two ends of the table.
ALL_ON, ALL_OFF = "published", "reference"


class SwitchFolder(AskedFolder):
    """Jobs of one comparison under several switches; rules and seeds may be added."""

    parts = "cells"

    def completed(self, record: dict[str, Any]) -> dict[str, Any]:
        # Folders of before have all settings under "run".
        return record if "settings" in record else {**record, "settings": _shared(record["run"])}


def _shared(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in ("rules", "seeds")}


@dataclass(frozen=True)
class Variant:
    """One line of the table: which switches are left off, and which rules that concerns."""

    name: str
    without: tuple[str, ...]
    rules: tuple[str, ...]


def variants(rules: Sequence[str]) -> Iterator[Variant]:
    """All on, each off by itself, all off."""
    yield Variant(ALL_ON, (), tuple(rules))
    for name, switch in SWITCHES.items():
        concerned = tuple(r for r in rules if r in switch.rules) or tuple(rules)
        yield Variant(f"without {name}", (name,), concerned)
    yield Variant(ALL_OFF, SWITCH_NAMES, tuple(rules))


def trained_without(rule: str, without: Sequence[str]) -> tuple[str, ...]:
    """The switches left off that matter to the training or evaluation of a rule: variants that
    agree in them share a job."""
    return tuple(name for name in without if rule in SWITCHES[name].rules)


def run(settings: Comparison, execution: Execution, out: Path) -> str:
    """Run every variant, write ``switches.csv``; returns it in words."""
    load_both(settings.training, settings.stimuli, execution.data_dir)
    every, folder = list(variants(settings.rules)), SwitchFolder(out)
    with folder.held():
        # "run": of the variant with all switches on; "variant" in the table says what is left off.
        folder.record_asked(
            {
                "command": "published_switches",
                "settings": _shared(asdict(settings)),
                "run": asdict(settings),
            }
        )
        tasks = {
            (variant.name, rule, seed): _task(settings, variant, rule, seed, out, execution)
            for variant in every
            for rule in variant.rules
            for seed in settings.seeds
        }
        once = {task.stem: task for task in tasks.values()}
        finished(folder, list(once.values()), runner_of(execution), execution.workers)
        files = {key: folder.part(task.stem) for key, task in tasks.items()}
        table = table_of(settings, every, files)
        write_text(out / "switches.csv", table.to_csv(index=False))
    return text_of(table)


def _task(
    settings: Comparison, variant: Variant, rule: str, seed: int, out: Path, execution: Execution
) -> JobTask:
    left_off = trained_without(rule, variant.without)
    of_job = replace(settings, without=left_off, rules=(rule,))
    # Readable for the few switches that one rule has.
    name = f"without-{'+'.join(left_off) or 'none'}"
    return JobTask(of_job, rule, variant=name, seed=seed, folder=out,
                   data_dir=execution.data_dir)  # fmt: skip


def table_of(
    settings: Comparison, every: Sequence[Variant], files: Mapping[tuple[str, str, int], Path]
) -> pd.DataFrame:
    """One row a variant, rule, seed and ROI: what ``Reading.read`` gives, training accuracy, and
    ``shift``: the final alignment minus that of the published profile.

    Args:
        files: (variant, rule, seed) -> the file of its job.
    """
    rows = []
    for variant in every:
        reading = profile_of(replace(settings, without=variant.without)).reading
        for rule in variant.rules:
            for seed in settings.seeds:
                table = read_table(files[variant.name, rule, seed])
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


def text_of(table: pd.DataFrame) -> str:
    """Means over seeds, a block a ROI: a line a variant, final alignment and its change a rule."""
    blocks = []
    for roi, rows in table.groupby("roi", sort=False):
        wide = rows.pivot_table(index="variant", columns="rule", values=["final", "change"],
                                sort=False)  # fmt: skip
        ordered = wide.reindex(columns=["final", "change"], level=0)
        for name in ordered:
            shown = number if name[0] == "final" else signed
            ordered[name] = ordered[name].map(shown, na_action="ignore")
        blocks.append(f"{roi}\n{ordered.to_string(na_rep='.')}")
    return "\n\n".join(blocks)
