"""Audit: what else than learning accounts for a score."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.experiments.audit_types import PASS, UNKNOWN, WARNING, Audited, Finding


def luminance_and_noise(audited: Audited) -> Finding:
    """Is the score above the luminance scalar, and where against the noise bound?"""
    question = (
        "Is the score above what luminance alone explains, and where against the noise bound?"
    )
    headline = audited.headline
    values: list[dict[str, Any]] = []
    lines = []
    for roi in headline.rois:
        view = headline.view(roi)
        luminance = view.references.get("luminance")
        best = max(view.references.items(), key=lambda item: item[1], default=None)
        bounds = view.bounds
        for rule in headline.rules:
            rho = float(view.curve(rule).loc[headline.last].mean())
            values.append(
                {
                    "rule": rule, "roi": roi, "rho": rho,
                    "luminance": np.nan if luminance is None else luminance,
                    "best_reference": "" if best is None else best[0],
                    "best_reference_rho": np.nan if best is None else best[1],
                    "noise_lower": np.nan if bounds is None else bounds[0],
                    "noise_upper": np.nan if bounds is None else bounds[1],
                }
            )  # fmt: skip
        of_roi = [v for v in values if v["roi"] == roi]
        if luminance is not None and best is not None:
            below = [v["rule"] for v in of_roi if v["rho"] <= luminance]
            told = (
                f"{', '.join(below)} not above luminance ({luminance:.3f})"
                if below
                else f"every rule above luminance ({luminance:.3f})"
            )
            under = [v["rule"] for v in of_roi if v["rho"] <= best[1]]
            if under and best[0] != "luminance":
                told += f"; {', '.join(under)} not above {best[0]} ({best[1]:.3f})"
            lines.append(f"{roi}: {told}.")
        if bounds is not None and bounds[0] > 0:
            top = max(of_roi, key=lambda v: v["rho"])
            lines.append(
                f"{roi}: the best, {top['rule']} at {top['rho']:.3f}, is "
                f"{top['rho'] / bounds[0]:.0%} of the lower noise bound ({bounds[0]:.3f} to "
                f"{bounds[1]:.3f})."
            )
    if not lines:
        answer = "The table holds neither reference models nor noise bounds."
        return Finding("luminance", question, UNKNOWN, answer, values)
    short = any(v["rho"] <= v["luminance"] for v in values if np.isfinite(v["luminance"]))
    verdict = audited.pass_of_seeds(WARNING if short else PASS, lines)
    return Finding("luminance", question, verdict, "\n".join(lines), values)
