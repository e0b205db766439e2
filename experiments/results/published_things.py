"""The published numbers for THINGS, as facts with their source, beside those of a run.

``published_things.csv`` holds what Leutenegger 2026 prints (arXiv 2605.30556) and what its
correction prints or gives a seed at a time (arXiv 2608.12408): V1, LOC and IT, the 720 first
exemplars, three subjects, five seeds, 40 epochs. Its columns:

- ``source``: where the number stands
- ``series``: what it is part of: ``first paper``, ``trajectory``, ``sweep`` (of sizes),
  ``normalisation``, ``content`` (native and upsampled), ``reference``
- ``quantity``: ``rho``, or ``change``: trained minus untrained
- ``layer``: ``best``: the best of the four layers, chosen anew at each epoch
- ``normalisation``: statistics of the network; of a ``change``, those of the untrained one (the
  trained one has ``running``)
- ``pairs``: ``cross-run`` leaves out stimulus pairs of one fMRI run; empty: not stated
- ``status``: ``valid``, or why the number does not stand

They are shown where the stimuli are THINGS, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.results.table import ANY_POLICY

VALID = "valid"
#: Epochs of the published training.
EPOCHS = 40
SCORED_LAYERS = ("Conv1", "Conv2", "Conv3", "FC1")
_FILE = Path(__file__).with_name("published_things.csv")


def is_things(stimuli: str) -> bool:
    """Whether published numbers are about stimuli of this name."""
    return stimuli == "things" or stimuli.startswith("things-")


@lru_cache(maxsize=1)
def _values() -> pd.DataFrame:
    return pd.read_csv(
        _FILE, keep_default_na=False, na_values={"value": "", "lower": "", "upper": "",
                                                 "px": "", "epoch": "", "n_seeds": ""},
        dtype={"epoch": "Int64", "n_seeds": "Int64"},
    )  # fmt: skip


def published_values() -> pd.DataFrame:
    """The whole table."""
    return _values().copy()


@dataclass(frozen=True)
class Scores:
    """A run's scores by their axes.

    by_seed: (rule, roi, px, convention, layer, epoch, policy) -> rho of each seed.
    references: (rule, roi, px, convention) -> rho of a reference model.
    """

    by_seed: Mapping[tuple[Any, ...], pd.Series]
    references: Mapping[tuple[Any, ...], float]

    @classmethod
    def of(cls, table: pd.DataFrame, readout: str) -> Scores:
        """The scores of a result table at one readout of the maps; statistics-only rows apart."""
        place = ["rule", "roi", "px", "convention"]
        is_reference = table["rule"].str.startswith("reference:")
        rows = table[
            ~is_reference & ~table["statistics_only"] & table["readout"].isin([readout, "units"])
        ]
        grouped = rows.groupby([*place, "layer", "epoch", "normalisation"])
        references = table[is_reference].groupby(place)["rho"].mean()
        return cls({key: of.set_index("seed")["rho"] for key, of in grouped}, references.to_dict())

    def at(self, row: Mapping[str, Any]) -> float:
        """The mean over seeds at the axes of one published number; NaN without one."""
        place = tuple(row[axis] for axis in ("rule", "roi", "px", "convention"))
        if row["rule"].startswith("reference:"):
            return self.references.get(place, np.nan)
        if row["content"] != "native":
            return np.nan
        if row["quantity"] == "rho":
            return float(self.seeds(place, row["layer"], row["epoch"], row["normalisation"]).mean())
        return float(self.change(place, row["layer"], row["epoch"], row["normalisation"]).mean())

    def change(self, place: tuple[Any, ...], layer: str, epoch: int, policy: str) -> pd.Series:
        """Trained (``running``) minus untrained (``policy``), of each seed."""
        after = self.seeds(place, layer, epoch, "running")
        return (after - self.seeds(place, layer, 0, policy)).dropna()

    def seeds(self, place: tuple[Any, ...], layer: str, epoch: int, policy: str) -> pd.Series:
        """rho of each seed; of ``best`` the highest of all layers.

        At epoch 0 batch norm has seen no batch, so ``identity`` and ``running`` are the same.
        What no policy reaches counts as the network as it stands, and as no other policy.
        """
        as_it_stands = policy in ("identity", "running", "evaluated-batch")
        allowed = [policy, *(ANY_POLICY if as_it_stands else ())]
        if epoch == 0 and policy == "identity":
            allowed.append("running")
        found = []
        for name in SCORED_LAYERS if layer == "best" else (layer,):
            keys = ((*place, name, epoch, allow) for allow in allowed)
            found += [self.by_seed[key] for key in keys if key in self.by_seed][:1]
        return pd.concat(found, axis=1).max(axis=1) if found else pd.Series(dtype=float)


def beside(table: pd.DataFrame, *, readout: str) -> pd.DataFrame:
    """The published numbers with the run's own at the same axes.

    Args:
        table: as ``results.merge`` gives it. readout: of the maps (published: ``gap``).

    Returns:
        ``published_values`` and ``ours``, the mean over seeds; NaN where the run has no such
        rule, ROI, layer, px, epoch or policy. Ours are of all pairs of stimuli.
    """
    values, scores = published_values(), Scores.of(table, readout)
    values["ours"] = [scores.at(row) for row in values.to_dict("records")]
    return values


def trajectory(rule: str, px: int) -> pd.DataFrame:
    """Published rho at Conv1 in V1 by epoch (32 or 224 px), after the correction."""
    return _series("trajectory", "rho", rule=rule, px=px).sort_values("epoch")


def sweep(rule: str, content: str = "native") -> pd.DataFrame:
    """Published rho at Conv1 in V1 by px, after the last epoch (untrained: as initialised)."""
    return _series("sweep", "rho", rule=rule, layer="Conv1", content=content).sort_values("px")


def best_layers(rule: str) -> pd.DataFrame:
    """The first paper's rho of the best layer in V1 by epoch, 224 px; see ``status``."""
    return _series("first paper", "rho", rule=rule, roi="V1").sort_values("epoch")


def changes(px: int) -> pd.DataFrame:
    """Published trained minus untrained at Conv1 in V1, by rule and policy of the untrained
    network (``mean_rdm``, all pairs)."""
    return _series("normalisation", "change", px=px)


def _series(series: str, quantity: str, **chosen: object) -> pd.DataFrame:
    values = _values()
    rows = values[(values["series"] == series) & (values["quantity"] == quantity)]
    for column, value in chosen.items():
        rows = rows[rows[column] == value]
    return rows


def our_changes(table: pd.DataFrame, px: int, policy: str, readout: str) -> dict[str, float]:
    """This run's trained (running, last epoch) minus untrained (``policy``) at Conv1 in V1, mean
    over seeds, by rule (``mean_rdm``); without those that have no such policy."""
    scores, last = Scores.of(table, readout), int(table["epoch"].max())
    rules = [rule for rule in table["rule"].unique() if not rule.startswith("reference:")]
    changes = {
        rule: scores.change((rule, "V1", px, "mean_rdm"), "Conv1", last, policy) for rule in rules
    }
    return {rule: float(of_seeds.mean()) for rule, of_seeds in changes.items() if len(of_seeds)}
