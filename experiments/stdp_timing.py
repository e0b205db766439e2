"""The STDP laboratory: what timing variants do, beside what theory and data say.

    python experiments/stdp_timing.py --out runs/stdp          # figures and tables
    python experiments/stdp_timing.py --check                  # every variant against its law

Draws, for the chosen variants, the window, the frequency dependence beside the data of Sjostrom
et al. 2001, and the drift by rates; and the weights that Poisson spikes lead to under four weight
dependences. Every number comes from the kernels that train networks.
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


def _command(argv: Sequence[str] | None) -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    add_options(parser, Settings, "settings")
    layer = Layer.from_command_line(parser.parse_args(argv), Settings)
    settings = build(Settings, Settings(), layer)
    if not settings.check:
        return run_figures(settings)
    # The default of the figures is a choice among variants; a check leaves none out unasked.
    named = "variants" in layer.values and settings.variants != ("all",)
    return run_check(settings, settings.variants if named else None)


def run_check(settings: Settings, variants: Sequence[str] | None = None) -> int:
    """Print one line a comparison, of the variants by name or of all; 1 if any fails."""
    from neurosim.experiments.lab.check import check

    n, failed = 0, []
    for finding in check(settings.n_trains, settings.seed, variants):
        print(finding, flush=True)
        n += 1
        if not finding.ok:
            failed.append(finding.name)
    print(f"{n} comparisons, {len(failed)} failed{': ' if failed else ''}{'; '.join(failed)}")
    return 1 if failed else 0


def run_figures(settings: Settings) -> int:
    """Draw and write each figure with its table."""
    from neurosim.naming.made import canonical, made
    from neurosim.spiking import TIMINGS

    names = list(TIMINGS) if settings.variants == ("all",) else settings.variants
    timings = {canonical(TIMINGS, name): made(TIMINGS, name) for name in names}
    figures = list(settings.figures)
    for figure, why in _cannot_draw(settings, timings).items():
        if figure not in figures:
            continue
        if settings.figures != FIGURE_NAMES:
            raise ValueError(
                f"the figure {figure} {why}: leave it out of --figures, or give other --variants"
            )
        print(f"{figure}: left out, it {why}", file=sys.stderr)
        figures.remove(figure)
    for figure in figures:
        _DRAW[figure](settings, timings)
        print(settings.out / f"{figure}.png", flush=True)
    return 0


def _cannot_draw(settings: Settings, timings: dict[str, Any]) -> dict[str, str]:
    """The figures that these variants have no part in, and why."""
    from neurosim.experiments.lab.protocols import has_drift

    found = {}
    if settings.variants != DEFAULT_VARIANTS:
        found["weights"] = "is of four weight dependences of one timing, whatever the variants"
    if "rates" in settings.figures and not any(map(has_drift, timings.values())):
        found["rates"] = "is of drifts by rates, which are known for none of the variants"
    return found


def draw_window(settings: Settings, timings: dict[str, Any]) -> None:
    """window.csv and window.png."""
    import numpy as np

    from neurosim.experiments.lab import figures as stdp_figures
    from neurosim.experiments.lab import protocols as stdp_protocols

    table = stdp_protocols.window_table(timings, np.arange(-100.0, 101.0, 5.0).tolist())
    _write(settings, "window", table, stdp_figures.window(table))


def draw_frequency(settings: Settings, timings: dict[str, Any]) -> None:
    """frequency.csv and frequency.png, with the best that pair rules can do."""
    import numpy as np

    from neurosim.experiments.lab import figures as stdp_figures
    from neurosim.experiments.lab.protocols import best_pair_rule, chi2, frequency_table
    from neurosim.spiking import AllPairs, NearestPair

    shown = {
        **timings,
        "all-pairs, best amplitudes": best_pair_rule(AllPairs),
        "nearest-pair, best amplitudes": best_pair_rule(NearestPair),
    }
    table = frequency_table(shown, [0.1, *np.arange(2.5, 50.1, 2.5)])
    fits = {name: chi2(timing) for name, timing in shown.items()}
    table["chi2_per_point"] = table["timing"].map(fits)
    _write(settings, "frequency", table, stdp_figures.frequency(table, fits))


def draw_rates(settings: Settings, timings: dict[str, Any]) -> None:
    """rates.csv and rates.png: variants whose drift by rates is known."""
    import pandas as pd
    from tqdm import tqdm

    from neurosim.experiments.lab import figures as stdp_figures
    from neurosim.experiments.lab.protocols import CURVES, PoissonRun, has_drift, rate_table

    known = {name: timing for name, timing in timings.items() if has_drift(timing)}
    for name in timings:
        if name not in known:
            print(f"rates: {name} is left out, no drift by rates is known for it", file=sys.stderr)
    rates_hz = [1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0]
    run = PoissonRun(seconds=20.0 * settings.time_share)
    rows = tqdm(
        rate_table(known, rates_hz, run, settings.seed),
        total=len(known) * len(CURVES) * len(rates_hz), desc="rates", unit="point", disable=None,
    )  # fmt: skip
    table = pd.DataFrame(rows)
    _write(settings, "rates", table, stdp_figures.rates(table, run))


def draw_weights(settings: Settings, timings: dict[str, Any]) -> None:
    """weights.csv, weights_theory.csv and weights.png."""
    import numpy as np
    import pandas as pd
    from tqdm import tqdm

    from neurosim.experiments.lab import figures as stdp_figures
    from neurosim.experiments.lab.protocols import CHUNK_S, ENSEMBLES, settle_weights
    from neurosim.experiments.results.table import write_csv
    from neurosim.spiking import PoissonNeuron, stationary_density

    neuron, grid = PoissonNeuron(), np.linspace(0, 1, 401)
    found, theory = [], []
    total = sum(ensemble.n_chunks(settings.time_share) for ensemble in ENSEMBLES.values())
    with tqdm(total=total, desc="weights", disable=None) as progress:
        for name, ensemble in ENSEMBLES.items():
            weight = settle_weights(
                ensemble, neuron, settings.seed, settings.time_share, progress.update
            )
            found.append(pd.DataFrame({"ensemble": name, "weight": weight.flatten()}))
            density = stationary_density(ensemble.timing, neuron, grid)
            theory.append(pd.DataFrame({"ensemble": name, "weight": grid, "density": density}))
    table, line = pd.concat(found), pd.concat(theory)
    seconds = {
        name: ensemble.n_chunks(settings.time_share) * CHUNK_S
        for name, ensemble in ENSEMBLES.items()
    }
    write_csv(settings.out / "weights_theory.csv", line)
    _write(settings, "weights", table, stdp_figures.weights(table, line, seconds))


def _write(settings: Settings, name: str, table, figure) -> None:
    from neurosim.experiments.figures.style import save
    from neurosim.experiments.results.table import write_csv

    write_csv(settings.out / f"{name}.csv", table)
    save(figure, settings.out, name)


_DRAW = {
    "window": draw_window,
    "frequency": draw_frequency,
    "rates": draw_rates,
    "weights": draw_weights,
}

main = command(_command, interrupted="finished figures are kept")

if __name__ == "__main__":
    sys.exit(main())
