"""The tables of the report: rows of fields that say how they are shown and how they sort."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurosim.experiments.figures.style import rule_style
from neurosim.experiments.results.choice import REFERENCE, Headline
from neurosim.experiments.results.table import summary
from neurosim.experiments.results.words import listed, number, p_value, signed


@dataclass(frozen=True)
class Field:
    """One field: its text, and the number it sorts by (None: it sorts by its text)."""

    text: str
    value: float | None = None
    mark: bool = False

    @property
    def is_there(self) -> bool:
        """Whether it is more than the dash of a number that is missing."""
        return self.value is None or bool(np.isfinite(self.value))


@dataclass(frozen=True)
class Column:
    """One heading.

    shown: how its numbers are written; None: its fields are words. marked: words that stand out.
    """

    name: str
    shown: Callable[[float], str] | None = None
    marked: Callable[[str], bool] = lambda text: False

    @property
    def is_name(self) -> bool:
        """Whether its fields are words."""
        return self.shown is None

    def field(self, value: Any) -> Field:
        """A value as this column shows it, or a field of its own; a number that is not there is a
        dash and sorts last."""
        if isinstance(value, Field):
            return value
        if self.shown is None:
            return Field(str(value), mark=self.marked(str(value)))
        if not np.isfinite(value):
            return Field("–", float("nan"))
        return Field(self.shown(value), float(value))


@dataclass(frozen=True)
class Table:
    """A table with its heading and a line below."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Field]]
    note: str = ""

    @classmethod
    def of(
        cls, title: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]], note: str = ""
    ) -> Table:
        """Rows of values, shown as their columns say."""
        shown = [[c.field(v) for c, v in zip(columns, row, strict=True)] for row in rows]
        return cls(title, columns, shown, note)

    def without_empty_columns(self) -> Table:
        """The same without columns of numbers that no row has, such as a spread of one seed."""
        kept = [i for i in range(len(self.columns)) if any(row[i].is_there for row in self.rows)]
        rows = [[row[i] for i in kept] for row in self.rows]
        return replace(self, columns=[self.columns[i] for i in kept], rows=rows)

    @property
    def key_ch(self) -> int:
        """Letters of the first column, which stays in sight on a narrow screen."""
        return max(len(text) for text in (self.columns[0].name, *(r[0].text for r in self.rows)))


def whole(value: float) -> str:
    """A count."""
    return f"{value:.0f}"


def tables(headline: Headline) -> list[Table]:
    """Scores and their two parts, movement of layers, references."""
    found = [_scores(headline), _movement(headline), _references(headline)]
    return [table.without_empty_columns() for table in found if table.rows]


#: Column of ``summary`` -> the one that shows it.
_SCORES = {
    "epoch 0": Column("as initialised", number),
    "statistics only": Column("statistics only", number),
    "last epoch": Column("trained", number),
    "sd": Column("sd over seeds", number),
    "normalisation part": Column("normalisation part", signed),
    "learning part": Column("learning part", signed),
    "p learning": Column("p learning (adjusted)", p_value),
    "d_z learning": Column("d_z learning", lambda v: signed(v, 2)),
    "test accuracy": Column("test accuracy", number),
}


def _scores(headline: Headline) -> Table:
    lines = []
    for roi in headline.rois:
        rows = summary(
            headline.table, roi=roi, layer=headline.layer, px=headline.px,
            normalisation=headline.normalisation, readout=headline.readout,
        )  # fmt: skip
        for row in rows.to_dict("records"):
            label = rule_style(str(row["rule"])).label
            lines.append([roi, label, *(row[name] for name in _SCORES)])
    return Table.of(
        f"Scores of {headline.layer} after epoch {headline.last}",
        [Column("region"), Column("rule"), *_SCORES.values()],
        lines,
        f"{headline.in_words()}. Means over seeds; rules that have not reached epoch "
        f"{headline.last} are not in it. d_z: mean learning part over its standard deviation over "
        "seeds (three seeds or more).",
    )


#: Column of the result table -> the one that shows it; what only some rules measure.
_MEASURED = {
    "alignment_angle_deg": Column("angle to BP (deg)", whole),
    "spikes_per_tick": Column("spikes a neuron and tick", lambda v: number(v, 4)),
    "dead_map_share": Column("share of dead maps", lambda v: number(v, 2)),
}


def _movement(headline: Headline) -> Table:
    rows = headline.ends
    measured = [name for name in _MEASURED if name in rows and rows[name].notna().any()]
    lines = []
    for (rule, layer), of_layer in rows.groupby(["rule", "layer"], sort=False):
        whose = of_layer["layer_rule"].iloc[0] if "layer_rule" in of_layer else ""
        still = int((of_layer["trained"] == "not trained").sum())
        lines.append(
            [
                rule_style(str(rule)).label, layer, whose if isinstance(whose, str) else "",
                of_layer["epoch"].max(), len(of_layer), of_layer["displacement"].mean(),
                of_layer["direction_change"].mean(), _still(still, len(of_layer)),
                *(of_layer[name].mean() for name in measured),
            ]
        )  # fmt: skip
    shown = [_MEASURED[name] for name in measured]
    sampled = listed(column.name for column in shown)
    return Table.of(
        "How far each layer moved",
        [
            Column("rule"), Column("layer"), Column("learns by"), Column("epoch", whole),
            Column("seeds", whole), Column("displacement", "{:.2%}".format),
            Column("direction change (1 − cos)", lambda v: number(v, 4)),
            Column("counts as", marked=lambda text: text != _still(0, 1)), *shown,
        ],
        lines,
        "Displacement: Frobenius norm of the change over that of the initial weights. "
        + f"{sampled[:1].upper()}{sampled[1:]}: mean over every tenth batch of the epoch before "
        "the checkpoint, not over all of them." * bool(measured),
    )  # fmt: skip


def _still(n_still: int, n: int) -> str:
    if not n_still:
        return "trained"
    return "not trained" if n_still == n else f"not trained in {n_still} of {n} seeds"


def _references(headline: Headline) -> Table:
    table = headline.table
    rows = table[
        table["rule"].str.startswith(REFERENCE) & (table["convention"] == headline.convention)
    ]
    wide = rows.pivot_table(index=["roi", "rule"], columns="px", values="rho", sort=False)
    return Table.of(
        "Low-level reference models",
        [
            Column("region"), Column("reference model"),
            *(Column(f"{px} px", number) for px in wide.columns),
        ],
        [
            (roi, str(rule).removeprefix(REFERENCE), *values)
            for (roi, rule), values in zip(wide.index, wide.to_numpy(float), strict=True)
        ],
        f"{headline.score}, {headline.convention}. A network that scores below luminance has not "
        "shown that it sees more than brightness.",
    )  # fmt: skip
