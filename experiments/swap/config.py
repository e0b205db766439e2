"""The settings of ``encoder_swap.py``. Light: ``--help`` imports this and nothing heavy."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosim.experiments.settings.config import (
    CELL_NAMES,
    DEPENDENCE_NAMES,
    ENCODER_NAMES,
    TIMING_NAMES,
)
from neurosim.experiments.settings.options import option, require_seeds
from neurosim.experiments.settings.texts import own_sources, text_of


@dataclass(frozen=True)
class EncoderSwap:
    """Every setting that a number of the result depends on.

    The network is three convolutions of ``channels`` maps under STDP of the chosen timing and
    weight dependence and the chosen cell, the same for every encoder of a seed: initial weights,
    images and their order.
    """

    encoders: tuple[str, ...] = option(
        ENCODER_NAMES,
        "encoders, with settings where wanted, 'poisson(max_rate_hz=50)', or your own",
        known=ENCODER_NAMES,
    )
    seeds: tuple[int, ...] = option((42,), "seeds of weights, images and spikes")
    cell: str = option(CELL_NAMES[0], "spiking cell", known=CELL_NAMES)
    timing: str = option(TIMING_NAMES[0], "spike timing (docs/stdp.md)", known=TIMING_NAMES)
    weight_dependence: str = option(
        DEPENDENCE_NAMES[0], "of the changes (docs/stdp.md)", known=DEPENDENCE_NAMES
    )
    training: str = option("demo", "images to learn from and classify: demo, cifar10")
    stimuli: str = option("demo", "stimuli with their brain: demo, brain92, things")
    n_train: int = option(512, "training images a seed")
    n_test: int = option(300, "held-out images")
    epochs: int = option(1, "passes of STDP over the training images; 0 measures initial weights")
    batch_size: int = option(32, "images between two weight changes")
    channels: tuple[int, ...] = option((16, 32, 64), "maps of the three convolutions")
    duration_ms: float = option(60.0, "presentation of an image, in ticks of 5 ms")

    def __post_init__(self) -> None:
        for name, known in (
            ("cell", CELL_NAMES),
            ("timing", TIMING_NAMES),
            ("weight_dependence", DEPENDENCE_NAMES),
        ):
            object.__setattr__(self, name, text_of(name, getattr(self, name), known))
        if not self.encoders:
            raise ValueError(f"encoders is empty: name at least one of {', '.join(ENCODER_NAMES)}")
        encoders = tuple(text_of("encoder", each, ENCODER_NAMES) for each in self.encoders)
        object.__setattr__(self, "encoders", encoders)
        for name in ("encoders", "seeds"):
            value = getattr(self, name)
            if not value or len(set(value)) != len(value):
                raise ValueError(
                    f"{name} must name one or more entries, each once, got "
                    f"{', '.join(map(str, value)) or 'none'}"
                )
        require_seeds("seeds", self.seeds)
        for name, least in (("n_test", 1), ("epochs", 0), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.n_train < max(2, self.batch_size):
            raise ValueError(
                f"n_train ({self.n_train}) is less than one batch ({self.batch_size}): the last "
                "partial batch is dropped, so nothing would be learned"
            )
        if len(self.channels) != 3 or any(n < 1 for n in self.channels):
            raise ValueError(
                f"channels are three numbers of maps of at least 1, got {list(self.channels)}"
            )
        ticks = self.duration_ms / DT_MS
        if not (ticks >= 1 and abs(ticks - round(ticks)) < 1e-9):
            raise ValueError(
                f"duration_ms={self.duration_ms} is no whole number of ticks of {DT_MS} ms: give "
                f"a multiple of {DT_MS}"
            )
        if "delta" in self.encoders and ticks < 10:
            raise ValueError(
                "the encoder delta needs at least 10 ticks to fade an image in: give duration_ms "
                f">= {10 * DT_MS:g}, or other --encoders"
            )

    def run_settings(self) -> dict[str, Any]:
        """What has to agree with what a run folder holds: all but which parts there are."""
        settings = dataclasses.asdict(self)
        del settings["encoders"], settings["seeds"]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}

    def sources(self) -> dict[str, str]:
        """File or module -> SHA-256, of everything that is a user's own."""
        named = ("cell", "timing", "weight_dependence")
        taken = {name: (getattr(self, name),) for name in named}
        return own_sources({"encoder": self.encoders, **taken})


def with_defaults(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is on record of a run, with the defaults of settings that were added since."""
    return {**EncoderSwap().run_settings(), "revision": "1", **record}


DT_MS = 5.0


@dataclass(frozen=True)
class SwapExecution:
    """Where it runs: no number of the result depends on it."""

    workers: int = option(os.cpu_count() or 1, "processes side by side; by default all cores")
    data_dir: Path | None = option(None, "data; by default $NEUROSIM_DATA, else the user's cache")
    download: bool = option(False, "fetch missing data sets")
    out: Path = option(Path("runs/encoder_swap"), "run folder; running again resumes")

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
