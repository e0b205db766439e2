"""Audit: which layers learned, and whether one layer is spoken of."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.audit.geometry import N_SHUFFLES
from neurosim.experiments.audit.types import (
    FAIL,
    PASS,
    UNKNOWN,
    WARNING,
    Audited,
    Finding,
    worst,
)
from neurosim.experiments.results.table import MIN_DIRECTION_CHANGE, MIN_DISPLACEMENT

#: 1 - cosine from which on weights are no nearer to their start than to another network's.
_FORGOTTEN = 0.9
#: A best layer whose score shuffled stimuli reach more often than this is one by chance.
_CHANCE = 0.05


def movement(audited: Audited) -> Finding:
    """Which layers moved by under 1 %, or only shrank?"""
    question = "Which layers moved by under 1 %, or only grew or shrank?"
    rows = audited.headline.models
    rows = rows[~rows["statistics_only"].astype(bool) & (rows["epoch"] > 0)]
    verdict, values, lines = PASS, [], []
    for rule in audited.rules:
        ends = rows[(rows["rule"] == rule) & (rows["epoch"] == audited.ends.get(rule))]
        still, silent, lost = [], [], []
        for layer, of_layer in ends.groupby("layer", sort=False):
            per_seed = of_layer.drop_duplicates("seed")
            known = per_seed.dropna(subset=["displacement"])
            if known.empty:
                silent.append(str(layer))
                continue
            unmoved = known[
                (known["displacement"] < MIN_DISPLACEMENT)
                | (known["direction_change"] < MIN_DIRECTION_CHANGE)
            ]
            mean = known[["displacement", "direction_change"]].astype(float).mean()
            values.append(
                {"rule": rule, "layer": layer, **mean, "n_seeds": len(known),
                 "not_trained": not unmoved.empty}
            )  # fmt: skip
            if np.isinf(known["displacement"]).any():
                lines.append(
                    f"{rule}: weights of {layer} start at zero: they moved, but how far has no "
                    "scale."
                )
            if (known["direction_change"] > _FORGOTTEN).any():
                verdict = worst(verdict, WARNING)
                lost.append(str(layer))
            if len(known) < len(per_seed):
                silent.append(f"{layer} in {len(per_seed) - len(known)} of {len(per_seed)} seeds")
            if not unmoved.empty:
                seeds = f", {len(unmoved)} of {len(known)} seeds" * (len(unmoved) < len(known))
                still.append(f"{layer} ({unmoved['displacement'].mean():.2%}{seeds})")
                headline = layer == audited.headline.layer
                verdict = worst(verdict, FAIL if headline else WARNING)
        if still:
            count = "counts" if len(still) == 1 else "count"
            lines.append(f"{rule}: {', '.join(still)} {count} as not trained.")
        if lost:
            lines.append(
                f"{rule}: weights of {', '.join(lost)} lie at right angles to those of epoch 0: "
                "they forgot their start, or it is another network's. How far they moved is no "
                "evidence of learning."
            )
        if silent or ends.empty:
            verdict = worst(verdict, UNKNOWN)
            what = ", ".join(silent) or "any layer after epoch 0"
            lines.append(f"{rule}: how far weights went is not told of {what}.")
    if not values:
        answer = (
            "The table says nothing of how far weights went. Give weights/LAYER at epoch 0 and "
            "later."
        )
        return Finding("movement", question, UNKNOWN, answer)
    if lines:
        return Finding("movement", question, verdict, "\n".join(lines), values)
    answer = f"None: every layer of {', '.join(audited.rules)} moved and turned."
    return Finding("movement", question, PASS, answer, values)


def best_layer(audited: Audited) -> Finding:
    """Is the best layer more than the best of several by chance, and does it stay the best?"""
    question = "Is the best layer the same along the trajectory and in every seed?"
    rows = audited.headline.models
    rows = rows[~rows["statistics_only"].astype(bool)]
    several = rows["layer"].nunique() > 1
    verdict, values, lines, turned = PASS, [], [], []
    for rule in audited.rules:
        chance = _by_chance(audited, rule)
        if chance is not None and chance > _CHANCE:
            verdict = FAIL
            lines.append(
                f"{rule}: the best layer is no better than the best of "
                f"{rows['layer'].nunique()} with the stimuli shuffled (p = {chance:.2g}): no "
                "score of it is told apart from chance."
            )
        for roi in audited.headline.rois if several else ():
            of_pair = rows[(rows["rule"] == rule) & (rows["roi"] == roi)]
            best = _best(of_pair)
            if best.empty:
                continue
            path = [(int(e), str(n)) for e, n in best.items()]
            value: dict[str, Any] = {
                "rule": rule, "roi": roi, "p_best_of_all": chance,
                "best": [{"epoch": e, "layer": n} for e, n in path],
            }  # fmt: skip
            values.append(value)
            if len({name for _, name in path}) > 1:
                turns = [path[0], *(b for a, b in pairwise(path) if a[1] != b[1])]
                told = ", then ".join(f"{name} from epoch {epoch}" for epoch, name in turns)
                turned.append(f"{rule} in {roi}: {told}.")
                verdict = worst(verdict, WARNING)
            seeds = of_pair[of_pair["epoch"] == path[-1][0]].dropna(subset=["rho"])
            picks = seeds.loc[seeds.groupby("seed")["rho"].idxmax(), "layer"]
            value["seeds_that_agree"] = int((picks == path[-1][1]).sum())
            if value["seeds_that_agree"] < len(picks):
                verdict = worst(verdict, WARNING)
                lines.append(
                    f"{rule} in {roi}, epoch {path[-1][0]}: {path[-1][1]} is the best of the mean, "
                    f"and of {value['seeds_that_agree']} of {len(picks)} seeds."
                )
    if turned:
        lines += [
            "A curve of the best layer of each epoch joins points of different layers (the best of "
            "several is also optimistic at each).",
            *turned,
        ]
    if lines:
        return Finding("best-layer", question, verdict, "\n".join(lines), values)
    if not several:
        answer = "The table holds one layer: no choice was made."
        return Finding("best-layer", question, PASS, answer, values)
    if all(len(v["best"]) < 2 for v in values):
        return Finding("best-layer", question, UNKNOWN, "The table holds one checkpoint.", values)
    lines = ["Yes, for every rule and region."]
    verdict = audited.pass_of_seeds(PASS, lines)
    return Finding("best-layer", question, verdict, "\n".join(lines), values)


def _best(rows: pd.DataFrame) -> pd.Series:
    """Epoch -> the layer with the highest mean, of seeds that have every layer there."""
    scores = rows.pivot_table("rho", ["epoch", "seed"], "layer", sort=False, dropna=False)
    mean = scores.dropna(axis="columns", how="all").dropna().groupby("epoch").mean()
    return mean.idxmax(axis="columns")


def _by_chance(audited: Audited, rule: str) -> float | None:
    """p of the best score of any layer, region and checkpoint, against shuffled stimuli.

    The score is the mean over seeds, and the null its largest value over all of them in each of
    the shuffled orders: the choice is made there too. None where activations were not given.
    """
    by_epoch: dict[tuple[int, tuple[str, ...]], list[Any]] = {}
    for seen in audited.seen:
        if seen.key[0] == rule and not seen.key[3]:
            by_epoch.setdefault((seen.key[2], seen.layers), []).append(seen.by_brain)
    if not by_epoch:
        return None
    means = [np.mean(scores, axis=0).reshape(-1, 1 + N_SHUFFLES) for scores in by_epoch.values()]
    highest = np.max([mean.max(axis=0) for mean in means], axis=0)
    return float((highest >= highest[0]).mean())
