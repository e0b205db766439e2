"""The audit of a result table: what its scores may be said to show, in plain sentences.

Each question has one finding. A verdict is ``pass`` (nothing stands in the way of reading the
scores as they are), ``warning`` (they can be misread), ``fail`` (they are not what they seem) or
``unknown`` (the table or the checks do not say).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.audit_accounts import luminance_and_noise
from neurosim.experiments.audit_change import normalisation_share, sign_survives
from neurosim.experiments.audit_layers import best_layer, movement
from neurosim.experiments.audit_published import beside_published
from neurosim.experiments.audit_state import batch_dependence, state_changed
from neurosim.experiments.audit_types import (
    FAIL,
    PASS,
    UNKNOWN,
    WARNING,
    Audited,
    Check,
    Finding,
)
from neurosim.experiments.figure_data import Headline
from neurosim.experiments.published_things import is_things
from neurosim.storage import write_text

__all__ = [
    "FAIL", "FORMAT", "PASS", "QUESTIONS", "UNKNOWN", "WARNING", "Audited", "Check", "Finding",
    "audit", "in_words", "to_json", "write_audit",
]  # fmt: skip

FORMAT = "neurosim-audit-1"
#: In the order they are answered. To add one, write a function of what is audited and a line here.
QUESTIONS: tuple[Callable[[Audited], Finding], ...] = (
    state_changed,
    batch_dependence,
    normalisation_share,
    movement,
    best_layer,
    sign_survives,
    luminance_and_noise,
)
#: Of runs on THINGS, besides.
THINGS_QUESTIONS: tuple[Callable[[Audited], Finding], ...] = (beside_published,)


def audit(
    table: pd.DataFrame,
    checks: Sequence[Check] = (),
    *,
    layer: str = "FC1",
    stimuli: str = "",
) -> list[Finding]:
    """Every finding about a table in the layout of ``results.csv``.

    Args:
        layer: the layer that sentences about one layer speak of.
        stimuli: name of the stimulus set; THINGS has a question more.

    Raises:
        ValueError: the table holds no rule, or not this layer.
    """
    audited = Audited(table, Headline.of(table, layer=layer), checks, stimuli)
    questions = QUESTIONS + (THINGS_QUESTIONS if is_things(stimuli) else ())
    return [question(audited) for question in questions]


def to_json(findings: Sequence[Finding], table: pd.DataFrame, layer: str) -> str:
    """``audit.json``: format, what the sentences speak of, and the findings."""
    headline = Headline.of(table, layer=layer)
    record = {
        "format": FORMAT,
        "simulated": bool(headline.simulated),
        "about": {
            "layer": layer, "px": headline.px, "normalisation": headline.normalisation,
            "readout": headline.readout, "convention": headline.convention,
            "epoch": headline.last, "rules": headline.rules, "rois": headline.rois,
            "n_seeds": int(headline.models["seed"].nunique()),
        },
        "findings": [asdict(finding) for finding in findings],
    }  # fmt: skip
    return json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_audit(path: Path, findings: Sequence[Finding], table: pd.DataFrame, layer: str) -> None:
    """Write ``audit.json`` whole or not at all."""
    write_text(path, to_json(findings, table, layer))


def in_words(findings: Sequence[Finding]) -> str:
    """The audit as text."""
    lines = ["Audit:"]
    for finding in findings:
        lines.append(f"  [{finding.verdict}] {finding.question}")
        lines += [f"      {line}" for line in finding.answer.split("\n")]
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    """Numbers of numpy as Python's, NaN as null: plain JSON."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return None if value is pd.NA else value
