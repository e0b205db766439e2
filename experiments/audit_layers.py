"""Audit: which layers learned, and whether one layer is spoken of."""

from __future__ import annotations

from itertools import pairwise

from neurosim.experiments.audit_types import PASS, UNKNOWN, WARNING, Audited, Finding
from neurosim.experiments.results import MIN_DIRECTION_CHANGE, MIN_DISPLACEMENT


def movement(audited: Audited) -> Finding:
    """Which layers moved by under 1 %, or only shrank?"""
    question = "Which layers moved by under 1 %, or only grew or shrank?"
    headline = audited.headline
    rows = headline.models
    rows = rows[(rows["epoch"] == headline.last) & ~rows["statistics_only"].astype(bool)]
    per_layer = rows.dropna(subset=["displacement"]).groupby(["rule", "layer"], sort=False)
    table = per_layer[["displacement", "direction_change"]].mean()
    if table.empty:
        answer = "The table says nothing of how far weights went."
        return Finding("movement", question, UNKNOWN, answer)
    values, lines = [], []
    for (rule, layer), (displacement, direction) in table.iterrows():
        little = displacement < MIN_DISPLACEMENT
        scaled = not little and direction < MIN_DIRECTION_CHANGE
        values.append(
            {
                "rule": rule, "layer": layer, "displacement": displacement,
                "direction_change": direction,
                "not_trained": bool(little or scaled),
            }
        )  # fmt: skip
    for rule in audited.rules:
        still = [v for v in values if v["rule"] == rule and v["not_trained"]]
        if still:
            named = ", ".join(f"{v['layer']} ({v['displacement']:.2%})" for v in still)
            count = "counts" if len(still) == 1 else "count"
            lines.append(f"{rule}: {named} {count} as not trained.")
    if lines:
        return Finding("movement", question, WARNING, "\n".join(lines), values)
    answer = f"None: every layer of {', '.join(audited.rules) or 'the networks'} moved and turned."
    return Finding("movement", question, PASS, answer, values)


def best_layer(audited: Audited) -> Finding:
    """Is the best layer the same along the trajectory?"""
    question = "Is the best layer the same along the trajectory?"
    rows = audited.headline.models
    rows = rows[~rows["statistics_only"].astype(bool)]
    mean = rows.groupby(["rule", "roi", "epoch", "layer"], sort=False)["rho"].mean().reset_index()
    values, lines = [], []
    for (rule, roi), of_pair in mean.groupby(["rule", "roi"], sort=False):
        if rule not in audited.rules:
            continue
        best = of_pair.loc[of_pair.groupby("epoch")["rho"].idxmax().dropna()].sort_values("epoch")
        path = [(int(e), str(name)) for e, name in zip(best["epoch"], best["layer"], strict=True)]
        values.append(
            {"rule": rule, "roi": roi, "best": [{"epoch": e, "layer": n} for e, n in path]}
        )
        if len({name for _, name in path}) > 1:
            turns = [path[0], *(b for a, b in pairwise(path) if a[1] != b[1])]
            told = ", then ".join(f"{name} from epoch {epoch}" for epoch, name in turns)
            lines.append(f"{rule} in {roi}: {told}.")
    if not values or all(len(v["best"]) < 2 for v in values):
        return Finding("best-layer", question, UNKNOWN, "The table holds one checkpoint.", values)
    if lines:
        head = (
            "No: a curve of the best layer of each epoch joins points of different layers "
            "(the best of several is also optimistic at each)."
        )
        return Finding("best-layer", question, WARNING, "\n".join([head, *lines]), values)
    return Finding("best-layer", question, PASS, "Yes, for every rule and region.", values)
