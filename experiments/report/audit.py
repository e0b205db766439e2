"""The findings of ``audit.json`` as the report shows them."""

from __future__ import annotations

import json
from pathlib import Path

from neurosim.experiments.audit.questions import FAIL, FORMAT, WARNING


def audit_of(folder: Path) -> list[dict[str, object]]:
    """Findings of a run's audit; empty where there is none.

    Each has ``kind``, ``bad``, ``question``, ``answer`` (its first sentence) and ``details`` (a
    line for each rule or region).

    Raises:
        ValueError: ``audit.json`` is not what the audit writes.
    """
    path = folder / "audit.json"
    if not path.is_file():
        return []
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"format {record['format']!r}")
        return [
            {
                "kind": finding["verdict"],
                "bad": finding["verdict"] in (WARNING, FAIL),
                "question": finding["question"],
                "answer": lines[0],
                "details": lines[1:],
            }
            for finding in record["findings"]
            for lines in [finding["answer"].strip().splitlines() or [""]]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not what this version writes ({error}): make it anew with --audit, or "
            "move it away"
        ) from error
