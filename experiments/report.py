"""What a finished run leaves: ``results.csv``, the figures, and a summary in words."""

from __future__ import annotations

import pandas as pd

from neurosim.experiments.batches import normalise
from neurosim.experiments.cells import read_table
from neurosim.experiments.config import Comparison
from neurosim.experiments.data_types import StimulusSet
from neurosim.experiments.evaluate import Evaluation
from neurosim.experiments.figures import draw_all
from neurosim.experiments.results import describe_p, merge, summary, write_csv
from neurosim.experiments.run_folder import RunFolder


def write_results(folder: RunFolder, settings: Comparison, stimuli: StimulusSet, layer: str) -> str:
    """Merge the cells, write table and figures; returns the summary as text."""
    cells = [
        read_table(folder.cell(rule, seed)) for rule in settings.rules for seed in settings.seeds
    ]
    evaluation = Evaluation.prepare(
        stimuli,
        px=settings.evaluation_px,
        calibration=normalise(stimuli.at_px(settings.training_px)),
        policies=settings.normalisation,
        readouts=settings.readouts,
    )
    table = merge(cells, evaluation.references(), simulated=stimuli.simulated)
    write_csv(folder.results, table)
    draw_all(table, folder.figures, layer=layer)
    return summary_text(table, settings, layer, folder)


def summary_text(table: pd.DataFrame, settings: Comparison, layer: str, folder: RunFolder) -> str:
    """The summary table for the first ROI and the largest px, with its conventions."""
    roi, px = table["roi"].iloc[0], max(settings.evaluation_px)
    policy = "running" if "running" in settings.normalisation else settings.normalisation[0]
    lines = summary(table, roi=roi, layer=layer, px=px, normalisation=policy)
    one = table[(table["roi"] == roi) & (table["convention"] == "subject_mean")].iloc[0]
    simulated = "SIMULATED " if table["simulated"].all() else ""
    references = table[
        table["rule"].str.startswith("reference:")
        & (table["roi"] == roi)
        & (table["px"] == px)
        & (table["convention"] == "subject_mean")
    ]
    accounts = ", ".join(
        f"{rule.removeprefix('reference:')} {rho:.3f}"
        for rule, rho in zip(references["rule"], references["rho"], strict=True)
    )
    return "\n".join(
        [
            "",
            f"{simulated}{roi}, {layer}, {px} px, normalisation {policy}, subject_mean Spearman; "
            f"mean of {len(settings.seeds)} seed(s), epoch {settings.epochs}",
            lines.to_string(index=False, float_format=lambda v: f"{v:.3f}", na_rep="-"),
            f"noise bounds {one['noise_lower']:.3f} to {one['noise_upper']:.3f}; "
            f"reference models: {accounts}",
            describe_p(len(settings.seeds)),
            f"table: {folder.results}; figures: {folder.figures}",
        ]
    )
