"""Audit: THINGS, beside the published numbers."""

from __future__ import annotations

import numpy as np

from neurosim.experiments.audit.types import (
    PASS,
    UNKNOWN,
    WARNING,
    Audited,
    Finding,
)
from neurosim.experiments.results.published_things import VALID, beside
from neurosim.experiments.results.words import signed


def beside_published(audited: Audited) -> Finding:
    """Does a change have the published sign where both are known?"""
    question = "Do the changes have the signs that were published for THINGS?"
    rows = beside(audited.table, readout=audited.headline.readout)
    values = [
        {key: row[key] for key in ("source", "quantity", "rule", "roi", "layer", "px", "epoch",
                                   "normalisation", "convention", "status")}
        | {"published": row["value"], "ours": row["ours"]}
        for row in rows[rows["ours"].notna()].to_dict("records")
    ]  # fmt: skip
    changes = [v for v in values if v["quantity"] == "change"]
    if not changes:
        answer = (
            "This run has no change at published axes (V1, Conv1, 32 or 224 px, epoch 40): "
            f"{len(values)} scores stand beside published ones in published.csv."
        )
        return Finding("published", question, UNKNOWN, answer, values)
    valid = [v for v in changes if v["status"] == VALID]
    other = [v for v in valid if np.sign(v["ours"]) != np.sign(v["published"])]
    broken = len(changes) - len(valid)
    told = [
        f"{v['rule']} in {v['roi']}, {v['layer']}, {v['px']} px, untrained {v['normalisation']}, "
        f"{v['convention']}: here {signed(v['ours'])}, published {signed(v['published'])} "
        f"({v['source']})."
        for v in other
    ]
    head = f"{len(valid) - len(other)} of {len(valid)} valid published changes have their sign here"
    lines = [f"{head}.", *told]
    if broken:
        lines.append(
            f"{broken} more were published from networks under batch statistics: INVALID, and not "
            "counted."
        )
    return Finding("published", question, WARNING if other else PASS, "\n".join(lines), values)
