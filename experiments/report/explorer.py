"""Every score of a run, packed for the page: two bytes a score, read off by a script."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.figures.rule_styles import styles_of
from neurosim.experiments.results.choice import REFERENCE, Headline

#: rho in steps of 1 / 32,000; what is not there is ``MISSING``.
STEPS, MISSING = 32_000, -32_768
#: Where a rule has no policy, its one score stands under each.
_NO_POLICY = "none"
_SYMBOLS = {
    "o": "circle", "s": "square", "^": "triangle-up", "v": "triangle-down", "<": "triangle-left",
    ">": "triangle-right", "D": "diamond", "P": "cross", "h": "hexagon", "p": "pentagon",
    "8": "octagon", "d": "diamond-tall", "H": "hexagon2", "*": "star",
}  # fmt: skip


def explorer(headline: Headline) -> dict[str, Any]:
    """The data of the interactive figures, ready for JSON.

    ``scores`` is the base64 of little-endian int16, C order over the axes ``rules, seeds, passes,
    px, normalisation, maps, rois, conventions``; a pass is (epoch, statistics_only), a map (layer,
    readout).
    """
    table = headline.table
    models = table[~table["rule"].str.startswith(REFERENCE)]
    policies = [p for p in models["normalisation"].unique() if p != _NO_POLICY] or [_NO_POLICY]
    axes: dict[str, list[Any]] = {
        "rules": list(models["rule"].unique()),
        "seeds": [int(seed) for seed in models["seed"].unique()],
        "passes": sorted(
            {
                (int(epoch), bool(flag))
                for epoch, flag in zip(models["epoch"], models["statistics_only"], strict=True)
            }
        ),
        "px": headline.sizes,
        "normalisation": policies,
        "maps": list(dict.fromkeys(zip(models["layer"], models["readout"], strict=True))),
        "rois": list(models["roi"].unique()),
        "conventions": list(models["convention"].unique()),
    }
    return {
        **axes,
        "scores": _packed(models, axes),
        "styles": [
            {
                "label": style.label,
                "colour": style.colour,
                "symbol": _SYMBOLS.get(style.marker, "circle"),
            }
            for style in styles_of(axes["rules"]).values()
        ],
        "still": _still(models),
        "references": _references(table),
        "bounds": _bounds(models),
        "steps": STEPS,
        "missing": MISSING,
        "start": {
            "map": axes["maps"].index(next(m for m in axes["maps"] if m[0] == headline.layer)),
            "px": axes["px"].index(headline.px),
            "normalisation": axes["normalisation"].index(headline.normalisation)
            if headline.normalisation in policies
            else 0,
            "convention": axes["conventions"].index(headline.convention),
        },
    }


def _packed(models: pd.DataFrame, axes: dict[str, list[Any]]) -> str:
    cube = np.full([len(values) for values in axes.values()], MISSING, dtype="<i2")
    rho = models["rho"].to_numpy(dtype=float)
    values = np.where(np.isfinite(rho), np.round(rho * STEPS), MISSING).astype("<i2")

    def places(wanted: Sequence[Any], found: Sequence[Any]) -> np.ndarray:
        place = {value: i for i, value in enumerate(wanted)}
        return np.array([place.get(value, 0) for value in found])

    passes = [
        (int(epoch), bool(flag))
        for epoch, flag in zip(models["epoch"], models["statistics_only"], strict=True)
    ]
    maps = list(zip(models["layer"], models["readout"], strict=True))
    index = [
        places(axes["rules"], models["rule"]), places(axes["seeds"], models["seed"]),
        places(axes["passes"], passes), places(axes["px"], models["px"]),
        places(axes["normalisation"], models["normalisation"]), places(axes["maps"], maps),
        places(axes["rois"], models["roi"]), places(axes["conventions"], models["convention"]),
    ]  # fmt: skip
    cube[tuple(index)] = values
    # A rule without normalised layers has one score whatever the policy.
    without = (models["normalisation"] == _NO_POLICY).to_numpy()
    for policy in range(len(axes["normalisation"])):
        here = [part[without] for part in index]
        here[4] = np.full(without.sum(), policy)
        cube[tuple(here)] = values[without]
    return base64.b64encode(cube.tobytes()).decode("ascii")


def _still(models: pd.DataFrame) -> list[str]:
    """``rule/epoch/layer`` where the layer of any seed counts as not trained."""
    rows = models[(models["trained"] == "not trained") & ~models["statistics_only"]]
    keys = zip(rows["rule"], rows["epoch"], rows["layer"], strict=True)
    return list(dict.fromkeys(f"{rule}/{epoch}/{layer}" for rule, epoch, layer in keys))


def _references(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = table[table["rule"].str.startswith(REFERENCE)].dropna(subset=["rho"])
    return [
        {
            "name": row.rule.removeprefix(REFERENCE),
            "px": int(row.px),
            "roi": row.roi,
            "convention": row.convention,
            "rho": round(float(row.rho), 5),
        }
        for row in rows[["rule", "px", "roi", "convention", "rho"]].itertuples(index=False)
    ]


def _bounds(models: pd.DataFrame) -> list[dict[str, Any]]:
    rows = models.drop_duplicates(["roi", "convention"]).dropna(
        subset=["noise_lower", "noise_upper"]
    )
    return [
        {
            "roi": row.roi,
            "convention": row.convention,
            "lower": round(float(row.noise_lower), 5),
            "upper": round(float(row.noise_upper), 5),
        }
        for row in rows[["roi", "convention", "noise_lower", "noise_upper"]].itertuples(index=False)
    ]
