"""The settings of ``unsupervised_digits.py``. Light: ``--help`` imports this and nothing heavy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from neurosim.experiments.settings.options import option, require_folder, require_seeds


@dataclass(frozen=True)
class Settings:
    """What the numbers depend on, and where they go."""

    seeds: tuple[int, ...] = option((0, 1, 2), "each splits, draws and orders anew")
    epochs: int = option(8, "passes over the training digits")
    n_train: int = option(1400, "digits to learn from; the rest of 1,797 are held out")
    n_cells: int = option(100, "excitatory cells")
    image_px: int = option(28, "8: as they are; 28: as many inputs as MNIST (784)")
    batch_size: int = option(20, "digits whose changes are added up before the weights move")
    duration_ms: float = option(100.0, "length of a presentation")
    max_rate_hz: float = option(128.0, "Poisson rate of a white pixel")
    out: Path = option(Path("runs/digits"), "folder of the results")
    workers: int = option(os.cpu_count() or 1, "processes side by side; by default all cores")

    def __post_init__(self) -> None:
        for name in ("epochs", "n_cells", "batch_size", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        require_seeds("seeds", self.seeds)
        require_folder(self.out)
