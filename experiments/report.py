"""What a finished run leaves: ``results.csv``, the figures, and a summary in words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from neurosim.experiments.config import Comparison
from neurosim.experiments.data_types import StimulusSet
from neurosim.experiments.evaluate import reference_table
from neurosim.experiments.figure_data import Headline
from neurosim.experiments.figures import draw_all, figures_of
from neurosim.experiments.published_things import beside, is_things
from neurosim.experiments.report_page import render
from neurosim.experiments.report_run import ReportedRun
from neurosim.experiments.results import describe, merge, summary, write_csv, write_parquet
from neurosim.experiments.run_folder import RunFolder
from neurosim.storage import write_text


def write_results(folder: RunFolder, settings: Comparison, stimuli: StimulusSet, layer: str) -> str:
    """Merge the cells, write table, figures and page; returns the summary as text."""
    run = ReportedRun.read(folder.path)
    table = write_report(run, stimuli, folder.path, layer=layer)
    return summary_text(table, settings, layer, folder)


def write_report(run: ReportedRun, stimuli: StimulusSet, out: Path, *, layer: str) -> pd.DataFrame:
    """Write ``results.csv``, ``results.parquet``, ``figures/`` and ``report.html`` of a run.

    Args:
        run: finished or not; what its cells hold is reported.
        stimuli: those the run was evaluated on.
        out: the folder to write into.

    Returns:
        The tidy table.

    Raises:
        ValueError: the stimuli are not those of the run.
    """
    there, given = run.record["data"]["stimuli"], stimuli.sha256
    if there != given:
        raise ValueError(
            f"{run.path} was evaluated on stimuli with SHA-256 {there[:12]}..., the data at hand "
            f"have {given[:12]}...: give --data-dir the data of that run"
        )
    references = reference_table(stimuli, run.settings.evaluation_px)
    table = merge(run.tables(), references, simulated=stimuli.simulated)
    write_csv(out / "results.csv", table)
    write_parquet(out / "results.parquet", table)
    draw_all(table, out / "figures", layer=layer, stimuli=run.settings.stimuli)
    if is_things(run.settings.stimuli):
        readout = Headline.of(table, layer=layer).readout
        write_csv(out / "published.csv", beside(table, readout=readout))
    write_page(run, table, stimuli, out, layer=layer)
    return table


def write_page(
    run: ReportedRun, table: pd.DataFrame, stimuli: StimulusSet, out: Path, *, layer: str
) -> None:
    """Write ``report.html``, whole or not at all; the figures are those in ``out/figures``."""
    names = figures_of(run.settings.stimuli)
    svg = {name: (out / "figures" / f"{name}.svg").read_text(encoding="utf-8") for name in names}
    page = render(run, Headline.of(table, layer=layer), stimuli, svg)
    write_text(out / "report.html", page)


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
            describe(table),
            f"report: {folder.path / 'report.html'}; table: {folder.results}; "
            f"figures: {folder.figures}",
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
