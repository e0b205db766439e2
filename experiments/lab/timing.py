"""What timing variants do: each figure of the laboratory with its table, and the check."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from neurosim.experiments.figures.style import save
from neurosim.experiments.lab import figures as drawn
from neurosim.experiments.lab.check import check
from neurosim.experiments.lab.protocols import (
    CHUNK_S,
    CURVES,
    ENSEMBLES,
    PoissonRun,
    best_pair_rule,
    chi2,
    frequency_table,
    has_drift,
    rate_table,
    settle_weights,
    window_table,
)
from neurosim.experiments.lab.timing_settings import DEFAULT_VARIANTS, FIGURE_NAMES, Settings
from neurosim.experiments.results.table import write_csv
from neurosim.naming.made import canonical, made
from neurosim.spiking import (
    TIMINGS,
    AllPairs,
    NearestPair,
    PoissonNeuron,
    stationary_density,
)


def run_check(settings: Settings, variants: Sequence[str] | None = None) -> int:
    """Print one line a comparison, of the variants by name or of all; 1 if any fails."""
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
    found = {}
    if settings.variants != DEFAULT_VARIANTS:
        found["weights"] = "is of four weight dependences of one timing, whatever the variants"
    if "rates" in settings.figures and not any(map(has_drift, timings.values())):
        found["rates"] = "is of drifts by rates, which are known for none of the variants"
    return found


def draw_window(settings: Settings, timings: dict[str, Any]) -> None:
    """window.csv and window.png."""
    table = window_table(timings, np.arange(-100.0, 101.0, 5.0).tolist())
    _write(settings, "window", table, drawn.window(table))


def draw_frequency(settings: Settings, timings: dict[str, Any]) -> None:
    """frequency.csv and frequency.png, with the best that pair rules can do."""
    shown = {
        **timings,
        "all-pairs, best amplitudes": best_pair_rule(AllPairs),
        "nearest-pair, best amplitudes": best_pair_rule(NearestPair),
    }
    table = frequency_table(shown, [0.1, *np.arange(2.5, 50.1, 2.5)])
    fits = {name: chi2(timing) for name, timing in shown.items()}
    table["chi2_per_point"] = table["timing"].map(fits)
    _write(settings, "frequency", table, drawn.frequency(table, fits))


def draw_rates(settings: Settings, timings: dict[str, Any]) -> None:
    """rates.csv and rates.png: variants whose drift by rates is known."""
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
    _write(settings, "rates", table, drawn.rates(table, run))


def draw_weights(settings: Settings, timings: dict[str, Any]) -> None:
    """weights.csv, weights_theory.csv and weights.png."""
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
    _write(settings, "weights", table, drawn.weights(table, line, seconds))


def _write(settings: Settings, name: str, table, figure) -> None:
    write_csv(settings.out / f"{name}.csv", table)
    save(figure, settings.out, name)


_DRAW = {
    "window": draw_window,
    "frequency": draw_frequency,
    "rates": draw_rates,
    "weights": draw_weights,
}
