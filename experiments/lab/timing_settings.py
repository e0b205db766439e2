"""The settings of ``stdp_timing.py``. Light: ``--help`` imports this and nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neurosim.experiments.settings.options import option, require_folder, require_seeds
from neurosim.naming.choices import Choices

DEFAULT_VARIANTS = ("all-pairs", "nearest-pair", "triplet-full", "triplet-nearest-full")
#: Of 20 s: 40 trains of 1 Hz then hold 8 spikes.
LEAST_TIME_SHARE = 0.01
FIGURE_NAMES = ("window", "frequency", "rates", "weights")


@dataclass(frozen=True)
class Settings:
    """What is drawn, and where it goes."""

    variants: tuple[str, ...] = option(
        DEFAULT_VARIANTS, "timings, with settings where wanted, 'triplet(tau_x_ms=50)', or all"
    )
    figures: tuple[str, ...] = option(FIGURE_NAMES, "what to draw", known=FIGURE_NAMES)
    seed: int = option(0, "of every random train")
    time_share: float = option(1.0, "share of the simulated time of rates and weights")
    check: bool = option(
        False, "compare the variants (every one unless named) with their laws, draw nothing"
    )
    n_trains: int = option(60, "random trains a variant under --check")
    out: Path = option(Path("runs/stdp"), "folder of figures and tables")

    def __post_init__(self) -> None:
        figures = Choices("figure", dict.fromkeys(FIGURE_NAMES))
        for name, values in (("variants", self.variants), ("figures", self.figures)):
            if not values or len(set(values)) != len(values):
                raise ValueError(f"{name} must name at least one, each once, got {list(values)}")
        for figure in self.figures:
            _ = figures[figure]
        if "all" in self.variants and len(self.variants) > 1:
            raise ValueError("variants: all stands alone, or name some")
        if not LEAST_TIME_SHARE <= self.time_share <= 100:
            raise ValueError(
                f"time_share must lie between {LEAST_TIME_SHARE} and 100, got {self.time_share}: "
                "less time holds hardly a spike"
            )
        require_folder(self.out)
        require_seeds("seed", (self.seed,))
        if self.n_trains < 1:
            raise ValueError(f"n_trains must be 1 or more, got {self.n_trains}")
