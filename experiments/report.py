"""What a finished run leaves: ``results.csv``, the figures, and a summary in words."""

from __future__ import annotations

import pandas as pd

from neurosim.experiments.cells import read_table
from neurosim.experiments.config import Comparison
from neurosim.experiments.data_types import StimulusSet
from neurosim.experiments.evaluate import reference_table
from neurosim.experiments.figures import draw_all
from neurosim.experiments.results import describe, merge, summary, write_csv, write_parquet
from neurosim.experiments.run_folder import RunFolder


def write_results(folder: RunFolder, settings: Comparison, stimuli: StimulusSet, layer: str) -> str:
    """Merge the cells, write table and figures; returns the summary as text."""
    cells = [read_table(path) for path in folder.cells_of(settings)]
    references = reference_table(stimuli, settings.evaluation_px)
    table = merge(cells, references, simulated=stimuli.simulated)
    write_csv(folder.results, table)
    write_parquet(folder.results.with_suffix(".parquet"), table)
    draw_all(table, folder.figures, layer=layer)
    return summary_text(table, settings, layer, folder)


def summary_text(table: pd.DataFrame, settings: Comparison, layer: str, folder: RunFolder) -> str:
    """The summary of every ROI at the largest px, with its conventions."""
    px = max(settings.evaluation_px)
    policy = "running" if "running" in settings.normalisation else settings.normalisation[0]
    shown = table[(table["px"] == px) & (table["convention"] == "subject_mean")]
    n_seeds = table["seed"].nunique()
    blocks = [_roi_text(table, shown, roi, layer, px, policy, n_seeds) for roi in _rois(table)]
    return "\n".join(
        [
            *blocks,
            describe(n_seeds),
            f"table: {folder.results}; figures: {folder.figures}",
        ]
    )


def _rois(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(table["roi"]))


def _roi_text(
    table: pd.DataFrame,
    shown: pd.DataFrame,
    roi: str,
    layer: str,
    px: int,
    policy: str,
    n_seeds: int,
) -> str:
    lines = summary(table, roi=roi, layer=layer, px=px, normalisation=policy)
    of_roi = shown[shown["roi"] == roi]
    references = of_roi[of_roi["rule"].str.startswith("reference:")]
    accounts = ", ".join(
        f"{rule.removeprefix('reference:')} {rho:.3f}"
        for rule, rho in zip(references["rule"], references["rho"], strict=True)
    )
    simulated = "SIMULATED " if table["simulated"].all() else ""
    bounds = of_roi.iloc[0]
    return "\n".join(
        [
            "",
            f"{simulated}{roi}, {layer}, {px} px, normalisation {policy}, subject_mean Spearman; "
            f"mean of {n_seeds} seed(s), epoch {table['epoch'].max()}",
            lines.to_string(index=False, float_format=lambda v: f"{v:.3f}", na_rep="-"),
            f"noise bounds {bounds['noise_lower']:.3f} to {bounds['noise_upper']:.3f}; "
            f"reference models: {accounts}",
            "",
        ]
    )
