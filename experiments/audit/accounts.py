"""Audit: what else than learning accounts for a score."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.experiments.audit.types import (
    PASS,
    UNKNOWN,
    WARNING,
    Audited,
    Finding,
    worst,
)
from neurosim.experiments.results.seed_intervals import interval
from neurosim.experiments.results.words import between, number

#: A score of which low-level features leave less than this share is mostly theirs.
_LEAST_LEFT = 0.5


def low_level(audited: Audited) -> Finding:
    """Is the score more than low-level features explain, and where against the noise bounds?

    Held against every reference model of the table (luminance, mean colour, colour histogram,
    pixels, silhouette, Gabor energy), and, where activations were given, asked what is left of the
    score once all of them are taken out of both sides.
    """
    question = "Is the score more than low-level features explain, and where in the noise bounds?"
    headline = audited.headline
    verdict, values, lines = PASS, [], []
    for roi in headline.rois:
        view = headline.view(roi)
        references = {n: rho for n, rho in view.references.items() if np.isfinite(rho)}
        if not references:
            verdict = worst(verdict, UNKNOWN)
            lines.append(f"{roi}: no reference model was scored at {headline.px} px.")
        of_roi = []
        for rule in headline.rules:
            value = _value(audited, rule, roi, references)
            values.append(value)
            if not np.isfinite(value["rho"]):
                verdict = worst(verdict, UNKNOWN)
                lines.append(f"{rule} in {roi}: the score is undefined.")
                continue
            of_roi.append(value)
            own, told = _against(value, references)
            verdict = worst(verdict, own)
            lines += [f"{rule} in {roi}: {told}."] if told else []
        bounds = view.bounds
        if bounds is not None and bounds[0] > 0 and of_roi:
            top = max(of_roi, key=lambda v: v["rho"])
            lines.append(
                f"{roi}: the best, {top['rule']} at {number(top['rho'])}, is "
                f"{top['rho'] / bounds[0]:.0%} of the lower noise bound ({between(*bounds)})."
            )
    heads = {
        PASS: "Yes: every rule scores above every low-level reference.",
        UNKNOWN: "Not known of every rule and region:",
        WARNING: "Not of every rule and region:",
    }
    lines.insert(0, heads[verdict])
    verdict = audited.pass_of_seeds(verdict, lines)
    return Finding("low-level", question, verdict, "\n".join(lines), values)


def _value(audited: Audited, rule: str, roi: str, references: dict[str, float]) -> dict[str, Any]:
    scores = audited.scores(rule, roi)
    best = max(references, key=lambda name: references[name], default="")
    bounds = audited.headline.view(roi).bounds or (np.nan, np.nan)
    return {
        "rule": rule, "roi": roi, "epoch": audited.ends.get(rule), "n_seeds": len(scores),
        "rho": float(scores.mean()), "lowest": interval(scores)[0],
        "luminance": references.get("luminance", np.nan),
        "best_reference": best, "best_reference_rho": references.get(best, np.nan),
        "rho_given_references": _given_references(audited, rule, roi),
        "noise_lower": bounds[0], "noise_upper": bounds[1],
    }  # fmt: skip


def _against(value: dict[str, Any], references: dict[str, float]) -> tuple[str, str]:
    """Verdict and words of one rule and region."""
    rho, left = value["rho"], value["rho_given_references"]
    above = [f"{n} ({number(r)})" for n, r in references.items() if rho <= r]
    lowest = value["lowest"] if value["n_seeds"] > 1 else rho
    unsure = [f"{n} ({number(r)})" for n, r in references.items() if lowest <= r < rho]
    told, verdict = [], PASS
    if above:
        told.append(f"{number(rho)} is not above {', '.join(above)}")
        verdict = WARNING
    elif unsure:
        told.append(f"{number(rho)} is not told apart over seeds from {', '.join(unsure)}")
        verdict = UNKNOWN
    if np.isfinite(left) and left < _LEAST_LEFT * rho:
        told.append(f"{number(left)} of {number(rho)} is left when all of them are taken out")
        verdict = WARNING
    return verdict, "; ".join(told)


def _given_references(audited: Audited, rule: str, roi: str) -> float:
    """Mean over seeds of the partial correlation; NaN where activations were not given."""
    layer, r = audited.headline.layer, audited.headline.rois.index(roi)
    found = [
        seen.given_references[seen.layers.index(layer), r]
        for seen in audited.seen
        if seen.key[0] == rule and seen.key[2:] == (audited.ends.get(rule), False)
        and layer in seen.layers
    ]  # fmt: skip
    return float(np.mean(found)) if found else np.nan
