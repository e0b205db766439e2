"""The report: one HTML page that holds everything it shows."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from neurosim import __version__
from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.figures.style import rule_style
from neurosim.experiments.job.facts import LearnerFacts, RuleFacts
from neurosim.experiments.job.network import network_of
from neurosim.experiments.report.audit import audit_of
from neurosim.experiments.report.explorer import explorer
from neurosim.experiments.report.gallery import filters, geometry, patterns_of, rasters
from neurosim.experiments.report.methods import methods
from neurosim.experiments.report.pictures import (
    figure_uri,
    gradient,
    png_uri,
    raster_figure,
    rdm_uri,
    uri,
)
from neurosim.experiments.report.published import published_tables
from neurosim.experiments.report.sources import sources_of
from neurosim.experiments.report.tables import Column, Table, tables, whole
from neurosim.experiments.report.verdicts import cautions, in_short, verdicts
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.words import counted, listed
from neurosim.experiments.run.stored import StoredRun, learner_of
from neurosim.experiments.settings.options import to_yaml
from neurosim.experiments.settings.texts import data_label

_TEMPLATES = Path(__file__).with_name("templates")
#: The figure that answers the question of the page.
_MAIN_FIGURE = "figure_5_decomposition"
_N_FIRST_SENTENCES = 3


def render(
    run: StoredRun, headline: Headline, stimuli: StimulusSet, figures: Mapping[str, str]
) -> str:
    """The page of a run.

    Args:
        headline: the choice of axes that verdicts, figures and tables are about.
        stimuli: those the run was evaluated on; networks are shown them again for the pictures.
        figures: name -> SVG of the figures for publication.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"breakable": _breakable, "linked": _linked}
    parts = (_head, _verdicts, _scores, _networks, _provenance)
    shown = {name: _figure(name, svg) for name, svg in figures.items()}
    # It comes first, so it does not come again.
    main_figure = shown.pop(_MAIN_FIGURE)
    context: dict[str, Any] = {"main_figure": main_figure, "figures": list(shown.values())}
    for part in parts:
        context |= part(run, headline, stimuli)
    return environment.get_template("report.html").render(context)


def _figure(name: str, svg: str) -> dict[str, str]:
    alt = name.replace("_", " ").capitalize()
    return {"name": name, "uri": uri(svg.encode("utf-8"), "image/svg+xml"), "alt": alt}


def _head(run: StoredRun, headline: Headline, stimuli: StimulusSet) -> dict[str, Any]:
    settings = run.settings
    n_seeds = len(settings.seeds)
    names = listed([rule_style(rule).label for rule in settings.rules])
    return {
        "title": f"{data_label(settings.stimuli)}: {counted(len(settings.rules), 'rule')}, "
        f"{counted(n_seeds, 'seed')}, {counted(settings.epochs, 'epoch')}",
        "lead": f"{names}: one network on {data_label(settings.training)}, held against "
        f"{listed(stimuli.brain.rois)} of {counted(stimuli.brain.n_subjects, 'subject')}.",
        "simulated": stimuli.simulated,
        "one_seed": len({job.seed for job in run.readable}) < 2,
        "partial": run.is_partial,
        "n_finished": run.n_finished,
        "n_jobs": len(run.jobs),
        "version": __version__,
        "made_on": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "gradient": gradient(),
    }


def _verdicts(run: StoredRun, headline: Headline, stimuli: StimulusSet) -> dict[str, Any]:
    told = cautions(
        headline,
        n_finished=run.n_finished,
        n_jobs=len(run.jobs),
        labels=run.settings.labels,
        n_seeds=len({job.seed for job in run.readable}),
    )
    return {
        "short": in_short(headline)[:_N_FIRST_SENTENCES],
        "cautions": [caution.text for caution in told],
        "verdicts": verdicts(headline),
        "choice": headline.in_words(),
        "audit": audit_of(run.path, headline, run.settings.stimuli),
    }


def _scores(run: StoredRun, headline: Headline, stimuli: StimulusSet) -> dict[str, Any]:
    return {
        "tables": tables(headline) + published_tables(headline, run.settings.stimuli),
        "n_rows": f"{len(headline.table):,}",
        "scores": _json(explorer(headline)),
        "plotly": Markup(_plotly()),
        "script": Markup((_TEMPLATES / "report.js").read_text(encoding="utf-8")),
    }


def _networks(run: StoredRun, headline: Headline, stimuli: StimulusSet) -> dict[str, Any]:
    """Filters, RDMs and spikes of one network a rule, and what each rule was."""
    rows, spikes = [], []
    patterns: dict[str, np.ndarray] = {}
    facts: list[LearnerFacts] = []
    readout = str(
        headline.models.loc[headline.models["layer"] == headline.layer, "readout"].iloc[0]
    )
    image = stimuli.at_px(headline.px)[0]
    for rule in run.settings.rules:
        job = run.furthest(rule)
        if job is None or job.epoch is None:
            continue
        label = f"{rule_style(rule).label}, seed {job.seed}"
        first, last = (run.weights(job, epoch) for epoch in (0, job.epoch))
        weight = f"{network_of(run.settings).layers[0].name}.weight"
        shown = filters(first[weight], last[weight])
        changed = np.isfinite(shown.change_scale)
        tiles = {
            "initialised": shown.initial,
            f"after epoch {job.epoch}": shown.trained,
            f"change × {shown.change_scale:,.3g}" if changed else "no change": shown.change,
        }
        named = [{"name": name, "uri": png_uri(tile)} for name, tile in tiles.items()]
        rows.append({"title": label, "tiles": named})
        # Built once: the thresholds of a spiking network take a while to calibrate.
        learner = learner_of(run.settings, rule, job.seed, first)
        facts.append(LearnerFacts.of(rule, job.seed, learner))
        where = (headline.px, headline.layer, readout)
        for weights, state in ((first, "as initialised"), (last, f"epoch {job.epoch}")):
            learner.load(weights)
            # Rules of one network start alike: one matrix of it is enough.
            if weights is last or not patterns:
                name = f"{label}, {state}" if weights is last else f"{state}, seed {job.seed}"
                patterns[name] = patterns_of(learner, stimuli, *where)
            found = rasters(learner, image)
            if found:
                spikes.append({"uri": figure_uri(raster_figure(found)), "alt": f"{label}, {state}"})
    return {
        "filters": rows,
        **_matrices(headline, stimuli, patterns, run.settings.dissimilarity),
        "rasters": spikes,
        "rasters_note": f"Spikes to the first stimulus ({stimuli.brain.stimuli[0]}) at "
        f"{headline.px} px. Units drawn at random from those that fired; of the input, its "
        "channels and places.",
        "fact_names": [field.name for field in dataclasses.fields(RuleFacts)],
        "rule_facts": [part for found in facts for part in found.parts],
        "methods": methods(
            run.settings,
            stimuli.brain,
            facts,
            run.record.get("versions", {}),
            changed=_changed(headline),
            measured=headline.table.columns,
            unfinished=f"{run.n_finished} of {len(run.jobs)} jobs" if run.is_partial else "",
        ),
        "sources": sources_of(
            [found.rule for found in facts],
            run.settings.training,
            run.settings.stimuli,
            run.settings.cell if any(found.spikes for found in facts) else "",
        ),
    }


def _changed(headline: Headline) -> list[str]:
    """The rules whose state an evaluation changed, as the table has it."""
    table = headline.table
    if "changed_state" not in table:
        return []
    changed = table["changed_state"].astype("boolean").fillna(False)
    return list(dict.fromkeys(table.loc[changed.astype(bool), "rule"]))


def _matrices(
    headline: Headline,
    stimuli: StimulusSet,
    patterns: Mapping[str, np.ndarray],
    dissimilarity: str,
) -> dict[str, Any]:
    shapes = geometry(stimuli, patterns, px=headline.px, dissimilarity=dissimilarity)
    n_shown = len(shapes.stimuli)
    part = "" if n_shown == shapes.n_all else f" {n_shown} of {shapes.n_all} stimuli are drawn."
    return {
        "geometry_note": f"{headline.layer_in_words(headline.layer)} at {headline.px} px, "
        f"statistics as trained, {dissimilarity} dissimilarity; brain regions averaged over "
        f"subjects. Shown as percentile ranks of the pairs.{part} Point at a pair to read its rank "
        "in every matrix.",
        "matrices": [
            {"name": name, "uri": rdm_uri(matrix)} for name, matrix in shapes.matrices.items()
        ],
        "geometry": _json(
            {
                "stimuli": shapes.stimuli,
                "matrices": [
                    base64.b64encode(matrix.tobytes()).decode("ascii")
                    for matrix in shapes.matrices.values()
                ],
            }
        ),
    }


def _provenance(run: StoredRun, headline: Headline, stimuli: StimulusSet) -> dict[str, Any]:
    settings, record = run.settings, run.record
    jobs = Table.of(
        "Cells",
        [Column("rule"), Column("seed", whole), Column("state"), Column("last written")],
        [
            (job.rule, job.seed, job.in_words, _written(job.path) if job.epoch is not None else "")
            for job in run.jobs
        ],
    )
    return {
        "config": to_yaml(settings),
        "provenance": list(_flat(record)),
        "jobs": jobs,
    }


def _breakable(text: str) -> Markup:
    """``Name(field=value)`` that may break after brackets and between fields only."""
    return Markup(escape(text).replace("(", Markup("(<wbr>")).replace("=", Markup("=<wbr>")))


def _linked(source: str) -> Markup:
    """A source with its DOI or arXiv number as a link."""
    kinds = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}
    return Markup(
        re.sub(
            r"(doi|arXiv):([^\s,]+)",
            lambda m: f'<a href="{kinds[m[1]]}{m[2]}">{m[0]}</a>',
            str(escape(source)),
        )
    )


def _written(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _flat(record: Mapping[str, Any], above: str = "") -> Sequence[tuple[str, str]]:
    """``run.json`` as name and value, settings left out: they are shown as a configuration."""
    lines: list[tuple[str, str]] = []
    for key, value in record.items():
        name = f"{above} {key}".strip()
        if name == "settings":
            continue
        if isinstance(value, Mapping):
            lines += _flat(value, name)
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append((name, shown))
    return lines


def _json(data: Any) -> Markup:
    """JSON that may stand in a script element: no ``<`` can end it."""
    return Markup(json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"))


def _plotly() -> str:
    """plotly.js, gzip in base64: a third of its size."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode("utf-8"), mtime=0)).decode("ascii")
