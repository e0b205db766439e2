"""The tables of the report: rows of fields that say how they are shown and how they sort."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from neurosim.experiments.figures.style import rule_style
from neurosim.experiments.results.choice import REFERENCE, Headline
from neurosim.experiments.results.table import summary
from neurosim.experiments.results.words import listed, number, p_value, signed

#: Column of the result table -> heading and what shows it; what only some rules measure.
_MEASURED = {
    "alignment_angle_deg": ("angle to BP (deg)", lambda v: number(v, 0)),
    "spikes_per_tick": ("spikes a neuron and tick", lambda v: number(v, 4)),
    "dead_map_share": ("share of dead maps", lambda v: number(v, 2)),
}


@dataclass(frozen=True)
class Field:
    """One field: its text, and the number it sorts by (None: it sorts by its text)."""

    text: str
    value: float | None = None
    is_name: bool = False
    mark: bool = False

    @property
    def is_there(self) -> bool:
        """Whether it is more than the dash of a number that is missing."""
        return self.value is None or bool(np.isfinite(self.value))

    @classmethod
    def name(cls, text: str, *, mark: bool = False) -> Field:
        """A field that is a word."""
        return cls(text, is_name=True, mark=mark)

    @classmethod
    def score(cls, value: float, *, shown_as: Callable[[float], str] = number) -> Field:
        """A number; one that is not there is a dash and sorts last."""
        if not np.isfinite(value):
            return cls("–", float("nan"))
        return cls(shown_as(value), float(value))


@dataclass(frozen=True)
class Column:
    """One heading."""

    name: str
    is_name: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its heading and a line below."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Field]]
    note: str = ""

    def without_empty_columns(self) -> Table:
        """The same without columns of numbers that no row has, such as a spread of one seed."""
        kept = [i for i in range(len(self.columns)) if any(row[i].is_there for row in self.rows)]
        rows = [[row[i] for i in kept] for row in self.rows]
        return replace(self, columns=[self.columns[i] for i in kept], rows=rows)

    @property
    def key_ch(self) -> int:
        """Letters of the first column, which stays in sight on a narrow screen."""
        return max(len(text) for text in (self.columns[0].name, *(r[0].text for r in self.rows)))


def tables(headline: Headline) -> list[Table]:
    """Scores and their two parts, movement of layers, references."""
    found = [_scores(headline), _movement(headline), _references(headline)]
    return [table.without_empty_columns() for table in found if table.rows]


def _columns(names: Iterable[str], n_words: int) -> list[Column]:
    return [Column(name, i < n_words) for i, name in enumerate(names)]


def _scores(headline: Headline) -> Table:
    lines = []
    for roi in headline.rois:
        rows = summary(
            headline.table, roi=roi, layer=headline.layer, px=headline.px,
            normalisation=headline.normalisation,
        )  # fmt: skip
        for row in rows.to_dict("records"):
            lines.append(
                [
                    Field.name(roi),
                    Field.name(rule_style(str(row["rule"])).label),
                    *(
                        Field.score(row[key])
                        for key in ("epoch 0", "statistics only", "last epoch")
                    ),
                    Field.score(row["sd"]),
                    Field.score(row["normalisation part"], shown_as=signed),
                    Field.score(row["learning part"], shown_as=signed),
                    Field.score(row["p learning"], shown_as=p_value),
                    Field.score(row["d_z learning"], shown_as=lambda v: signed(v, 2)),
                    Field.score(row["test accuracy"]),
                ]
            )
    names = [
        "region", "rule", "as initialised", "statistics only", "trained", "sd over seeds",
        "normalisation part", "learning part", "p learning (adjusted)", "d_z learning",
        "test accuracy",
    ]  # fmt: skip
    return Table(
        f"Scores of {headline.layer} after epoch {headline.last}",
        _columns(names, 2),
        lines,
        f"{headline.in_words()}. Means over seeds; rules that have not reached epoch "
        f"{headline.last} are not in it. d_z: mean learning part over its standard deviation over "
        "seeds (three seeds or more).",
    )


def _movement(headline: Headline) -> Table:
    table = headline.table
    rows = table[~table["rule"].str.startswith(REFERENCE) & ~table["statistics_only"]]
    rows = rows[rows["epoch"] > 0]
    rows = rows[rows["epoch"] == rows.groupby(["rule", "seed"])["epoch"].transform("max")]
    rows = rows.drop_duplicates(["rule", "seed", "layer"])
    measured = [name for name in _MEASURED if name in rows and rows[name].notna().any()]
    lines = []
    for (rule, layer), of_layer in rows.groupby(["rule", "layer"], sort=False):
        still = (of_layer["trained"] == "not trained").sum()
        whose = of_layer["layer_rule"].iloc[0] if "layer_rule" in of_layer else ""
        lines.append(
            [
                Field.name(rule_style(str(rule)).label),
                Field.name(str(layer)),
                Field.name(str(whose) if isinstance(whose, str) else ""),
                Field(str(int(of_layer["epoch"].max())), float(of_layer["epoch"].max())),
                Field(str(len(of_layer)), len(of_layer)),
                Field.score(of_layer["displacement"].mean(), shown_as="{:.2%}".format),
                Field.score(of_layer["direction_change"].mean(), shown_as=lambda v: number(v, 4)),
                Field.name(_still(int(still), len(of_layer)), mark=bool(still)),
                *(Field.score(of_layer[n].mean(), shown_as=_MEASURED[n][1]) for n in measured),
            ]
        )
    names = [
        "rule", "layer", "learns by", "epoch", "seeds", "displacement",
        "direction change (1 − cos)", "counts as", *(_MEASURED[name][0] for name in measured),
    ]  # fmt: skip
    columns = [Column(n, n in ("rule", "layer", "learns by", "counts as")) for n in names]
    sampled = listed(_MEASURED[name][0] for name in measured)
    return Table(
        "How far each layer moved",
        columns,
        lines,
        "Displacement: Frobenius norm of the change over that of the initial weights. "
        + f"{sampled[:1].upper()}{sampled[1:]}: mean over every tenth batch of the epoch before "
        "the checkpoint, not over all of them." * bool(measured),
    )


def _still(n_still: int, n: int) -> str:
    if not n_still:
        return "trained"
    return "not trained" if n_still == n else f"not trained in {n_still} of {n} seeds"


def _references(headline: Headline) -> Table:
    table = headline.table
    rows = table[
        table["rule"].str.startswith(REFERENCE) & (table["convention"] == headline.convention)
    ]
    wide: pd.DataFrame = rows.pivot_table(
        index=["roi", "rule"], columns="px", values="rho", sort=False
    )
    lines = [
        [
            Field.name(str(roi)),
            Field.name(str(rule).removeprefix(REFERENCE)),
            *(Field.score(float(value)) for value in values),
        ]
        for (roi, rule), values in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    names = ["region", "reference model", *(f"{px} px" for px in wide.columns)]
    return Table(
        "Low-level reference models",
        _columns(names, 2),
        lines,
        f"Spearman ρ, {headline.convention}. A network that scores below luminance has not shown "
        "that it sees more than brightness.",
    )
