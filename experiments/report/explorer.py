"""Every score of a run, packed for the page: two bytes a score, read off by a script."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
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
    places = _places(models)
    axes = {name: list(dict.fromkeys(values)) for name, values in places.items()}
    policies = [p for p in axes["normalisation"] if p != _NO_POLICY] or [_NO_POLICY]
    axes |= {"passes": sorted(axes["passes"]), "px": headline.sizes, "normalisation": policies}
    return {
        **axes,
        "scores": _packed(models, places, axes),
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
        "score": headline.score,
        "symbol": headline.symbol,
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


def _places(models: pd.DataFrame) -> dict[str, list[Any]]:
    """Axis -> where each row of the table stands on it."""
    passes = zip(models["epoch"].astype(int), models["statistics_only"].astype(bool), strict=True)
    return {
        "rules": models["rule"].tolist(),
        "seeds": models["seed"].tolist(),
        "passes": list(passes),
        "px": models["px"].tolist(),
        "normalisation": models["normalisation"].tolist(),
        "maps": list(zip(models["layer"], models["readout"], strict=True)),
        "rois": models["roi"].tolist(),
        "conventions": models["convention"].tolist(),
    }


def _packed(
    models: pd.DataFrame, places: Mapping[str, list[Any]], axes: Mapping[str, list[Any]]
) -> str:
    cube = np.full([len(values) for values in axes.values()], MISSING, dtype="<i2")
    rho = models["rho"].to_numpy(dtype=float)
    values = np.where(np.isfinite(rho), np.round(rho * STEPS), MISSING).astype("<i2")
    index = []
    for axis, known in axes.items():
        place = {value: i for i, value in enumerate(known)}
        index.append(np.array([place.get(value, 0) for value in places[axis]]))
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
    rows = rows.assign(name=rows["rule"].str.removeprefix(REFERENCE))
    return _records(rows[["name", "px", "roi", "convention", "rho"]])


def _bounds(models: pd.DataFrame) -> list[dict[str, Any]]:
    names = {"noise_lower": "lower", "noise_upper": "upper"}
    rows = models.drop_duplicates(["roi", "convention"]).dropna(subset=list(names))
    return _records(rows.rename(columns=names)[["roi", "convention", "lower", "upper"]])


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(rows.to_json(orient="records", double_precision=5))
