"""The page of a run's audit, or of a folder of activations: the same as of a model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neurosim.arrays.storage import write_text
from neurosim.experiments.audit.result import TableAudit
from neurosim.experiments.audit_page.page import Page, draw_beside, draw_legend, panels, render
from neurosim.experiments.figures.rule_styles import styles_of
from neurosim.experiments.results.words import counted, number

PAGE = "audit.html"
_START_COLOUR = "#777777"


def write_page(audit: TableAudit, folder: Path) -> Path:
    """Write ``audit.html`` beside ``audit.json``; returns its path."""
    place = Path(folder) / PAGE
    write_text(place, render(page_of(audit)))
    return place


def page_of(audit: TableAudit) -> Page:
    """What the page of an audited table shows."""
    head, audited = audit.audited.headline, audit.audited
    n_seeds = max(audited.n_seeds.values(), default=0)
    return Page(
        title=f"What of the brain scores of {audit.name} is learning",
        lead=f"{counted(len(head.layers), 'layer')}, {counted(len(head.rules), 'rule')}, "
        f"{', '.join(head.rois)}, {counted(n_seeds, 'seed')}; shown: {head.in_words()}.",
        simulated=head.simulated,
        picture=picture(audit),
        short=audit.in_short(),
        findings=audit.findings,
        tables={roi: score_table(audit, roi) for roi in head.rois},
        note="Spearman's rho, mean over subjects and seeds. Every other size, policy, readout and "
        "checkpoint is in results.csv.",
        methods=audit.methods(),
        badge=audit.badge(),
    )


def picture(audit: TableAudit) -> Figure:
    """One panel per region: every rule after training and with the statistics of passes at learning
    rate 0 only, and the network as initialised; noise bounds as a band, references as ticks."""
    head = audit.audited.headline
    styles = styles_of(head.rules)
    figure, axes = panels(head.rois)
    for roi, panel in zip(head.rois, axes, strict=True):
        lines = states(audit, roi)
        places = np.arange(len(head.layers))
        for (rule, state), mean in lines.items():
            dashed = state == _PASSES
            colour = _START_COLOUR if not rule else styles[rule].colour
            marker = "o" if not rule else styles[rule].marker
            panel.plot(
                places, mean.to_numpy(), "--" if dashed else "-", color=colour, marker=marker,
                markersize=4.5, markerfacecolor="white" if dashed else colour, linewidth=1.7,
                label=f"{styles[rule].label}, {state}" if rule else state,
            )  # fmt: skip
        view = head.view(roi)
        draw_beside(panel, head.layers, roi, view.bounds or (np.nan, np.nan), view.references)
    draw_legend(figure, axes[0])
    return figure


_START, _PASSES, _TRAINED = "as initialised", "statistics of passes only", "trained"


def states(audit: TableAudit, roi: str) -> dict[tuple[str, str], pd.Series]:
    """(rule, state) -> score by layer, mean over seeds; the start is of no rule."""
    audited = audit.audited
    head = audited.headline
    rows = head.models[head.models["roi"] == roi]
    passes = rows["statistics_only"].astype(bool)

    def mean(kept: pd.Series) -> pd.Series:
        return rows[kept].groupby("layer")["rho"].mean().reindex(head.layers)

    found = {("", _START): mean(~passes & (rows["epoch"] == 0))}
    for rule in audited.rules:
        if end := audited.ends.get(rule):
            of_rule = (rows["rule"] == rule) & (rows["epoch"] == end)
            found[rule, _TRAINED] = mean(of_rule & ~passes)
            found[rule, _PASSES] = mean(of_rule & passes)
    return {key: each for key, each in found.items() if each.notna().any()}


def score_table(audit: TableAudit, roi: str) -> Sequence[Mapping[str, str]]:
    """One row per layer: the score of every state."""
    found = states(audit, roi)
    names = {key: ", ".join(part for part in key if part) for key in found}
    return [
        {"layer": layer} | {names[key]: number(float(mean[layer])) for key, mean in found.items()}
        for layer in audit.audited.headline.layers
    ]
