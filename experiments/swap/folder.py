"""The folder of one ``encoder_swap`` run: its settings, its parts, its tables and figures."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import pandas as pd

from neurosim.arrays.storage import whole_or_nothing
from neurosim.experiments.data.loaded import load_both
from neurosim.experiments.data.types import StimulusSet, TrainingImages
from neurosim.experiments.engine.runners import runner_of
from neurosim.experiments.figures.style import KINDS, save
from neurosim.experiments.job.evaluate import reference_table
from neurosim.experiments.job.revisions import SPIKING
from neurosim.experiments.progress.run import finished
from neurosim.experiments.results.trees import table_of
from neurosim.experiments.run.asked import AskedFolder
from neurosim.experiments.settings.config import ENCODER_NAMES, Execution
from neurosim.experiments.settings.texts import file_name
from neurosim.experiments.swap.config import EncoderSwap, SwapExecution, with_defaults
from neurosim.experiments.swap.figures import FIGURES, SwapResults
from neurosim.experiments.swap.part import SwapImages, SwapTask, pixel_baseline
from neurosim.models.catalogue import RULE_CELLS
from neurosim.naming.made import made

TABLES = ("curve", "energy", "alignment")


class SwapFolder(AskedFolder):
    """Parts of one swap; encoders and seeds may be added, as parts do not depend on each other."""

    record_name = "swap.json"

    def claim(self, settings: EncoderSwap, images: TrainingImages, stimuli: StimulusSet) -> None:
        """Write down what this run is, or check that it is what the folder already holds.

        Raises:
            ValueError: the folder holds a run with other settings or data.
        """
        revision = f"{SPIKING.number}: {SPIKING.reason}"
        self.record_asked(
            {
                "settings": {**settings.run_settings(), "revision": revision},
                "data": {"training": images.sha256, "stimuli": stimuli.sha256},
                "sources": settings.sources(),
            }
        )

    def completed(self, record: dict[str, Any]) -> dict[str, Any]:
        if "settings" not in record:
            # Records of before hold all at one level.
            flat = dict(record)
            data = {name: flat.pop(f"{name}_sha256") for name in ("training", "stimuli")}
            record = {"settings": flat, "data": data}
        return {**record, "settings": with_defaults(record["settings"])}

    def contents(self) -> dict[tuple[str, int], dict[str, Any]]:
        """``(encoder, seed)`` -> content of every finished part, encoders in the order of their
        registry. A damaged part is set aside and said, so that it is computed again."""
        found = {}
        for path in (self.path / self.parts).glob("*-seed*.h5"):
            name, _, seed = path.stem.rpartition("-seed")
            if seed.isdecimal():
                tree = self.read(path.stem, lambda message: print(message, file=sys.stderr))
                # Parts of before encoders had settings are called by their names.
                encoder = name if tree is None else str(tree.get("encoder", name))
                if tree is not None and file_name(encoder) == name:
                    found[encoder, int(seed)] = tree
        return {part: found[part] for part in sorted(found, key=_place)}


def run(settings: EncoderSwap, execution: SwapExecution) -> str:
    """Check everything, run the parts that are missing, write the results; returns the summary."""
    images, stimuli = load_both(
        settings.training, settings.stimuli, execution.data_dir, download=execution.download
    )
    _check(settings, images)
    folder = SwapFolder(execution.out)
    with folder.held():
        folder.claim(settings, images, stimuli)
        if stimuli.simulated or images.simulated:
            print("SIMULATED data: images, subjects and ROIs are made by a program.")
        tasks = [
            SwapTask(settings, encoder, seed=seed, folder=folder.path, data_dir=execution.data_dir)
            for seed in settings.seeds
            for encoder in settings.encoders
        ]
        there = folder.contents()
        n_there = sum((task.encoder, task.seed) in there for task in tasks)
        print(f"{len(tasks)} parts, {n_there} of them there, into {folder.path}")
        runner = runner_of(Execution(workers=execution.workers))
        derived = finished(folder, tasks, runner, execution.workers)
        parts = there if n_there == len(tasks) else folder.contents()
        text = derived.words(lambda: write_results(folder, parts, settings, images, stimuli))
    first_seed = dict.fromkeys(encoder for encoder, _ in parts)
    seeds = {seed for _, seed in parts}
    earlier = len(parts) - len(tasks)
    also = f", {earlier} of {len(parts)} parts from earlier commands" if earlier else ""
    if len(parts) < len(first_seed) * len(seeds):
        also += "; not every encoder has every seed: means are over those it has"
    return f"{text}\ntables and figures in {folder.path}{also}"


def write_results(
    folder: SwapFolder,
    parts: dict[tuple[str, int], dict[str, Any]],
    settings: EncoderSwap,
    images: TrainingImages,
    stimuli: StimulusSet,
) -> tuple[str, list[str]]:
    """Tables and figures of every part the folder holds, those of earlier commands too; returns
    the summary and the names of the files.

    What the tables hold is what the folder holds, whatever was asked for last: asking for one
    encoder more leaves the others where they were.
    """
    first_seed: dict[str, int] = {}
    for encoder, seed in parts:
        first_seed.setdefault(encoder, seed)
    seeds = tuple(sorted({seed for _, seed in parts}))
    settings = dataclasses.replace(settings, encoders=tuple(first_seed), seeds=seeds)
    tables = {
        name: pd.concat([table_of(tree[name]) for tree in parts.values()], ignore_index=True)
        for name in TABLES
    }
    px = images.x_train.shape[1]
    references = reference_table(stimuli, [px]).rename(columns={"rule": "encoder"})
    tables["alignment"] = pd.concat([tables["alignment"], references], ignore_index=True)
    baselines = [pixel_baseline(SwapImages.of(settings, seed, images)) for seed in seeds]
    rasters = {part[0]: parts[part]["raster"] for part in first_seed.items()}
    results = SwapResults(
        settings, tables["curve"], tables["energy"], tables["alignment"], rasters,
        sum(baselines) / len(baselines), 1 / len(images.class_names),
        images.simulated or stimuli.simulated, tuple(stimuli.brain.rois),
    )  # fmt: skip
    tables["summary"] = results.summary_table()
    for name, table in tables.items():
        with whole_or_nothing(folder.path / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
    for name, draw in FIGURES.items():
        save(draw(results), folder.path / "figures", name)
    return results.summary(), [
        *(f"{name}.csv" for name in tables),
        *(f"figures/{name}.{kind}" for name in FIGURES for kind in KINDS),
    ]


def _check(settings: EncoderSwap, images: TrainingImages) -> None:
    """What only shows in a cell's or the data's own checks, before long work starts."""
    made(RULE_CELLS, settings.cell)
    for seed in settings.seeds:
        images.subset(settings.n_train, settings.n_test, seed)
    if images.x_train.shape[1] != images.x_train.shape[2] or images.x_train.shape[1] < 16:
        raise ValueError(
            f"training images must be square and at least 16 px, got {images.x_train.shape[1:3]}"
        )


def _place(part: tuple[str, int]) -> tuple[int, str, int]:
    """Registered encoders in their order, then those with settings."""
    encoder, seed = part
    known = encoder in ENCODER_NAMES
    return ENCODER_NAMES.index(encoder) if known else len(ENCODER_NAMES), encoder, seed
