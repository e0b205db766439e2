"""Questions about what of a score is learning, and whether its sign holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from neurosim.experiments.audit.types import FAIL, PASS, UNKNOWN, WARNING, Finding, worst
from neurosim.experiments.model_audit.change import Change, Part
from neurosim.experiments.model_audit.evidence import Evidence
from neurosim.experiments.results.words import number, signed
from neurosim.models.interop.module_states import (
    AS_GIVEN,
    GIVEN,
    RANDOM,
    STIMULI,
)

_ONE_SUBJECT = "One subject: there is no interval, and no sign is told."
Changes = Mapping[str, Change | None]


def learning(found: Evidence, changes: Changes) -> Finding:
    """Does learning raise or lower the score, and do the two ways to compare agree?"""
    question = "What does learning do to the score?"
    lines, verdict, values = [], PASS, []
    for roi, change in changes.items():
        if change is None:
            verdict = worst(verdict, UNKNOWN)
            lines.append(f"{roi}: {_why_no_change(found)}.")
            continue
        own, line = of_learning(found, change)
        verdict = worst(verdict, own)
        lines.append(line)
        values.append({
            "roi": roi, **_values("as_everybody_compares", change.whole),
            **_values("same_statistics", change.matched),
            "best": {f"{w}, {s}": {"layer": layer, "rho": rho}
                     for (w, s), (layer, rho) in change.best.items()},
        })  # fmt: skip
    if len(found.seeds) < 2 and values:
        lines.append("One seed: whether another random network would say the same is not known.")
        verdict = worst(verdict, UNKNOWN)
    return Finding("learning", question, verdict, "\n".join(lines), values)


def of_learning(found: Evidence, change: Change) -> tuple[str, str]:
    """Verdict and sentence of one region."""
    own, fresh = (GIVEN, found.own), (RANDOM, found.fresh)
    told = _compared(change.best[fresh], change.best[own], change.whole)
    n = (
        f"n = {change.n_subjects} subjects, {len(found.shown)} stimuli, {change.n_seeds} random "
        f"network{'s' * (change.n_seeds != 1)}"
    )
    if found.own == found.matched:
        if not change.whole.has_interval:
            return UNKNOWN, f"{change.roi}: learning {told} ({n}). {_ONE_SUBJECT}"
        verdict = PASS if change.whole.differs else UNKNOWN
        sure = "" if change.whole.differs else "; the interval includes zero"
        return verdict, f"{change.roi}: learning {told}{sure} ({n})."
    as_others_do = (
        f"{change.roi}: compared as everybody compares (the model as given against random weights "
        f"as initialised) learning {told}"
    )
    if not change.matched.is_known:
        return UNKNOWN, (
            f"{as_others_do} ({n}). Whether normalisation statistics make that difference is not "
            "known: give the features of both with the statistics of the stimuli (of_stimuli, "
            "random_of_stimuli), or say keeps_statistics=False."
        )
    same = _compared(
        change.best[RANDOM, found.matched], change.best[GIVEN, found.matched], change.matched
    )
    where = "stimuli" if found.matched == STIMULI else "training images"
    line = f"{as_others_do}; with the statistics of the {where} on both sides it {same} ({n})."
    if not change.whole.has_interval:
        return UNKNOWN, f"{line} {_ONE_SUBJECT}"
    turned = change.whole.sign != change.matched.sign
    if turned and change.whole.differs and change.matched.differs:
        return FAIL, line + " Normalisation statistics decide the sign."
    if turned and (change.whole.differs or change.matched.differs):
        return WARNING, line + " The sign turns; one interval includes zero."
    if change.whole.differs and change.matched.differs:
        return PASS, line
    n_zero = (not change.whole.differs) + (not change.matched.differs)
    return UNKNOWN, line + (" Both intervals include zero." if n_zero == 2 else
                            " One interval includes zero.")  # fmt: skip


def _compared(a: tuple[str, float], b: tuple[str, float], part: Part) -> str:
    does = "raises" if part.size > 0 else "lowers"
    return (
        f"{does} the score from {number(a[1])} ({a[0]}) to {number(b[1])} ({b[0]}; difference "
        f"{_interval(part)})"
    )


def _interval(part: Part) -> str:
    if not math.isfinite(part.low):
        return signed(part.size)
    return f"{signed(part.size)} [{signed(part.low)}, {signed(part.high)}]"


def _why_no_change(found: Evidence) -> str:
    if found.checks is None and not found.seeds:
        return "not known: no random network was given (random)"
    return "a state of the network has no score"


def _values(name: str, part: Part) -> dict[str, float]:
    return {name: part.size, f"{name}_low": part.low, f"{name}_high": part.high}


def normalisation(found: Evidence, changes: Changes) -> Finding:
    """How much of the difference to a random network is normalisation statistics?"""
    question = "How much of the difference to a network as initialised is normalisation statistics?"
    if AS_GIVEN not in found.kinds:
        answer = (
            "None: the network keeps no statistics, so that it has one state of them and weights "
            "are all that differs."
        )
        return Finding("normalisation", question, PASS, answer)
    lines, verdict, values = [], PASS, []
    for roi, change in changes.items():
        if change is None:
            verdict = worst(verdict, UNKNOWN)
            lines.append(f"{roi}: {_why_no_change(found)}.")
            continue
        if not change.matched.is_known or not change.initial.is_known:
            verdict = worst(verdict, UNKNOWN)
            lines.append(f"{roi}: not known: no state with other statistics was given.")
            continue
        own, share = _share(change)
        verdict = worst(verdict, own)
        lines.append(
            f"{roi}: {signed(change.whole.size)} in all. Statistics first: normalisation "
            f"{_interval(change.normalisation_first)}, learning {_interval(change.matched)}. "
            f"Weights first: learning {_interval(change.initial)}, normalisation "
            f"{_interval(change.normalisation_last)}. The two do not add up the same way; "
            f"Shapley's mean: normalisation {_interval(change.normalisation)}, learning "
            f"{_interval(change.learning)}{share}."
        )
        values.append({
            "roi": roi, **_values("whole", change.whole),
            **_values("normalisation_first", change.normalisation_first),
            **_values("learning_second", change.matched),
            **_values("learning_first", change.initial),
            **_values("normalisation_second", change.normalisation_last),
            **_values("normalisation", change.normalisation),
            **_values("learning", change.learning),
        })  # fmt: skip
    if found.n_batches > 1:
        lines.append(
            f"The statistics of the stimuli are means over {found.n_batches} batches: they did not "
            "fit into memory at once."
        )
    return Finding("normalisation", question, verdict, "\n".join(lines), values)


def _share(change: Change) -> tuple[str, str]:
    """A percentage only where all parts pull one way and no interval includes zero."""
    if not change.whole.has_interval:
        return UNKNOWN, " (one subject: there is no interval, and no share is told)"
    parts = (change.whole, change.normalisation_first, change.normalisation_last, change.matched,
             change.initial)  # fmt: skip
    if len({part.sign for part in parts}) == 1 and all(part.differs for part in parts):
        share = change.normalisation.size / change.whole.size
        return PASS if share < 0.5 else WARNING, f": {share:.0%} of it is normalisation"
    orders = ((change.normalisation_first, change.matched),
              (change.normalisation_last, change.initial))  # fmt: skip
    for statistics, learned in orders:
        if statistics.sign * learned.sign < 0 and statistics.differs and learned.differs:
            return WARNING, " (they pull apart, so that no share is told)"
    small = all(abs(s.size) < 0.5 * abs(learned.size) for s, learned in orders)
    if small and all(learned.differs for _, learned in orders):
        return PASS, " (learning is the larger part)"
    if change.normalisation.differs and not change.learning.differs:
        return WARNING, " (of learning the interval includes zero)"
    return UNKNOWN, " (an interval includes zero, so that no share is told)"


def _spread(found: Evidence, roi: str, statistics: str) -> float:
    """sd over seeds of the best layer of random networks; NaN of one."""
    rows = found.rows(roi, RANDOM, statistics).groupby("seed")["rho"].max()
    return float(rows.std(ddof=1))


def _turns(parts: Sequence[float], spread: float) -> tuple[str, str]:
    """Verdict and words of a sign that should be one: parts below two sd of seeds do not count."""
    told = [part for part in parts if abs(part) > 2 * spread]
    if len({part > 0 for part in told}) > 1:
        return WARNING, "no"
    if not told or len(told) < len(parts):
        return UNKNOWN, "not told apart from random networks everywhere"
    return PASS, "yes"


def size(found: Evidence) -> Finding:
    """Does the comparison with a random network turn with the size or content of the images?"""
    question = "Does the sign hold at other image sizes, and with less image content?"
    if not found.sizes and not found.contents:
        why = f" The model takes no other size: {found.size_refused}" if found.size_refused else ""
        if found.checks is None:
            why = " Features were given, of one size."
        answer = f"Not known: no other size was shown.{why}"
        return Finding("size", question, UNKNOWN, answer)
    px, seed = found.shown.size(), found.seeds[0]
    lines, verdict, values = [], PASS, []
    for roi in found.rois:
        at = []
        for shown, content in [(0, 0), *((s, 0) for s in found.sizes),
                               *((0, c) for c in found.contents)]:  # fmt: skip
            rho = found.best(roi, GIVEN, found.own, px=shown, content=content)[1]
            twin = found.best(roi, RANDOM, found.fresh, px=shown, content=content, seed=seed)[1]
            if math.isfinite(rho) and math.isfinite(twin):
                at.append((shown or px, content or shown or px, rho, twin))
        values += [{"roi": roi, "px": s, "content_px": c, "rho": r, "random": t}
                   for s, c, r, t in at]  # fmt: skip
        own, turns = _turns([r - t for *_, r, t in at], _spread(found, roi, found.fresh))
        verdict = worst(verdict, own)
        told = "; ".join(
            f"{number(r)} and {number(t)} at {s} px" + f" with the content of {c} px" * (c < s)
            for s, c, r, t in at
        )
        lines.append(f"{roi}: {turns} (given and one random network: {told}).")
    if found.size_refused:
        verdict = worst(verdict, UNKNOWN)
        lines.append(f"Not all sizes: the model refuses some ({found.size_refused}).")
    return Finding("size", question, verdict, "\n".join(lines), values)


def readout(found: Evidence) -> Finding:
    """Does the sign of learning hold under every readout?"""
    question = "Does the sign hold under every readout of the layers?"
    known = [
        name for name in ("whole", "4x4", "mean", "class") if (found.table["readout"] == name).any()
    ]
    lines, verdict, values = [], PASS, []
    if found.checks is None:
        answer = "Not known: features of maps and tokens were given as one row each."
        return Finding("readout", question, UNKNOWN, answer)
    if len(known) < 2:
        answer = "There is one: layers answer units, neither maps nor tokens."
        return Finding("readout", question, PASS, answer)
    for roi in found.rois:
        parts = {}
        for name in known:
            given = found.best(roi, GIVEN, found.matched, readout=name)[1]
            random = found.best(roi, RANDOM, found.matched, readout=name)[1]
            if math.isfinite(given - random):
                parts[name] = given - random
                values.append({"roi": roi, "readout": name, "given": given, "random": random})
        # Random networks differ by this much under the readout that sentences speak of.
        own, turns = _turns(list(parts.values()), _spread(found, roi, found.matched))
        verdict = worst(verdict, own)
        told = ", ".join(f"{signed(part)} {name}" for name, part in parts.items())
        lines.append(f"{roi}: {turns}, given less random weights: {told}.")
    return Finding("readout", question, verdict, "\n".join(lines), values)
