"""What the figures show of a result table: one choice of axes, named in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from neurosim.experiments.results.table import ANY_POLICY, decompose, held_rules, selection
from neurosim.experiments.results.words import score_label, score_symbol, seeds

REFERENCE = "reference:"
#: Differences of rho below this are noise: no axis is narrower.
_LEAST = 0.02
#: The columns that a ``View`` keeps.
_SHOWN = [
    "rule", "seed", "epoch", "statistics_only", "roi", "layer", "rho", "noise_lower",
    "noise_upper", "trained",
]  # fmt: skip


def layers_of(table: pd.DataFrame) -> list[str]:
    """The layers of the rules, in the order of the table: from early to late."""
    return list(table.loc[~table["rule"].str.startswith(REFERENCE), "layer"].unique())


def last_layer(table: pd.DataFrame) -> str:
    """What is spoken of where nothing else is asked for and no network is known.

    Raises:
        ValueError: the table holds no rule.
    """
    layers = layers_of(table)
    if not layers:
        raise ValueError("the table holds no rule")
    return layers[-1]


@dataclass(frozen=True)
class Headline:
    """The one choice of axes that the figures are drawn for.

    Chosen from the table: its largest px, the policy ``running`` and the readout ``gap`` where
    they are there (else the first named), convention ``subject_mean``.
    """

    table: pd.DataFrame
    layer: str
    px: int
    normalisation: str
    readout: str
    convention: str = "subject_mean"

    @classmethod
    def of(cls, table: pd.DataFrame, *, layer: str) -> Headline:
        """Choose.

        Raises:
            ValueError: the table holds no rule, or not this layer.
        """
        models = table[~table["rule"].str.startswith(REFERENCE)]
        layers = layers_of(table)
        if layer not in layers:
            raise ValueError(
                f"no layer {layer!r} in the results; they hold: {', '.join(layers) or 'no rule'}"
            )
        return cls(
            table,
            layer,
            int(models["px"].max()),
            _preferred(models["normalisation"], "running", but=ANY_POLICY),
            _preferred(models["readout"], "gap", but=("units",)),
        )

    @cached_property
    def models(self) -> pd.DataFrame:
        """The rows of rules under this choice: all layers and ROIs, both zero points."""
        return selection(
            self.table[~self.table["rule"].str.startswith(REFERENCE)],
            px=self.px,
            normalisation=self.normalisation,
            readout=self.readout,
            convention=self.convention,
        )

    @cached_property
    def rules(self) -> list[str]:
        """In the order of the table."""
        return list(self.models["rule"].unique())

    @cached_property
    def ends(self) -> pd.DataFrame:
        """One row per rule, seed and layer at the last epoch > 0 of each: how far layers moved."""
        rows = self.table[~self.table["rule"].str.startswith(REFERENCE)]
        rows = rows[~rows["statistics_only"] & (rows["epoch"] > 0)]
        last = rows.groupby(["rule", "seed"])["epoch"].transform("max")
        return rows[rows["epoch"] == last].drop_duplicates(["rule", "seed", "layer"])

    @cached_property
    def held(self) -> frozenset[str]:
        """The rules that learn in no layer."""
        return held_rules(self.table)

    @cached_property
    def trainers(self) -> Mapping[str, str]:
        """Rule -> the rule that trained this layer in its networks, where that is another one: as
        the jobs wrote it down (``layer_rule``)."""
        if "layer_rule" not in self.table:
            return {}
        rows = self.table[(self.table["layer"] == self.layer) & (self.table["epoch"] > 0)]
        rows = rows[~rows["statistics_only"].astype(bool)]
        pairs = rows[["rule", "layer_rule"]].dropna().drop_duplicates().to_numpy()
        return {str(rule): str(by) for rule, by in pairs if by not in ("none", "", rule)}

    @cached_property
    def rois(self) -> list[str]:
        """In the order of the table: from early to late."""
        return list(self.models["roi"].unique())

    @cached_property
    def layers(self) -> list[str]:
        """In the order of the table."""
        return list(self.models["layer"].unique())

    @cached_property
    def epochs(self) -> list[int]:
        """The checkpoints."""
        return sorted(int(e) for e in self.models["epoch"].dropna().unique())

    @cached_property
    def sizes(self) -> list[int]:
        """Every stimulus size of the table, px; this choice's is among them."""
        models = self.table[~self.table["rule"].str.startswith(REFERENCE)]
        return sorted(int(px) for px in models["px"].unique())

    @property
    def last(self) -> int:
        """The last checkpoint."""
        return self.epochs[-1]

    @property
    def comparator(self) -> str:
        """What made the scores, as the table notes it."""
        return str(self.table.attrs.get("method", "spearman"))

    @property
    def score(self) -> str:
        """What a score is called: ``Spearman ρ``."""
        return score_label(self.comparator)

    @property
    def symbol(self) -> str:
        """Its sign: ``ρ``."""
        return score_symbol(self.comparator)

    @property
    def simulated(self) -> bool:
        """Whether any row is of simulated data."""
        return bool(self.table["simulated"].any())

    def view(self, roi: str, layer: str | None = None) -> View:
        """One ROI and layer (default: this choice's layer)."""
        key = roi, layer or self.layer
        if key not in self._views:
            rows = self.models
            chosen = rows[(rows["roi"] == key[0]) & (rows["layer"] == key[1])]
            self._views[key] = View(
                chosen[_SHOWN], self._references(roi), *key, self.held, self.comparator
            )
        return self._views[key]

    @cached_property
    def _views(self) -> dict[tuple[str, str], View]:
        return {}

    def _references(self, roi: str) -> dict[str, float]:
        rows = self.table[
            self.table["rule"].str.startswith(REFERENCE)
            & (self.table["roi"] == roi)
            & (self.table["px"] == self.px)
            & (self.table["convention"] == self.convention)
        ].dropna(subset=["rho"])
        return {
            rule.removeprefix(REFERENCE): float(rho)
            for rule, rho in zip(rows["rule"], rows["rho"], strict=True)
        }

    def seeds_in_words(self) -> str:
        """n = ... seeds; a range where rules differ."""
        counts = self.models.groupby("rule")["seed"].nunique()
        return f"n = {seeds(int(counts.min()), int(counts.max()))}"

    def in_words(self, *, layer: bool = True, px: Sequence[int] = ()) -> str:
        """The choice, for a figure's second line; ``px`` names the sizes of a sweep."""
        n_subjects = int(self.models["n_subjects"].max())
        parts = [
            f"{px[0]} to {px[-1]} px" if len(px) > 1 else f"{self.px} px",
            f"normalisation {self.normalisation}",
            f"{self.score}, {self.convention} over {n_subjects} subjects",
            self.seeds_in_words(),
        ]
        return "  ·  ".join([self.layer_in_words(self.layer)] * layer + parts)

    def layer_in_words(self, layer: str) -> str:
        """A layer with its readout: ``Conv1 (gap)``."""
        readouts = self.models.loc[self.models["layer"] == layer, "readout"].unique()
        return f"{layer} ({' or '.join(readouts)})"


@dataclass(frozen=True)
class View:
    """One ROI and one layer of a ``Headline``.

    references: reference model -> rho, the same for every layer. held: rules that learn nothing.
    comparator: what made the scores.
    """

    rows: pd.DataFrame
    references: dict[str, float]
    roi: str
    layer: str
    held: frozenset[str] = frozenset()
    comparator: str = "spearman"

    @cached_property
    def rules(self) -> list[str]:
        """In the order of the table."""
        return list(self.rows["rule"].unique())

    @cached_property
    def bounds(self) -> tuple[float, float] | None:
        """Lower and upper noise bound; None where the data give none (one subject)."""
        pairs = self.rows[["noise_lower", "noise_upper"]].dropna()
        if pairs.empty:
            return None
        return float(pairs["noise_lower"].iloc[0]), float(pairs["noise_upper"].iloc[0])

    def curve(self, rule: str) -> pd.DataFrame:
        """rho: one row an epoch, one column a seed."""
        return self._curves[rule]

    @cached_property
    def _curves(self) -> dict[str, pd.DataFrame]:
        rows = self.rows[~self.rows["statistics_only"]]
        return {
            rule: of_rule.pivot(index="epoch", columns="seed", values="rho").astype(float)
            for rule in self.rules
            for of_rule in [rows[rows["rule"] == rule]]
        }

    def change(self, rule: str) -> pd.DataFrame:
        """rho minus that of epoch 0, as ``curve``; empty without an epoch 0."""
        curve = self.curve(rule)
        return curve - curve.loc[0] if 0 in curve.index else curve.iloc[:0]

    def statistics_only(self, rule: str) -> pd.Series:
        """The second zero point after the first passes: one value a seed (may be empty)."""
        rows = self._zero_rows[self._zero_rows["rule"] == rule]
        return rows.set_index("seed")["rho"].astype(float).dropna()

    def statistics_only_at(self, rule: str, epoch: int) -> pd.Series:
        """The second zero point after the passes of ``epoch`` epochs: one value a seed."""
        rows = self.rows[(self.rows["rule"] == rule) & self.rows["statistics_only"]]
        return rows[rows["epoch"] == epoch].set_index("seed")["rho"].astype(float)

    @property
    def statistics_only_epoch(self) -> int:
        """The epoch of ``statistics_only``: the first checkpoint after 0 that has such rows."""
        return int(self._zero_rows["epoch"].min())

    @cached_property
    def _zero_rows(self) -> pd.DataFrame:
        rows = self.rows[self.rows["statistics_only"]]
        return rows[rows["epoch"] == rows["epoch"].min()]

    def normalisation_part(self, rule: str) -> pd.Series:
        """statistics-only minus start: one value a seed (may be empty)."""
        curve = self.curve(rule)
        if 0 not in curve.index:
            return pd.Series(dtype=float)
        return (self.statistics_only(rule) - curve.loc[0]).dropna()

    def parts(self, epoch: int) -> pd.DataFrame:
        """The decomposition at one epoch > 0: see ``results.decompose``."""
        parts = decompose(self.rows)
        return parts[parts["epoch"] == epoch]

    def minus(self, other: View) -> View:
        """The same rules, seeds and epochs with the difference in rho; no bounds, no references."""
        keys = ["rule", "seed", "epoch", "statistics_only"]
        theirs = other.rows.set_index(keys)["rho"].rename("theirs")
        rows = self.rows.join(theirs, on=keys, validate="1:1")
        rows = rows.assign(rho=rows["rho"] - rows["theirs"], noise_lower=np.nan, noise_upper=np.nan)
        return replace(self, rows=rows, references={}, roi=f"{self.roi} − {other.roi}")

    def untrained_seeds(self, rule: str) -> pd.Series:
        """Epoch -> share of seeds whose layer counts as not trained."""
        rows = self.rows[(self.rows["rule"] == rule) & ~self.rows["statistics_only"]]
        return (rows["trained"] == "not trained").groupby(rows["epoch"]).mean()

    def not_trained(self, epoch: int) -> dict[str, str]:
        """Rule -> "2 of 3 seeds", for rules that had trained and yet left the layer as it was."""
        if epoch == 0:
            return {}
        rows = self.rows[(self.rows["epoch"] == epoch) & ~self.rows["statistics_only"]]
        found = {}
        for rule, of_rule in rows[~rows["rule"].isin(self.held)].groupby("rule", sort=False):
            still = int((of_rule["trained"] == "not trained").sum())
            if still:
                found[str(rule)] = (
                    "all seeds" if still == len(of_rule) else (f"{still} of {len(of_rule)} seeds")
                )
        return found


def extent(values: Sequence[pd.DataFrame | pd.Series]) -> tuple[float, float]:
    """(lowest, highest) finite value, at least ``_LEAST`` apart."""
    flat = np.concatenate([np.ravel(v.to_numpy(dtype=float)) for v in values] or [np.zeros(0)])
    flat = flat[np.isfinite(flat)]
    if not len(flat):
        return -_LEAST, _LEAST
    low, high = float(flat.min()), float(flat.max())
    missing = max(0.0, _LEAST - (high - low)) / 2
    return low - missing, high + missing


def _preferred(column: pd.Series, wanted: str, *, but: Sequence[str]) -> str:
    names = [name for name in column.dropna().unique() if name not in but]
    return wanted if wanted in names or not names else names[0]
