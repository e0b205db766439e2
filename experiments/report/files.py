"""What a finished run leaves: ``results.csv``, the figures, and a summary in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neurosim.arrays.storage import write_text
from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.figures.all_figures import draw_all, figures_of
from neurosim.experiments.figures.style import KINDS
from neurosim.experiments.job.evaluate import reference_table
from neurosim.experiments.job.store import read_table
from neurosim.experiments.report.page import render
from neurosim.experiments.results.choice import Headline, View
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
from neurosim.models.rule_table import label_of

#: What the audit leaves, and the page that shows it.
AUDIT, PAGE = "audit.json", "report.html"


def write_results(folder: RunFolder, stimuli: StimulusSet, layer: str, derived: Derived) -> str:
    """Merge the jobs, write those of table, figures and page that are not there yet; returns the
    summary as text."""
    run = StoredRun.read(folder.path).require_checkpoint()
    if derived.missing([*_tables(run), *_figures(run), PAGE]):
        table = write_report(run, stimuli, folder.path, layer=layer, derived=derived)
        done = ""
    else:
        table = read_csv(folder.results)
        done = "\nnothing was left to do: all jobs are finished, and what follows is of them"
    return done + summary_text(Headline.of(table, layer=layer), folder)


def _tables(run: StoredRun) -> list[str]:
    return ["results.csv", "results.parquet"] + ["published.csv"] * is_things(run.settings.stimuli)


def _figures(run: StoredRun) -> list[str]:
    return [f"figures/{name}.{kind}" for name in figures_of(run.settings.stimuli) for kind in KINDS]


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
    references = reference_table(stimuli, run.settings.evaluation_px, run.settings.comparator)
    table = merge(
        [read_table(job.path) for job in run.readable],
        references,
        simulated=stimuli.simulated,
        comparator=run.settings.comparator,
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


def summary_text(headline: Headline, folder: RunFolder) -> str:
    """The summary of every ROI at the largest px, with its conventions."""
    return "\n".join(
        [
            *(_roi_text(headline, headline.view(roi)) for roi in headline.rois),
            describe(headline.table),
            f"report: {folder.path / 'report.html'}; table: {folder.results}; "
            f"figures: {folder.figures}",
        ]
    )


def _roi_text(headline: Headline, view: View) -> str:
    table, px, policy = headline.table, headline.px, headline.normalisation
    lines = summary(
        table, roi=view.roi, layer=view.layer, px=px, normalisation=policy, readout=headline.readout
    )
    if not lines.empty:
        lines["rule"] = lines["rule"].map(label_of)
    accounts = ", ".join(f"{name} {number(rho)}" for name, rho in view.references.items())
    return "\n".join(
        [
            "",
            f"{'SIMULATED ' * headline.simulated}{view.roi}, {view.layer}, {px} px, normalisation "
            f"{policy}, {headline.convention} {headline.score}; mean of "
            f"{counted(table['seed'].nunique(), 'seed')}, epoch {table['epoch'].max()}",
            lines.to_string(index=False, float_format=number, na_rep="-"),
            f"noise bounds {between(*view.bounds or (np.nan, np.nan))}; "
            f"reference models: {accounts}",
            "",
        ]
    )
