"""Audit: what looking at a network did to it, and to what is seen of it."""

from __future__ import annotations

from neurosim.experiments.audit_types import FAIL, PASS, UNKNOWN, Audited, Finding


def state_changed(audited: Audited) -> Finding:
    """Did any extraction change state?"""
    question = "Did any extraction change the network that it looked at?"
    if not audited.checks:
        return Finding("state", question, UNKNOWN, "No network was shown stimuli for this audit.")
    changed = [check for check in audited.checks if check.changed]
    values = [{"network": c.name, "changed": list(c.changed)} for c in audited.checks]
    if not changed:
        answer = (
            f"No: {len(audited.checks)} networks were shown stimuli, and every weight, statistic "
            "and threshold was the same to the bit afterwards."
        )
        return Finding("state", question, PASS, answer, values)
    named = "; ".join(f"{c.name} ({', '.join(c.changed[:3])})" for c in changed[:5])
    answer = (
        f"Yes: {len(changed)} of {len(audited.checks)} networks were changed by being looked at: "
        f"{named}. Their scores depend on how often and in which order they were evaluated."
    )
    return Finding("state", question, FAIL, answer, values)


#: Convolutions sum in another order for another batch size: 1e-6 of a layer's activity each.
_ROUNDING = 1e-4


def batch_dependence(audited: Audited) -> Finding:
    """Does a score depend on the batch?"""
    question = "Does the activity to a stimulus depend on the batch it comes in?"
    measured = [c for c in audited.checks if c.batch_difference is not None]
    if not measured:
        return Finding("batch", question, UNKNOWN, "No stimulus was shown in two batches.")
    values = [{"network": c.name, "difference": c.batch_difference} for c in measured]
    worst = max(measured, key=lambda c: c.batch_difference or 0.0)
    share = f"{worst.batch_difference:.1g} of the layer's root mean square ({worst.name})"
    if (worst.batch_difference or 0.0) <= _ROUNDING:
        answer = f"No: shown alone and among others, activity differs by at most {share}: rounding."
        return Finding("batch", question, PASS, answer, values)
    n = sum((c.batch_difference or 0.0) > _ROUNDING for c in measured)
    answer = (
        f"Yes, in {n} of {len(measured)} networks; most by {share}. A score of such a network is "
        "one of a stimulus set, not of the network."
    )
    return Finding("batch", question, FAIL, answer, values)
