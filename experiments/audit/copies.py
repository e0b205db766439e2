"""Audit: whether what is counted as evidence was given more than once."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from neurosim.experiments.audit.geometry import Measured, nearly_one, same_layers
from neurosim.experiments.audit.types import FAIL, PASS, UNKNOWN, WARNING, Audited, Finding

Key = tuple[str, int, int, bool]
_SEEDS, _START = "Different seeds", "Trained and epoch 0"
_PASSES, _RULES = "Trained and statistics-only", "Different rules"
_SIZES = "Different px"
#: The same of two scores of one network: they are sums in one order.
_SAME_SCORE = 1e-12


def copies(audited: Audited) -> Finding:
    """Is every set of activations evidence of its own?"""
    question = "Is every set of activations evidence of its own, or are some copies of others?"
    held = _held(audited)
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    n_compared = 0
    for a, b in combinations(held, 2):
        what = _claim(a, b)
        if not what or (what != _SEEDS and {a[0], b[0]} <= audited.frozen):
            continue
        n_compared += 1
        layers = tuple(_same(held[a], held[b], near=what == _SEEDS))
        if audited.headline.layer in layers or (layers and what == _SEEDS):
            found.setdefault((what, layers), []).append(f"{_name(a)} = {_name(b)}")
    for one, other in combinations(audited.measured, 2):
        (px, *how), (other_px, *other_how) = one.choice, other.choice
        if one.key == other.key and px != other_px and how == other_how:
            n_compared += 1
            layers = tuple(same_layers(one, other))
            if len(layers) == len(one.layers):
                pair = f"{_name(one.key)} at {_said(one)} = at {_said(other)}"
                found.setdefault((_SIZES, layers), []).append(pair)
    values = [
        {"claim": what, "layers": list(layers), "pairs": pairs}
        for (what, layers), pairs in found.items()
    ]
    if not n_compared:
        answer = (
            f"{len(held)} set was given: nothing to compare it with. Give other seeds and epochs."
            if len(held) == 1
            else "No two sets claim to be different networks of one rule or seed."
        )
        return Finding("copies", question, UNKNOWN, answer, values)
    if not found:
        answer = f"No copies: {len(held)} sets, {n_compared} pairs compared, all different."
        if audited.frozen:
            answer += f" {', '.join(sorted(audited.frozen))}: not trained, and so like epoch 0."
        return Finding("copies", question, PASS, answer, values)
    bad = any(audited.headline.layer in layers for _, layers in found)
    lines = [
        "Some are copies: they count as one network, whatever their labels say."
        if bad
        else "Some layers are the same in every seed: a score there is of one network."
    ]
    for (what, layers), pairs in found.items():
        more = f", and {len(pairs) - 2} pairs more" * (len(pairs) > 2)
        lines.append(f"{what}: {'; '.join(pairs[:2])}{more} ({', '.join(layers)}).")
    return Finding("copies", question, FAIL if bad else WARNING, "\n".join(lines), values)


def empty_controls(audited: Audited) -> set[str]:
    """Rules whose statistics-only activations are those of epoch 0, and so control nothing.

    Only of files that were given: a run shows what it says. A network whose normalisation is
    ``none`` keeps no statistics, and there the two are rightly the same.
    """
    if not audited.measured:
        return set()
    without = {m.key for m in audited.seen if m.choice[1] == "none"}
    held = _held(audited)
    return {
        a[0]
        for a, b in combinations(held, 2)
        if a[:2] == b[:2] and {a, b} & {(*a[:2], 0, False)} and a[3] != b[3]
        if not {a, b} <= without and audited.headline.layer in _same(held[a], held[b])
    }


def _claim(a: Key, b: Key) -> str:
    """What would be false if the two sets were the same; "" where nothing would be."""
    if a[2:] == b[2:] and a[0] == b[0]:
        return _SEEDS
    if a[1] == b[1] and a[0] == b[0] != "untrained":
        if not (a[3] or b[3]) and 0 in (a[2], b[2]):
            return _START
        if a[2] == b[2] and a[3] != b[3]:
            return _PASSES
    if a[1:] == b[1:] and a[2] > 0 and not a[3] and "untrained" not in (a[0], b[0]):
        return _RULES
    return ""


def _name(key: Key) -> str:
    rule, seed, epoch, statistics_only = key
    return f"{rule} seed {seed} epoch {epoch}" + " statistics-only" * statistics_only


def _said(measured: Measured) -> str:
    return f"{measured.choice[0]} px"


Held = Measured | Mapping[str, Any]


def _same(a: Held, b: Held, *, near: bool = False) -> list[str]:
    """Layers that are the same in both, of activations by their RDMs, else by every score.

    near: copies that were altered (noise, rotated units) count too.
    """
    if isinstance(a, Measured) and isinstance(b, Measured):
        return same_layers(a, b) or (nearly_one(a, b) if near else [])
    assert isinstance(a, Mapping)
    assert isinstance(b, Mapping)
    out = []
    for layer, scores in a.items():
        other = b.get(layer)
        if other is not None and len(other) == len(scores):
            gap = np.abs(scores - other)
            if np.isfinite(gap).any() and not (gap[np.isfinite(gap)] > _SAME_SCORE).any():
                out.append(layer)
    return out


def _held(audited: Audited) -> dict[Key, Held]:
    """Of the starts and ends: key -> what was measured of its activations, else layer -> every
    score of the table."""
    if audited.measured:
        return {m.key: m for m in audited.seen if m.key[2] in (0, audited.ends.get(m.key[0]))}
    headline = audited.headline
    rows = headline.models.assign(statistics_only=headline.models["statistics_only"].astype(bool))
    rows = rows[rows["epoch"].isin([0]) | (rows["epoch"] == rows["rule"].map(audited.ends))]
    held: dict[Key, dict[str, Any]] = {}
    by = ["rule", "seed", "epoch", "statistics_only", "layer"]
    for (rule, seed, epoch, flag, layer), of_set in rows.groupby(by, sort=False):
        scores = of_set.sort_values(["roi", "convention", "readout"])["rho"].to_numpy(float)
        held.setdefault((rule, int(seed), int(epoch), bool(flag)), {})[layer] = scores
    return dict(held)
