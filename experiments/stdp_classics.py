"""Classic experiments of spike-timing plasticity, simulated: do they come out as published?

    python experiments/stdp_classics.py --out runs/classics             # all of them, with figures
    python experiments/stdp_classics.py --classics song --time-share 2  # one, for twice as long

Each is one simulation with a criterion; the exit status is 1 where a criterion fails. Together
they take about a minute on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosim.experiments.settings.options import (
    Layer,
    Parser,
    add_options,
    build,
    option,
    require_folder,
    require_seeds,
)
from neurosim.experiments.system.failures import command
from neurosim.naming.choices import Choices

CLASSIC_NAMES = ("song", "vogels")
#: Under a tenth nothing has settled; no criterion then tells anything.
LEAST_TIME_SHARE = 0.1


@dataclass(frozen=True)
class Settings:
    """Which classics, for how long, and where figures go."""

    classics: tuple[str, ...] = option(CLASSIC_NAMES, "which to run", known=CLASSIC_NAMES)
    seed: int = option(0, "of every random number")
    time_share: float = option(1.0, "share of the simulated time")
    out: Path = option(Path("runs/classics"), "folder of figures and numbers")

    def __post_init__(self) -> None:
        known = Choices("classic", dict.fromkeys(CLASSIC_NAMES))
        if not self.classics or len(set(self.classics)) != len(self.classics):
            raise ValueError(f"classics must name some, each once, got {list(self.classics)}")
        for name in self.classics:
            _ = known[name]
        if not LEAST_TIME_SHARE <= self.time_share <= 100:
            raise ValueError(
                f"time_share must lie between {LEAST_TIME_SHARE} and 100, got {self.time_share}: "
                "in less time nothing settles"
            )
        require_folder(self.out)
        require_seeds("seed", (self.seed,))


def _command(argv: Sequence[str] | None) -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    add_options(parser, Settings, "settings")
    layer = Layer.from_command_line(parser.parse_args(argv), Settings)
    return run(build(Settings, Settings(), layer))


def run(settings: Settings) -> int:
    """Simulate and draw each; returns 1 where a criterion fails."""
    import time

    import pandas as pd

    from neurosim.experiments.classics import draw
    from neurosim.experiments.classics.song import competition
    from neurosim.experiments.classics.vogels import balance
    from neurosim.experiments.figures.style import save
    from neurosim.experiments.results.table import write_csv

    simulations: dict[str, tuple[Any, float, Any]] = {
        "song": (competition, 1000.0, draw.song),
        "vogels": (balance, 20.0, draw.vogels),
    }
    rows, failed = [], 0
    for name in settings.classics:
        simulated, seconds, figure = simulations[name]
        began = time.perf_counter()
        outcome = simulated(seconds * settings.time_share, seed=settings.seed)
        took = time.perf_counter() - began
        print(f"{outcome} in {took:.0f} s", flush=True)
        save(figure(outcome), settings.out, name)
        failed += not outcome.passed
        rows += [
            {"classic": name, "number": key, "value": value, "passed": outcome.passed}
            for key, value in outcome.numbers.items()
        ]
        write_csv(settings.out / "classics.csv", pd.DataFrame(rows))
    return 1 if failed else 0


main = command(_command, interrupted="finished figures are kept")

if __name__ == "__main__":
    sys.exit(main())
