"""What an audit looks at, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd

from neurosim.experiments.audit.geometry import Measured, same_layers
from neurosim.experiments.results.choice import REFERENCE, Headline
from neurosim.experiments.results.table import ANY_POLICY, decompose

PASS, UNKNOWN, WARNING, FAIL = "pass", "unknown", "warning", "fail"
#: From best to worst.
VERDICTS = (PASS, UNKNOWN, WARNING, FAIL)
#: The axes that one choice fixes, besides the layer.
AXES = ("px", "normalisation", "readout", "convention")


def worst(*verdicts: str) -> str:
    """The worst of some verdicts; ``unknown`` of none."""
    return max(verdicts, key=VERDICTS.index, default=UNKNOWN)


@dataclass(frozen=True)
class Check:
    """What showing stimuli to one network did.

    name: the network in words. changed: names of the tensors that moved; None where it was not
        told.
    batch_difference: largest difference between features of a stimulus in two batches, as a
        share of the layer's root mean square; None where it was not measured.
    resolution: the smallest difference that the values can hold, in the same unit.
    doubt: why no difference, or a small one, is no evidence; "" where it is.
    """

    name: str
    changed: tuple[str, ...] | None = None
    batch_difference: float | None = None
    resolution: float = 0.0
    doubt: str = ""


@dataclass(frozen=True)
class Finding:
    """The answer to one question.

    values: the numbers behind it, one mapping per row.
    """

    id: str
    question: str
    verdict: str
    answer: str
    values: Sequence[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Audited:
    """What is audited: the table, the axes its headline stands on, and what else is known.

    measured: of activations that were given, what their RDMs say; of tables nothing.
    shown_here: this program showed the stimuli itself, in the order of the brain data.
    """

    table: pd.DataFrame
    headline: Headline
    checks: Sequence[Check] = ()
    measured: Sequence[Measured] = ()
    shown_here: bool = False

    @classmethod
    def of(cls, table: pd.DataFrame, layer: str, **known: Any) -> Audited:
        """Choose the axes as ``Headline.of`` does, but the largest px that has a start and an end.

        Raises:
            ValueError: the table holds no rule, or not this layer.
        """
        headline = Headline.of(table, layer=layer)
        for px in reversed(headline.sizes):
            at_px = replace(headline, px=px)
            if len({0, 1} & set(at_px.models["epoch"].clip(upper=1))) == 2:
                return cls(table, at_px, **known)
        return cls(table, headline, **known)

    @cached_property
    def rules(self) -> list[str]:
        """Rules that learn something, or that the table says nothing of; in the table's order."""
        held = self.headline.held if "layer_rule" in self.table else ()
        controls = {"untrained", *self.frozen, *held}
        return [rule for rule in self.models["rule"].unique() if rule not in controls]

    @cached_property
    def frozen(self) -> frozenset[str]:
        """Rules that are controls which are not trained: in every seed no weight moved, and the
        activations are those of epoch 0 or of the statistics-only passes, as they have to be."""
        by_key = {m.key: m for m in self.seen}
        found: dict[str, bool] = {}
        for (rule, seed, epoch, passes), end in by_key.items():
            if passes or epoch != self.ends.get(rule) or not epoch:
                continue
            zeros = [by_key.get((rule, seed, 0, False)), by_key.get((rule, seed, epoch, True))]
            stays = end.displacement == 0 and any(
                len(same_layers(end, zero)) == len(end.layers) for zero in zeros if zero
            )
            found[rule] = found.get(rule, True) and stays
        return frozenset(rule for rule, stays in found.items() if stays)

    @cached_property
    def models(self) -> pd.DataFrame:
        """Every row of the table that is of a rule, under all choices."""
        return self.table[~self.table["rule"].str.startswith(REFERENCE)]

    @cached_property
    def seen(self) -> list[Measured]:
        """What was measured under the headline's choice."""
        one = self.headline
        return [
            m
            for m in self.measured
            if m.choice[0] == one.px
            and m.choice[1] in (one.normalisation, *ANY_POLICY)
            and m.choice[2] in (one.readout, "units")
        ]

    @cached_property
    def ends(self) -> dict[str, int]:
        """Rule -> its last checkpoint: the last that all of its seeds have, if they share one."""
        rows = self.headline.models
        rows = rows[~rows["statistics_only"].astype(bool)]
        found = {}
        for rule, of_rule in rows.groupby("rule", sort=False):
            per_seed = [set(of_seed) for _, of_seed in of_rule.groupby("seed")["epoch"]]
            found[str(rule)] = int(max(set.intersection(*per_seed) or set.union(*per_seed)))
        return found

    @cached_property
    def n_seeds(self) -> dict[str, int]:
        """Rule -> seeds under the headline's choice, in any layer."""
        return self.headline.models.groupby("rule")["seed"].nunique().to_dict()

    @cached_property
    def parts(self) -> pd.DataFrame:
        """Every change of the table split in two, under every choice: computed once."""
        return decompose(self.models, AXES)

    def change(self, rule: str, roi: str, **choice: Any) -> pd.DataFrame:
        """The parts of a rule's change at its last checkpoint: one row per seed.

        Args:
            choice: what differs from the headline's choice: layer, px, normalisation, readout,
                convention. What a rule has under any policy, and a layer under any readout, is
                found under every one unless it is what was asked for.
        """
        wanted = {"layer": self.headline.layer} | {n: getattr(self.headline, n) for n in AXES}
        anyway = {"normalisation": ANY_POLICY, "readout": ("units",)}
        rows = self.parts
        kept = (rows["rule"] == rule) & (rows["roi"] == roi)
        for name, value in (wanted | choice).items():
            kept &= rows[name].isin([value, *(() if name in choice else anyway.get(name, ()))])
        return rows[kept & (rows["epoch"] == self.ends.get(rule))]

    def scores(self, rule: str, roi: str) -> pd.Series:
        """rho of a rule in the headline's layer at its last checkpoint: one value per seed."""
        rows = self.headline.models
        rows = rows[
            (rows["rule"] == rule) & (rows["roi"] == roi) & (rows["layer"] == self.headline.layer)
            & (rows["epoch"] == self.ends.get(rule)) & ~rows["statistics_only"].astype(bool)
        ]  # fmt: skip
        return rows.set_index("seed")["rho"].astype(float).dropna()

    def seeds_in_words(self, rule: str, n: int) -> str:
        """Of how many seeds a mean is, where it is not of all: `` (2 of 3 seeds)``."""
        n_all = self.n_seeds.get(rule, n)
        return "" if n == n_all else f" ({n} of {n_all} seeds)"

    def where(self) -> str:
        """The headline's choice in words: what was given of it."""
        rows = self.headline.models
        rows = rows[rows["layer"] == self.headline.layer]
        said = [self.headline.layer]
        if self.headline.px:
            said.append(f"{self.headline.px} px")
        said += [" or ".join(map(str, rows[name].unique())) for name in AXES[1:3]]
        return ", ".join(said)

    def pass_of_seeds(self, verdict: str, lines: list[str]) -> str:
        """The verdict; of one seed no pass, and ``lines`` say so: differences between rules,
        sizes or policies may be that seed's own."""
        if min(self.n_seeds.get(rule, 0) for rule in self.rules or self.n_seeds) > 1:
            return verdict
        lines.append("One seed: whether another one would say the same is not known.")
        return worst(verdict, UNKNOWN)
