"""From job files to ``results.csv`` and the summary that is printed at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from neurosim.arrays.storage import whole_or_nothing, write_text
from neurosim.rsa import adjust_p, cohens_d, sign_flip_floor, sign_flip_test

#: The axes and what every score is read with come first; what a rule measures beside them follows.
FIRST_COLUMNS = [
    "rule", "seed", "epoch", "statistics_only", "px", "normalisation", "readout", "layer", "roi",
    "convention", "rho", "noise_lower", "noise_upper", "displacement", "direction_change",
    "test_accuracy",
]  # fmt: skip
#: Normalisation column of rows that are the same under every policy: without normalised layers;
#: normalised by what is evaluated (profile published).
EVALUATED_BATCH = "evaluated-batch"
ANY_POLICY = ("none", EVALUATED_BATCH)
#: A layer that moved by less is marked "not trained".
MIN_DISPLACEMENT = 0.01
#: A layer whose direction changed by less only grew or shrank: 1 - cosine of the turn that a
#: displacement of ``MIN_DISPLACEMENT`` at a right angle to the weights makes (d^2 / 2).
MIN_DIRECTION_CHANGE = MIN_DISPLACEMENT**2 / 2
#: p below which a change carries one, two, three stars.
STAR_LEVELS = (0.05, 0.01, 0.001)


def merge(
    jobs: Sequence[pd.DataFrame],
    references: pd.DataFrame,
    *,
    simulated: bool,
    comparator: str = "spearman",
) -> pd.DataFrame:
    """One tidy table: all jobs, then the reference models; ``simulated`` in every row.

    ``attrs["method"]`` notes the comparator, as ``alignment_table`` does.
    """
    table = pd.concat([*jobs, references], ignore_index=True)
    table = table.drop(columns="subject", errors="ignore")
    table["trained"] = np.where(
        table["displacement"].isna(),
        "",
        np.where(
            (table["displacement"] < MIN_DISPLACEMENT)
            | (table["direction_change"] < MIN_DIRECTION_CHANGE),
            "not trained",
            "trained",
        ),
    )
    table["simulated"] = simulated
    table["statistics_only"] = _flag(table)
    for column in ("seed", "epoch"):
        table[column] = table[column].astype("Int64")
    rest = [name for name in table if name not in FIRST_COLUMNS]
    return _noted(table[FIRST_COLUMNS + rest], comparator)


def _noted(table: pd.DataFrame, comparator: str) -> pd.DataFrame:
    """The table with what figures of it are labelled by, those of neurosim.rsa.plots too."""
    table.attrs = {"method": comparator, "larger_is_closer": True}
    return table


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write the table whole or not at all; floats to full precision."""
    write_text(path, table.to_csv(index=False))


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write the table whole or not at all, with its types."""
    # Through an open file: pyarrow takes no name that the locale has no letters for.
    with whole_or_nothing(path) as temporary, temporary.open("wb") as file:
        table.to_parquet(file, engine="pyarrow", index=False)


def read_csv(path: Path, comparator: str = "spearman") -> pd.DataFrame:
    """Read ``results.csv`` back with the types it was written with; what made its scores."""
    table = pd.read_csv(
        path,
        dtype={"seed": "Int64", "epoch": "Int64", "statistics_only": "boolean"},
        keep_default_na=False,
        na_values=[""],
        # Whole columns at once: in pieces, a column that is empty for pages is read as two kinds.
        low_memory=False,
    )
    table["statistics_only"] = _flag(table)
    table["trained"] = table["trained"].fillna("")
    return _noted(table, comparator)


def selection(
    table: pd.DataFrame,
    *,
    px: int,
    normalisation: str = "running",
    readout: str = "gap",
    convention: str = "subject_mean",
) -> pd.DataFrame:
    """The rows of rules under one choice of axes.

    Learners that no policy reaches (``ANY_POLICY``) and layers without space (``units``) have one
    value for every policy and readout, and stand in every selection.
    """
    return table[
        (table["px"] == px)
        & table["normalisation"].isin([normalisation, *ANY_POLICY])
        & table["readout"].isin([readout, "units"])
        & (table["convention"] == convention)
    ]


def decompose(rows: pd.DataFrame, axes: Sequence[str] = ()) -> pd.DataFrame:
    """Each seed's change split in two: normalisation part + learning part = change.

    Args:
        rows: a ``selection``: one row a (rule, seed, layer, roi, epoch, statistics_only).
        axes: columns that tell several choices of axes apart (px, ...), so that rows under all
            of them are split at once; they are columns of the answer too.

    Returns:
        One row a (rule, seed, layer, roi, epoch > 0): ``start`` (as initialised),
        ``statistics_only_rho`` (of the same epoch's passes), ``rho``;
        ``normalisation_part`` = statistics_only - start,
        ``learning_part`` = rho - statistics_only, ``change`` = rho - start. Without a start or a
        ``statistics-only`` row, what needs it is NaN.

    Raises:
        pandas.errors.MergeError: a start or statistics-only score is there twice, so ``rows``
            mixes several px, policies, readouts or conventions.
    """
    keys = ["rule", "seed", "layer", "roi", *axes]
    flag = _flag(rows)
    zero = rows[(rows["epoch"] == 0) & ~flag].set_index(keys)["rho"].rename("start")
    passes = [*keys, "epoch"]
    statistics = rows[flag].set_index(passes)["rho"].rename("statistics_only_rho")
    later = rows[(rows["epoch"] > 0) & ~flag]
    out = later.join(zero, on=keys, validate="m:1").join(statistics, on=passes, validate="m:1")
    out = out.assign(
        normalisation_part=out["statistics_only_rho"] - out["start"],
        learning_part=out["rho"] - out["statistics_only_rho"],
        change=out["rho"] - out["start"],
    )
    parts = ["start", "statistics_only_rho", "rho", "normalisation_part", "learning_part", "change"]
    return out[[*keys, "epoch", *parts]].reset_index(drop=True)


def _flag(rows: pd.DataFrame) -> pd.Series:
    return rows["statistics_only"].astype("boolean").fillna(False).astype(bool)


@dataclass(frozen=True)
class SeedTest:
    """Exact paired sign-flip test over seeds that a mean change is zero, two-sided.

    n: seeds with a finite change. p: NaN below two seeds. floor: no p can lie below it.
    """

    n: int
    p: float
    floor: float

    @classmethod
    def of(cls, changes: pd.Series) -> SeedTest:
        """Test one change a seed; a seed whose change is NaN is left out."""
        finite = changes.dropna().to_numpy(dtype=float)
        n = len(finite)
        if n < 2:
            return cls(n, np.nan, 1.0)
        p = sign_flip_test(finite, alternative="two-sided")
        return cls(n, p, sign_flip_floor(n, alternative="two-sided"))

    @property
    def stars(self) -> str:
        """One star for each of ``STAR_LEVELS`` that p lies below."""
        return "*" * sum(self.p < level for level in STAR_LEVELS)


def adjusted(tests: Mapping[str, SeedTest]) -> dict[str, SeedTest]:
    """The same tests with p adjusted for their number (Benjamini & Hochberg 1995)."""
    p = adjust_p([test.p for test in tests.values()])
    return {
        name: replace(test, p=float(q)) for (name, test), q in zip(tests.items(), p, strict=True)
    }


def learning_tests(learning: Mapping[str, pd.Series], held: Collection[str]) -> dict[str, SeedTest]:
    """The test of each rule's learning part (rule -> one value a seed), adjusted over the rules.

    Those that learn nothing (``held``) have none (p is NaN): that nothing was learned there is no
    hypothesis, and would make every other p larger.
    """
    tests = {rule: SeedTest.of(values) for rule, values in learning.items()}
    return adjusted(
        {rule: replace(t, p=np.nan) if rule in held else t for rule, t in tests.items()}
    )


def held_rules(table: pd.DataFrame) -> frozenset[str]:
    """The rules that learn in no scored layer, whatever they are called.

    As the table's ``layer_rule`` has it; in tables without it, those whose weights all stayed.
    """
    later = table[(table["epoch"] > 0) & ~_flag(table)]
    if "layer_rule" in later and later["layer_rule"].notna().any():
        learns = ~later["layer_rule"].fillna("none").isin(["none", ""])
    else:
        learns = later["displacement"].fillna(0) > 0
    return frozenset(
        str(rule) for rule, any_ in learns.groupby(later["rule"]).any().items() if not any_
    )


def adapts(table: pd.DataFrame, rule: str) -> str:
    """What passes without learning move in a rule's network; empty in tables that do not say."""
    if "adapts" not in table:
        return ""
    return " and ".join(table.loc[table["rule"] == rule, "adapts"].dropna().unique())


def summary(
    table: pd.DataFrame, *, roi: str, layer: str, px: int, normalisation: str, readout: str
) -> pd.DataFrame:
    """Mean over seeds for each rule: the trajectory, its decomposition, movement, accuracy.

    ``p learning`` is the ``SeedTest`` of the learning part at the last epoch, adjusted over the
    rules of the table that learn (``learning_tests``), ``d_z learning`` Cohen's d of it over seeds
    (three at least). "least moved conv" is the smallest displacement of any conv layer and seed.
    """
    rows = selection(table, px=px, normalisation=normalisation, readout=readout)
    rows = rows[(rows["roi"] == roi) & (rows["layer"] == layer)]
    parts, held = decompose(rows), held_rules(table)
    last = table["epoch"].max()
    ends = table[(table["epoch"] == last) & ~_flag(table)]
    lines, learning = [], {}
    for rule in dict.fromkeys(rows["rule"].dropna()):
        of_rule = parts[(parts["rule"] == rule) & (parts["epoch"] == last)]
        if of_rule.empty:
            continue
        end = ends[ends["rule"] == rule]
        learning[rule] = of_rule["learning_part"]
        paired = of_rule.dropna(subset=["learning_part"])
        spread = len(paired) > 2 and np.ptp(paired["learning_part"]) > 0
        lines.append(
            {
                "rule": rule,
                "epoch 0": of_rule["start"].mean(),
                "statistics only": of_rule["statistics_only_rho"].mean(),
                "last epoch": of_rule["rho"].mean(),
                "sd": of_rule["rho"].std(ddof=1),
                "normalisation part": of_rule["normalisation_part"].mean(),
                "learning part": of_rule["learning_part"].mean(),
                "p learning": np.nan,
                "d_z learning": (
                    cohens_d(paired["rho"], paired["statistics_only_rho"]) if spread else np.nan
                ),
                # Of the layers that are maps: the others have no readout but their units.
                "least moved conv": end.loc[end["readout"] != "units", "displacement"].min(),
                "test accuracy": end.drop_duplicates("seed")["test_accuracy"].mean(),
            }
        )
    for line, test in zip(lines, learning_tests(learning, held).values(), strict=True):
        line["p learning"] = test.p
    return pd.DataFrame(lines)


#: What the columns that only the dynamics can tell are means of.
MEASURED = ("alignment_angle_deg", "spikes_per_tick", "dead_map_share")


def describe(table: pd.DataFrame) -> str:
    """The sentences that go with the numbers of a summary, from what the table says."""
    rules = [str(r) for r in table["rule"].unique() if not str(r).startswith("reference:")]
    moved: dict[str, list[str]] = {}
    for rule in rules:
        moved.setdefault(adapts(table, rule), []).append(rule)
    what = "; ".join(f"{w} of {', '.join(of)}" for w, of in moved.items() if w)
    lines = [
        "normalisation part: the same passes at learning rate 0, minus epoch 0"
        + f" (they move {what})" * bool(what)
        + "; learning part: the rest.",
        *readouts(table),
    ]
    measured = [name for name in MEASURED if name in table and table[name].notna().any()]
    if measured:
        lines.append(
            f"{', '.join(measured)}: means over every tenth batch of the epoch before the "
            "checkpoint, not over all of them."
        )
    n_seeds = table["seed"].nunique()
    if n_seeds < 2:
        return "\n".join([*lines, "One seed: no test over seeds is possible."])
    floor = sign_flip_floor(n_seeds, alternative="two-sided")
    lines.append(
        f"p learning: exact paired sign-flip test of the learning part over {n_seeds} seeds, "
        "two-sided, Benjamini-Hochberg over the rules that learn; it cannot fall below "
        f"{floor:.4g}. d_z learning: its mean over its standard deviation (three seeds or more)."
    )
    return "\n".join(lines)


def readouts(table: pd.DataFrame) -> list[str]:
    """A line per rule whose layers do not all learn by it: what learns where, from the table."""
    if "layer_rule" not in table:
        return []
    # In passes at learning rate 0 no layer learns, whatever the rule.
    rows = table[~_flag(table)].dropna(subset=["layer_rule"])
    found: dict[str, list[str]] = {}
    for rule, of_rule in rows.groupby("rule", sort=False):
        by: dict[str, list[str]] = {}
        for layer, learner in of_rule[["layer", "layer_rule"]].drop_duplicates().to_numpy():
            by.setdefault(str(learner), []).append(str(layer))
        if set(by) not in ({str(rule)}, {"none"}):
            told = "; ".join(
                f"{', '.join(layers)} learn{'s' * (len(layers) == 1)} "
                + ("nothing" if name == "none" else f"by {name}")
                for name, layers in by.items()
            )
            found.setdefault(told, []).append(str(rule))
    return [f"{', '.join(rules)}: {told}." for told, rules in found.items()]
