"""Audit: what looking at a network did to it, and to what is seen of it."""

from __future__ import annotations

import numpy as np

from neurosim.experiments.audit.types import FAIL, PASS, UNKNOWN, Audited, Check, Finding
from neurosim.experiments.results.words import some

#: Convolutions sum in another order for another batch size: 1e-6 of a layer's activity each.
_ROUNDING = 1e-4


def state_changed(audited: Audited) -> Finding:
    """Did any extraction change state?"""
    question = "Did any extraction change the network that it looked at?"
    told = [check for check in audited.checks if check.changed is not None]
    told += _evaluations_that_changed(audited)
    values = [{"network": c.name, "changed": list(c.changed or ())} for c in told]
    changed = [check for check in told if check.changed]
    if changed:
        named = "; ".join(f"{c.name} ({', '.join((c.changed or ())[:3])})" for c in changed[:5])
        answer = (
            f"Yes: {len(changed)} of {len(told)} networks were changed by being looked at: "
            f"{named}. Their scores depend on how often and in which order they were evaluated."
        )
        return Finding("state", question, FAIL, answer, values)
    silent = [check.name for check in audited.checks if check.changed is None]
    if audited.shown_here and silent:
        answer = (
            f"Not known of {some(silent)}: run the comparison again, which finishes what is left."
        )
        return Finding("state", question, UNKNOWN, answer, values)
    if silent:
        answer = (
            f"Not told of {some(silent)}. Compare every tensor (state_dict) before and after the "
            "stimuli are shown, and give the names of those that differ as changed (an empty list "
            "for none)."
        )
        return Finding("state", question, UNKNOWN, answer, values)
    if not told:
        answer = "No network was shown stimuli for this audit."
        return Finding("state", question, UNKNOWN, answer, values)
    answer = (
        f"No: {len(told)} networks were shown stimuli, and every weight, statistic "
        "and threshold was the same to the bit afterwards."
    )
    return Finding("state", question, PASS, answer, values)


def _evaluations_that_changed(audited: Audited) -> list[Check]:
    """Of a run: the evaluations that left another fingerprint than they found."""
    rows = audited.models
    if "changed_state" not in rows:
        return []
    rows = rows[rows["changed_state"].astype("boolean").fillna(False).astype(bool)]
    states = rows[["rule", "seed", "epoch"]].drop_duplicates().itertuples(index=False)
    return [Check(f"{r} seed {s}, epoch {e}", ("its fingerprint",)) for r, s, e in states]


def batch_dependence(audited: Audited) -> Finding:
    """Does a score depend on the batch?"""
    question = "Does the activity to a stimulus depend on the batch it comes in?"
    measured = {
        c.name: c.batch_difference for c in audited.checks if c.batch_difference is not None
    }
    values = [{"network": name, "difference": gap} for name, gap in measured.items()]
    if not audited.checks:
        return Finding("batch", question, UNKNOWN, "No stimulus was shown in two batches.", values)
    bad = [c.name for c in audited.checks if c.name in measured and _differs(c)]
    worst = max(bad or measured, key=lambda name: measured[name], default="")
    if bad:
        answer = (
            f"Yes, in {len(bad)} of {len(measured)} networks; most by "
            f"{measured[worst]:.1g} of the layer's root mean square ({worst}). A score of such a "
            "network is one of a stimulus set, not of the network."
        )
        return Finding("batch", question, FAIL, answer, values)
    doubts: dict[str, list[str]] = {}
    for check in audited.checks:
        if doubt := _doubt(check):
            doubts.setdefault(doubt, []).append(check.name)
    if doubts:
        lines = [f"{some(names)}: {doubt}." for doubt, names in doubts.items()]
        return Finding("batch", question, UNKNOWN, "\n".join(lines), values)
    answer = (
        f"No: shown alone and among others, activity differs by at most {measured[worst]:.1g} of "
        f"the layer's root mean square ({worst}): rounding."
    )
    return Finding("batch", question, PASS, answer, values)


def _differs(check: Check) -> bool:
    """Whether a difference is more than rounding, of sums or of how values are stored."""
    gap = np.nan if check.batch_difference is None else check.batch_difference
    return not gap <= max(_ROUNDING, 1.5 * check.resolution)


def _doubt(check: Check) -> str:
    """Why a small difference is not evidence of none; "" where it is."""
    if check.batch_difference is None:
        return check.doubt or "no stimulus was shown in two batches"
    if check.resolution > _ROUNDING:
        return (
            f"values are stored in steps of {check.resolution:.1g} of the layer's root mean "
            "square, so that no smaller difference can be seen; store float32"
        )
    return check.doubt
