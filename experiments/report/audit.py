"""The findings of the audit as the report shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from neurosim.experiments.audit.questions import FAIL, FORMAT, WARNING, audit
from neurosim.experiments.results.choice import Headline


def audit_of(folder: Path, headline: Headline, stimuli: str) -> list[dict[str, Any]]:
    """The findings of a run's audit; where it has none of this layer, those of its table alone.

    Each has ``kind``, ``bad``, ``question``, ``answer`` (its first sentence) and ``details`` (a
    line for each rule or region).

    Raises:
        ValueError: ``audit.json`` is not what the audit writes.
    """
    path = folder / "audit.json"
    try:
        if path.is_file():
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["format"] != FORMAT:
                raise ValueError(f"format {record['format']!r}")
            if record["about"]["layer"] == headline.layer:
                return [_shown(finding) for finding in record["findings"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not what this version writes ({error}): make it anew with --audit, or "
            "move it away"
        ) from error
    found = audit(headline.table, layer=headline.layer, stimuli=stimuli, shown_here=True)
    return [_shown(asdict(finding)) for finding in found]


def _shown(finding: Mapping[str, Any]) -> dict[str, Any]:
    first, *details = finding["answer"].strip().splitlines() or [""]
    return {
        "kind": finding["verdict"],
        "bad": finding["verdict"] in (WARNING, FAIL),
        "question": finding["question"],
        "answer": first,
        "details": details,
    }
