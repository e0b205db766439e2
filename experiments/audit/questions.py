"""The audit of a result table: what its scores may be said to show, in plain sentences.

Each question has one finding. A verdict is ``pass`` (there is evidence, and nothing in it stands in
the way of reading the scores as they are), ``warning`` (they can be misread), ``fail`` (they are
not what they seem) or ``unknown`` (the table or the checks do not say, or what would say so
failed). What rests on a finding that failed does not pass: ``WITHDRAWN_BY``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.audit.accounts import low_level
from neurosim.experiments.audit.change import normalisation_share, sign_survives
from neurosim.experiments.audit.copies import copies
from neurosim.experiments.audit.layers import best_layer, movement
from neurosim.experiments.audit.published import beside_published
from neurosim.experiments.audit.state import batch_dependence, state_changed
from neurosim.experiments.audit.stimuli import stimulus_order
from neurosim.experiments.audit.types import (
    FAIL,
    PASS,
    UNKNOWN,
    VERDICTS,
    WARNING,
    Audited,
    Check,
    Finding,
)
from neurosim.experiments.results.choice import last_layer
from neurosim.experiments.results.published_things import is_things

__all__ = [
    "FAIL", "FORMAT", "PASS", "QUESTIONS", "UNKNOWN", "WARNING", "WITHDRAWN_BY", "Audited", "Check",
    "Finding", "audit", "in_words", "to_json",
]  # fmt: skip

FORMAT = "neurosim-audit-2"
#: In the order they are answered. To add one, write a function of what is audited and a line here.
QUESTIONS: tuple[Callable[[Audited], Finding], ...] = (
    state_changed,
    batch_dependence,
    stimulus_order,
    copies,
    normalisation_share,
    movement,
    best_layer,
    sign_survives,
    low_level,
)
#: Of runs on THINGS, besides.
THINGS_QUESTIONS: tuple[Callable[[Audited], Finding], ...] = (beside_published,)

_WITHDRAWN = "Not to be read as it stands, because of"
#: What every statement about a score rests on, and the verdict from which on it is withdrawn.
_OF_SCORES = {"state": FAIL, "batch": FAIL, "stimuli": WARNING, "copies": FAIL}
#: Finding -> the findings it rests on, and the verdict from which on each withdraws it.
WITHDRAWN_BY: Mapping[str, Mapping[str, str]] = {
    "normalisation": _OF_SCORES | {"movement": FAIL, "best-layer": FAIL},
    "best-layer": _OF_SCORES,
    "sign": _OF_SCORES | {"movement": FAIL, "best-layer": FAIL},
    "low-level": _OF_SCORES | {"best-layer": FAIL},
    "published": _OF_SCORES | {"movement": FAIL},
}


def audit(
    table: pd.DataFrame,
    checks: Sequence[Check] = (),
    *,
    layer: str | None = None,
    stimuli: str = "",
    **known: Any,
) -> list[Finding]:
    """Every finding about a table in the layout of ``results.csv``.

    Args:
        checks: one per network whose scores these are.
        layer: the layer that sentences about one layer speak of; None: the last one of the table.
        stimuli: name of the stimulus set; THINGS has a question more.
        known: what else is known: see ``Audited``.

    Raises:
        ValueError: the table holds no rule, or not this layer.
    """
    if layer is None:
        layer = last_layer(table)
    return answers(Audited.of(table, layer, checks=checks, **known), stimuli)


def answers(audited: Audited, stimuli: str = "") -> list[Finding]:
    """The answer to every question, each having heard of the others."""
    questions = QUESTIONS + (THINGS_QUESTIONS if is_things(stimuli) else ())
    return heard([question(audited) for question in questions])


def heard(
    findings: Sequence[Finding],
    withdrawn_by: Mapping[str, Mapping[str, str]] = WITHDRAWN_BY,
) -> list[Finding]:
    """The findings, each having heard of those it rests on (``withdrawn_by``).

    A pass that rests on what failed becomes ``unknown``; a worse verdict stays, and says so too.
    """
    by_id = {finding.id: finding for finding in findings}
    out = []
    for finding in findings:
        rests_on = withdrawn_by.get(finding.id, {})
        against = [
            by_id[name]
            for name, least in rests_on.items()
            if name in by_id and VERDICTS.index(by_id[name].verdict) >= VERDICTS.index(least)
        ]
        if against:
            named = "; ".join(f"{other.question} [{other.verdict}]" for other in against)
            said = f"{_WITHDRAWN}: {named}"
            finding = replace(
                finding,
                verdict=UNKNOWN if finding.verdict == PASS else finding.verdict,
                answer=f"{said}\n{finding.answer}",
            )
        out.append(finding)
    return out


def status(findings: Sequence[Finding], strict: bool = False) -> int:
    """Exit status of a command: 1 where a finding failed (strict: or warns), else 0."""
    bad = (FAIL, WARNING) if strict else (FAIL,)
    return int(any(finding.verdict in bad for finding in findings))


def badge(name: str, findings: Sequence[Finding], form: str) -> str:
    """One line for a paper's supplement."""
    counts = [sum(f.verdict == verdict for f in findings) for verdict in VERDICTS]
    told = ", ".join(f"{n} {v}" for n, v in zip(counts, VERDICTS, strict=True) if n)
    return f"neurosim audit{f' of {name}' * bool(name)}: {told} ({form})"


def _leads(line: str) -> bool:
    return line.endswith(":") or line.startswith(_WITHDRAWN)


def first_sentences(
    findings: Sequence[Finding], rests_on: Collection[str], then: Sequence[str]
) -> list[str]:
    """Three sentences of a first screen: what failed of what scores rest on, then some findings."""
    by_id = {finding.id: finding for finding in findings}
    failed = [f for f in findings if f.id in rests_on and f.verdict == FAIL]
    chosen = [
        *failed,
        *(by_id[name] for name in then if name in by_id and by_id[name] not in failed),
    ]
    lines = []
    for finding in chosen[:3]:
        answer = finding.answer.split("\n")
        # What announces a line, or withdraws it, takes that line along.
        n = next((i for i, line in enumerate(answer, 1) if not _leads(line)), len(answer))
        lines.append(f"{finding.question} {' '.join(answer[:n])} [{finding.verdict}]")
    return lines


def to_json(findings: Sequence[Finding], table: pd.DataFrame, layer: str, name: str = "") -> str:
    """``audit.json``: format, what the sentences speak of, and the findings."""
    audited = Audited.of(table, layer)
    headline = audited.headline
    spoken_of = headline.models[headline.models["layer"] == layer]
    record = {
        "format": FORMAT,
        "simulated": bool(headline.simulated),
        "about": {
            "layer": layer, "px": headline.px or None,
            "normalisation": list(spoken_of["normalisation"].unique()),
            "readout": list(spoken_of["readout"].unique()), "convention": headline.convention,
            "epochs": audited.ends, "rules": headline.rules, "rois": headline.rois,
            "n_seeds": audited.n_seeds,
        },
        "findings": [asdict(finding) for finding in findings],
        "badge": badge(name, findings, FORMAT),
    }  # fmt: skip
    return json.dumps(as_plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def in_words(findings: Sequence[Finding]) -> str:
    """The audit as text."""
    lines = ["Audit:"]
    for finding in findings:
        lines.append(f"  [{finding.verdict}] {finding.question}")
        lines += [f"      {line}" for line in finding.answer.split("\n")]
    return "\n".join(lines)


def as_plain(value: Any) -> Any:
    """Numbers of numpy as Python's, NaN as null: plain JSON."""
    if isinstance(value, Mapping):
        return {str(k): as_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return None if value is pd.NA else value
