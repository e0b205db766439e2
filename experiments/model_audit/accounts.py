"""Questions about a score: noise, chance, the choice of the layer, features, random twins."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from neurosim.experiments.audit.types import FAIL, PASS, UNKNOWN, WARNING, Finding, worst
from neurosim.experiments.model_audit import scores
from neurosim.experiments.model_audit.evidence import Evidence
from neurosim.experiments.results.words import number, signed, some, told_p
from neurosim.models.interop.module_states import (
    GIVEN,
    PERMUTED,
    RANDOM,
    STIMULI,
    TRAINING,
)

_LEVEL = 0.05
#: A score of which low-level features leave less than this share is mostly theirs.
_LEAST_LEFT = 0.5
#: Pearson of RDMs of a network and itself; two draws of a wide one reach .99.
_SAME_RDM = 0.99999
#: What choosing the best layer may add, as a share of the score.
_MOST_CHOSEN = 0.2


def noise(found: Evidence) -> Finding:
    """Do the subjects agree above chance?"""
    question = "Do the subjects agree above chance, so that a model can be told?"
    lines, verdicts, values = [], [], []
    for roi, bound in found.bounds.items():
        values.append({"roi": roi, "lower": bound.lower, "upper": bound.upper, "p": bound.p,
                       "n_subjects": bound.n_subjects})  # fmt: skip
        if bound.n_subjects < 2:
            verdicts.append(UNKNOWN)
            lines.append(f"{roi}: one subject; noise bounds need two or more.")
            continue
        verdicts.append(PASS if bound.p <= _LEVEL else FAIL)
        lines.append(
            f"{roi}: {'yes' if bound.p <= _LEVEL else 'no'}, noise bounds {number(bound.lower)} to "
            f"{number(bound.upper)} ({told_p(bound.p)} of the lower under relabelled stimuli, "
            f"n = {bound.n_subjects} subjects)."
        )
    return Finding("noise", question, _of_regions(verdicts), "\n".join(lines), values)


def _of_regions(verdicts: Sequence[str]) -> str:
    """A failure of some regions alone is a warning."""
    if FAIL in verdicts and set(verdicts) != {FAIL}:
        return WARNING
    return worst(*verdicts)


def chance(found: Evidence) -> Finding:
    """Is the best layer above the best of all layers with the stimuli relabelled?"""
    question = "Does the model score above chance?"
    lines, verdicts, values = [], [], []
    for roi, chosen in found.chosen.items():
        if chosen is None:
            verdicts.append(UNKNOWN)
            lines.append(f"{roi}: no layer has a score.")
            continue
        values.append({"roi": roi, "layer": chosen.layer, "rho": chosen.score, "p": chosen.p,
                       "chance": chosen.chance})  # fmt: skip
        verdicts.append(PASS if chosen.p <= _LEVEL else FAIL)
        lines.append(
            f"{roi}: {'yes' if chosen.p <= _LEVEL else 'no'}, {number(chosen.score)} in "
            f"{chosen.layer}, where the best of {len(found.layers)} layers reaches "
            f"{number(chosen.chance)} in 95 % of {found.n_permutations} relabellings "
            f"({told_p(chosen.p)})."
        )
    return Finding("chance", question, _of_regions(verdicts), "\n".join(lines), values)


def layer_choice(found: Evidence) -> Finding:
    """Does the best layer hold on stimuli it was not chosen on?"""
    question = "Does the best layer hold on stimuli that it was not chosen on?"
    lines, verdict, values = [], PASS, []
    for roi, chosen in found.chosen.items():
        if chosen is None:
            verdict = worst(verdict, UNKNOWN)
            lines.append(f"{roi}: no layer has a score.")
            continue
        values.append({"roi": roi, "layer": chosen.layer, "rho": chosen.score,
                       "held_out": chosen.held_out, "chosen": chosen.often})  # fmt: skip
        lost = chosen.score - chosen.held_out
        small = lost <= max(0.01, _MOST_CHOSEN * abs(chosen.score))
        verdict = worst(verdict, PASS if small else WARNING)
        lines.append(
            f"{roi}: {chosen.layer} scores {number(chosen.score)} as the best of "
            f"{len(found.layers)}; the layer chosen on one half of the stimuli scores "
            f"{number(chosen.held_out)} on the other (mean of 40 halves; {chosen.layer} is chosen "
            f"on {chosen.often:.0%})" + ("." if small else ": report the held-out score.")
        )
    return Finding("layer-choice", question, verdict, "\n".join(lines), values)


def low_level(found: Evidence) -> Finding:
    """Is the score more than low-level features explain?"""
    question = "Is the score more than low-level features explain?"
    lines, verdict, values = [], PASS, []
    for roi in found.rois:
        chosen, beside = found.chosen[roi], found.against.get(roi)
        if chosen is None or beside is None:
            verdict = worst(verdict, UNKNOWN)
            lines.append(f"{roi}: no layer has a score.")
            continue
        above = {n: r for n, r in beside.scores.items() if r >= chosen.score}
        part = beside.given_all < _LEAST_LEFT * chosen.score
        least = min(beside.given, key=lambda name: beside.given[name], default="")
        verdict = worst(verdict, WARNING if above or part else PASS)
        best = max(beside.scores, key=lambda name: beside.scores[name])
        values.append({"roi": roi, "layer": chosen.layer, "rho": chosen.score,
                       "references": dict(beside.scores), "given": dict(beside.given),
                       "given_all": beside.given_all})  # fmt: skip
        told = (
            f"not above {', '.join(f'{n} ({number(r)})' for n, r in above.items())}"
            if above
            else f"above every reference (the best, {best}: {number(beside.scores[best])})"
        )
        lines.append(
            f"{roi}: {chosen.layer} at {number(chosen.score)} is {told}; "
            f"{number(beside.given_all)} is left given all {len(beside.scores)} of them, "
            f"{number(beside.given[least])} given {least} alone."
        )
    return Finding("low-level", question, verdict, "\n".join(lines), values)


def twins(found: Evidence) -> Finding:
    """Does the model score above networks of its architecture with random weights?"""
    question = "Does the model score above random networks of its own architecture?"
    lines, verdict, values = [], PASS, []
    modules, buffers = found.unreached
    if modules:
        verdict = worst(verdict, FAIL)
        lines.append(
            f"Weights that no fresh draw reaches, in modules that are not registered "
            f"({some(modules)}): keep them in a ModuleList or ModuleDict."
        )
    if buffers:
        verdict = worst(verdict, WARNING)
        lines.append(
            f"Random networks keep buffers as they are, a good part of the weights ({some(buffers)}"
            "): make them parameters, or give random networks of your own (random)."
        )
    same = found.matched
    for roi in found.rois:
        layer, rho = found.best(roi, GIVEN, same)
        drawn = _best_of_each(found, roi, RANDOM)
        z, p = scores.above_twins(rho, drawn)
        mixed = _best_of_each(found, roi, PERMUTED)
        values.append({"roi": roi, "layer": layer, "rho": rho, "twins": drawn, "permuted": mixed,
                       "calibrated": z, "p": p, "statistics": same})  # fmt: skip
        if _are_the_model(found, layer):
            verdict = worst(verdict, FAIL)
            lines.append(
                f"{roi}: the random networks have the RDM of the given one in {layer}: they hold "
                "its weights (a reset_parameters that loads them, or random networks that are it)."
            )
            continue
        if not math.isfinite(p):
            verdict = worst(verdict, UNKNOWN)
            if not drawn:
                lines.append(f"{roi}: not known: {_why_no_twins(found)}.")
                continue
            lines.append(f"{roi}: {len(drawn)} random networks have no distribution; give 3 seeds.")
            continue
        verdict = worst(verdict, PASS if p <= _LEVEL else WARNING)
        permuted = (
            f"; permuted weights reach {number(float(np.mean(mixed)))} ({len(mixed)} draws)"
            if len(mixed) else ""
        )  # fmt: skip
        lines.append(
            f"{roi}: {'yes' if p <= _LEVEL else 'not told apart'}, {number(rho)} against "
            f"{number(float(np.mean(drawn)))} (sd {number(float(np.std(drawn, ddof=1)))}, n = "
            f"{len(drawn)} seeds{_on(same)}), best layer of each: calibrated score {signed(z, 1)} "
            f"sd, {told_p(p)} of one draw more{permuted}."
        )
    return Finding("twins", question, verdict, "\n".join(lines), values)


def _are_the_model(found: Evidence, layer: str) -> bool:
    """Whether a random network has the given one's RDM in a layer, and hence its weights."""
    if not layer:  # no such state was given
        return False
    (own,) = found.of(GIVEN, found.matched, layer)
    both = np.isfinite(own)
    return any(
        np.isfinite(drawn[both]).all()
        and drawn[both].std() > 0
        and np.corrcoef(own[both], drawn[both])[0, 1] > _SAME_RDM
        for drawn in found.of(RANDOM, found.matched, layer)
    )


def _why_no_twins(found: Evidence) -> str:
    if found.states(RANDOM, found.matched):
        return "no random network has a score"
    given = {"random"} if not found.seeds else {"of_stimuli", "random_of_stimuli"}
    return f"the features of no such networks were given ({', '.join(sorted(given))})"


def _on(statistics: str) -> str:
    words = {STIMULI: "the stimuli", TRAINING: "training images"}.get(statistics)
    return f", statistics of {words} on both sides" if words else ""


def _best_of_each(found: Evidence, roi: str, weights: str) -> list[float]:
    rows = found.rows(roi, weights, found.matched).dropna(subset=["rho"])
    return [float(rho) for rho in rows.groupby("seed")["rho"].max()]
