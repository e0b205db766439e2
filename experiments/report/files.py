"""What a finished run leaves: ``results.csv``, the figures, and a summary in words."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from neurosim.arrays.storage import write_text
from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.figures.all_figures import draw_all, figures_of
from neurosim.experiments.job.evaluate import reference_table
from neurosim.experiments.job.store import read_table
from neurosim.experiments.report.page import render
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.published_things import beside, is_things
from neurosim.experiments.results.table import (
    describe,
    merge,
    read_csv,
    summary,
    write_csv,
    write_parquet,
)
from neurosim.experiments.results.words import between, counted, number
from neurosim.experiments.run.derived import Derived
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.run.stored import StoredRun
from neurosim.experiments.settings.config import Comparison

#: What the audit leaves, and the page that shows it.
AUDIT, PAGE = "audit.json", "report.html"
_KINDS = ("png", "pdf", "svg")


def write_results(
    folder: RunFolder, settings: Comparison, stimuli: StimulusSet, layer: str, derived: Derived
) -> str:
    """Merge the jobs, write those of table, figures and page that are not there yet; returns the
    summary as text."""
    run = StoredRun.read(folder.path).require_checkpoint()
    if derived.missing([*_tables(run), *_figures(run), PAGE]):
        table = write_report(run, stimuli, folder.path, layer=layer, derived=derived)
        done = ""
    else:
        table = read_csv(folder.results)
        done = "\nnothing was left to do: all jobs are finished, and what follows is of them"
    return done + summary_text(table, settings, layer, folder)


def _tables(run: StoredRun) -> list[str]:
    return ["results.csv", "results.parquet"] + ["published.csv"] * is_things(run.settings.stimuli)


def _figures(run: StoredRun) -> list[str]:
    return [
        f"figures/{name}.{kind}" for name in figures_of(run.settings.stimuli) for kind in _KINDS
    ]


def write_report(
    run: StoredRun,
    stimuli: StimulusSet,
    out: Path,
    *,
    layer: str,
    derived: Derived | None = None,
) -> pd.DataFrame:
    """Write ``results.csv``, ``results.parquet``, ``figures/`` and ``report.html`` of a run.

    Args:
        run: finished or not; what its jobs hold is reported.
        stimuli: those the run was evaluated on.
        out: the folder to write into.
        derived: what is there already and is not made again; None: all is made.

    Returns:
        The tidy table.

    Raises:
        ValueError: the stimuli are not those of the run.
    """
    there, given = run.data["stimuli"], stimuli.sha256
    if there != given:
        raise ValueError(
            f"{run.path} was evaluated on stimuli with SHA-256 {there[:12]}..., the data at hand "
            f"have {given[:12]}...: give --data-dir the data of that run"
        )
    references = reference_table(stimuli, run.settings.evaluation_px)
    table = merge(
        [read_table(job.path) for job in run.readable], references, simulated=stimuli.simulated
    )

    def lacking(names: list[str]) -> list[str]:
        return names if derived is None else derived.missing(names)

    def made(names: list[str]) -> None:
        if derived is not None:
            derived.made(names)

    if lacking(_tables(run)):
        write_csv(out / "results.csv", table)
        write_parquet(out / "results.parquet", table)
        if is_things(run.settings.stimuli):
            readout = Headline.of(table, layer=layer).readout
            write_csv(out / "published.csv", beside(table, readout=readout))
        made(_tables(run))
    if figures := lacking(_figures(run)):
        names = {Path(name).stem for name in figures}
        draw_all(table, out / "figures", layer=layer, stimuli=run.settings.stimuli, only=names)
        made(figures)
    if lacking([PAGE]):
        write_page(run, table, stimuli, out, layer=layer)
        made([PAGE])
    return table


def write_page(
    run: StoredRun, table: pd.DataFrame, stimuli: StimulusSet, out: Path, *, layer: str
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
        f"{rule.removeprefix('reference:')} {number(rho)}"
        for rule, rho in zip(references["rule"], references["rho"], strict=True)
    )
    simulated = "SIMULATED " if table["simulated"].all() else ""
    bounds = of_roi.iloc[0]
    return "\n".join(
        [
            "",
            f"{simulated}{roi}, {layer}, {px} px, normalisation {policy}, subject_mean Spearman; "
            f"mean of {counted(n_seeds, 'seed')}, epoch {table['epoch'].max()}",
            lines.to_string(index=False, float_format=number, na_rep="-"),
            f"noise bounds {between(bounds['noise_lower'], bounds['noise_upper'])}; "
            f"reference models: {accounts}",
            "",
        ]
    )
