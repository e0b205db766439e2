"""The folder of one ``encoder_swap`` run: its settings, its parts, its tables and figures."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from neurosim.experiments.data.types import StimulusSet, TrainingImages
from neurosim.experiments.job.evaluate import reference_table
from neurosim.experiments.job.revisions import SPIKING
from neurosim.experiments.settings.config import ENCODER_NAMES
from neurosim.experiments.settings.options import require_folder
from neurosim.experiments.swap.config import EncoderSwap, with_defaults
from neurosim.experiments.swap.part import SwapImages, pixel_baseline, table_of
from neurosim.experiments.system.failures import require_same
from neurosim.storage import (
    DamagedFileError,
    read_tree,
    set_aside,
    whole_or_nothing,
    write_text,
    write_tree,
)

TABLES = ("curve", "energy", "alignment")


class SwapFolder:
    """Paths below one folder, and the promise that it holds one run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def claim(self, settings: EncoderSwap, images: TrainingImages, stimuli: StimulusSet) -> None:
        """Write down what this run is, or check that it is what the folder already holds.

        Encoders and seeds may be added: parts do not depend on each other.

        Raises:
            ValueError: the folder holds a run with other settings or data.
        """
        asked = {
            **settings.run_settings(),
            "training_sha256": images.sha256,
            "stimuli_sha256": stimuli.sha256,
            "revision": f"{SPIKING.number}: {SPIKING.reason}",
        }
        require_folder(self.path)
        record = self.path / "swap.json"
        require_same(record, asked, with_defaults)
        write_text(record, json.dumps(asked, indent=2) + "\n")

    def _part(self, encoder: str, seed: int) -> Path:
        return self.path / "parts" / f"{encoder}-seed{seed}.h5"

    def keep(self, encoder: str, seed: int, tree: dict[str, Any]) -> None:
        """Store a finished part, whole or not at all."""
        write_tree(self._part(encoder, seed), tree)

    def finished(self) -> dict[tuple[str, int], dict[str, Any]]:
        """``(encoder, seed)`` -> content of every finished part, encoders in the order of their
        registry. A damaged part is set aside and said, so that it is computed again."""
        found = {}
        for path in (self.path / "parts").glob("*-seed*.h5"):
            encoder, _, seed = path.stem.rpartition("-seed")
            if encoder in ENCODER_NAMES and seed.isdecimal():
                try:
                    found[encoder, int(seed)] = read_tree(path)
                except DamagedFileError:
                    kept = set_aside(path)
                    print(f"{path} is damaged: it is now {kept.name}", file=sys.stderr)
        return {part: found[part] for part in sorted(found, key=_place)}

    def write_results(
        self, settings: EncoderSwap, images: TrainingImages, stimuli: StimulusSet
    ) -> str:
        """Tables and figures of every part the folder holds, those of earlier commands too;
        returns the printed summary.

        What the tables hold is what the folder holds, whatever was asked for last: asking for one
        encoder more leaves the others where they were.
        """
        from neurosim.experiments.figures.style import save
        from neurosim.experiments.swap.figures import FIGURES, SwapResults

        parts = self.finished()
        first_seed: dict[str, int] = {}
        for encoder, seed in parts:
            first_seed.setdefault(encoder, seed)
        asked = len(settings.encoders) * len(settings.seeds)
        seeds = tuple(sorted({seed for _, seed in parts}))
        settings = dataclasses.replace(settings, encoders=tuple(first_seed), seeds=seeds)
        tables = {
            name: pd.concat([table_of(tree[name]) for tree in parts.values()], ignore_index=True)
            for name in TABLES
        }
        px = images.x_train.shape[1]
        references = reference_table(stimuli, [px]).rename(columns={"rule": "encoder"})
        tables["alignment"] = pd.concat([tables["alignment"], references], ignore_index=True)
        for name, table in tables.items():
            with whole_or_nothing(self.path / f"{name}.csv") as temporary:
                table.to_csv(temporary, index=False, float_format="%.6g")
        baselines = [
            pixel_baseline(SwapImages.of(settings, seed, images)) for seed in settings.seeds
        ]
        rasters = {part[0]: parts[part]["raster"] for part in first_seed.items()}
        results = SwapResults(
            settings, tables["curve"], tables["energy"], tables["alignment"], rasters,
            sum(baselines) / len(baselines), 1 / len(images.class_names),
            images.simulated or stimuli.simulated, tuple(stimuli.brain.rois),
        )  # fmt: skip
        with whole_or_nothing(self.path / "summary.csv") as temporary:
            results.summary_table().to_csv(temporary, index=False, float_format="%.6g")
        for name, draw in FIGURES.items():
            save(draw(results), self.path / "figures", name)
        earlier = len(parts) - asked
        also = f", {earlier} of {len(parts)} parts from earlier commands" if earlier else ""
        if len(parts) < len(first_seed) * len(seeds):
            also += "; not every encoder has every seed: means are over those it has"
        return f"{results.summary()}\ntables and figures in {self.path}{also}"


def _place(part: tuple[str, int]) -> tuple[int, int]:
    encoder, seed = part
    return ENCODER_NAMES.index(encoder), seed
