"""Result tables of known values, as ``results.merge`` makes them from cells."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurosim.experiments.results.table import merge

RULES = ("untrained", "bp", "fa", "pc", "stdp")
LAYERS = ("Conv1", "FC1")
BRAIN = {"n_subjects": 8, "n_pairs": 1770, "n_undefined": 0, "subject": "all"}


def cell(
    rule: str,
    seed: int,
    *,
    epochs: tuple[int, ...],
    px: tuple[int, ...],
    rois: tuple[str, ...],
    statistics_only: bool,
    bounds: tuple[float, float],
    still: tuple[str, ...],
) -> pd.DataFrame:
    """One rule and seed; every score is drawn at random, so no two rows share a value."""
    rng = np.random.default_rng([seed, len(rule), *rule.encode()])
    rows = []
    zero_points = [(e, True) for e in epochs if e and statistics_only]
    for epoch, flag in [*((e, False) for e in epochs), *zero_points]:
        displacement = 0.0 if epoch == 0 or flag or rule == "untrained" else 0.3
        if rule in still:
            displacement = min(displacement, 0.004)
        for size in px:
            for policy in ("none",) if rule == "stdp" else ("identity", "running"):
                for layer in LAYERS:
                    for readout in ("units",) if layer == "FC1" else ("gap", "4x4"):
                        for roi in rois:
                            for convention in ("subject_mean", "mean_rdm"):
                                rows.append(
                                    {
                                        "rule": rule, "seed": seed, "epoch": epoch,
                                        "statistics_only": flag, "px": size,
                                        "normalisation": policy, "readout": readout,
                                        "layer": layer, "roi": roi, "convention": convention,
                                        "rho": rng.normal(0.05, 0.05),
                                        "noise_lower": bounds[0], "noise_upper": bounds[1],
                                        "displacement": displacement,
                                        "direction_change": displacement**2 / 2,
                                        "test_accuracy": 0.1 + 0.1 * epoch, **BRAIN,
                                    }
                                )  # fmt: skip
    return pd.DataFrame(rows)


def references(
    px: tuple[int, ...], rois: tuple[str, ...], bounds: tuple[float, float]
) -> pd.DataFrame:
    """Two reference models, in range of the rules' scores."""
    return pd.DataFrame(
        {
            "rule": f"reference:{name}", "px": size, "layer": name, "roi": roi,
            "convention": convention, "rho": rho,
            "noise_lower": bounds[0], "noise_upper": bounds[1], **BRAIN,
        }
        for name, rho in (("luminance", 0.01), ("pixels", 0.06))
        for size in px
        for roi in rois
        for convention in ("subject_mean", "mean_rdm")
    )  # fmt: skip


def table(
    rules: tuple[str, ...] = RULES,
    seeds: tuple[int, ...] = (42, 123, 456),
    *,
    epochs: tuple[int, ...] = (0, 1, 2, 5),
    px: tuple[int, ...] = (32, 160),
    rois: tuple[str, ...] = ("EVC", "IT"),
    statistics_only: bool = True,
    bounds: tuple[float, float] = (0.247, 0.399),
    still: tuple[str, ...] = ("stdp",),
    simulated: bool = False,
) -> pd.DataFrame:
    """A whole result table; ``still``: rules whose layers hardly move."""
    cells = [
        cell(rule, seed, epochs=epochs, px=px, rois=rois, statistics_only=statistics_only,
             bounds=bounds, still=still)
        for rule in rules
        for seed in seeds
    ]  # fmt: skip
    return merge(cells, references(px, rois, bounds), simulated=simulated)
