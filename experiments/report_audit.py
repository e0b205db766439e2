"""The findings of ``audit.json`` as the report shows them."""

from __future__ import annotations

import json
from pathlib import Path

from neurosim.experiments.audit import FAIL, FORMAT, WARNING


def audit_of(folder: Path) -> list[dict[str, object]]:
    """Findings of a run's audit, ``kind``, ``text`` and ``bad``; empty where there is none.

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
                "text": f"{finding['question']} {' '.join(finding['answer'].split())}",
                "bad": finding["verdict"] in (WARNING, FAIL),
            }
            for finding in record["findings"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not what this version writes ({error}): make it anew with --audit, or "
            "move it away"
        ) from error
