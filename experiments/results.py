"""From cell files to ``results.csv`` and the summary that is printed at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from neurosim.rsa import cohens_d, sign_flip_floor, sign_flip_test
from neurosim.storage import write_text

#: The columns of DESIGN section 4 come first; what a rule measures beside them follows.
FIRST_COLUMNS = [
    "rule", "seed", "epoch", "statistics_only", "px", "normalisation", "readout", "layer", "roi",
    "convention", "rho", "noise_lower", "noise_upper", "displacement", "direction_change",
    "test_accuracy",
]  # fmt: skip
#: A layer that moved by less is marked "not trained".
MIN_DISPLACEMENT = 0.01
#: A layer whose direction changed by less only grew or shrank.
MIN_DIRECTION_CHANGE = 1e-4


def merge(cells: Sequence[pd.DataFrame], references: pd.DataFrame, *, simulated: bool):
    """One tidy table: all cells, then the reference models; ``simulated`` in every row."""
    table = pd.concat([*cells, references], ignore_index=True)
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
    for column in ("seed", "epoch"):
        table[column] = table[column].astype("Int64")
    rest = [name for name in table if name not in FIRST_COLUMNS]
    return table[FIRST_COLUMNS + rest]


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write the table whole or not at all; floats to full precision."""
    write_text(path, table.to_csv(index=False))


def read_csv(path: Path) -> pd.DataFrame:
    """Read ``results.csv`` back with the types it was written with."""
    return pd.read_csv(
        path,
        dtype={"seed": "Int64", "epoch": "Int64"},
        keep_default_na=True,
        na_values=[""],
        float_precision="round_trip",
    )


def selection(
    table: pd.DataFrame,
    *,
    px: int,
    normalisation: str = "running",
    readout: str = "gap",
    convention: str = "subject_mean",
) -> pd.DataFrame:
    """The rows of rules under one choice of axes.

    Learners without normalised layers (``none``) and layers without space (``units``) have one
    value for every policy and readout, and stand in every selection.
    """
    return table[
        (table["px"] == px)
        & table["normalisation"].isin([normalisation, "none"])
        & table["readout"].isin([readout, "units"])
        & (table["convention"] == convention)
    ]


def decompose(rows: pd.DataFrame) -> pd.DataFrame:
    """Each seed's change split in two: normalisation part + learning part = change.

    Args:
        rows: a ``selection``.

    Returns:
        One row a (rule, seed, layer, roi, epoch > 0): ``start`` (as initialised),
        ``statistics_only``, ``rho``; ``normalisation_part`` = statistics_only - start,
        ``learning_part`` = rho - statistics_only, ``change`` = rho - start.
    """
    keys = ["rule", "seed", "layer", "roi"]
    zero = rows[(rows["epoch"] == 0) & ~_flag(rows)].set_index(keys)["rho"].rename("start")
    statistics = rows[_flag(rows)].set_index(keys)["rho"].rename("statistics_only_rho")
    later = rows[(rows["epoch"] > 0) & ~_flag(rows)]
    out = later.join(zero, on=keys).join(statistics, on=keys)
    out = out.assign(
        normalisation_part=out["statistics_only_rho"] - out["start"],
        learning_part=out["rho"] - out["statistics_only_rho"],
        change=out["rho"] - out["start"],
    )
    parts = ["start", "statistics_only_rho", "rho", "normalisation_part", "learning_part", "change"]
    return out[[*keys, "epoch", *parts]].reset_index(drop=True)


def _flag(rows: pd.DataFrame) -> pd.Series:
    return rows["statistics_only"].fillna(False).astype(bool)


def summary(table: pd.DataFrame, *, roi: str, layer: str, px: int, normalisation: str):
    """Mean over seeds for each rule: the trajectory, its decomposition, movement, accuracy.

    ``p`` is the exact paired sign-flip test over seeds that the final score lies below (above)
    the start, whichever way the mean goes, two-sided; ``d_z`` Cohen's d of the paired change.
    """
    rows = selection(table, px=px, normalisation=normalisation)
    rows = rows[(rows["roi"] == roi) & (rows["layer"] == layer)]
    parts = decompose(rows)
    last = parts[parts["epoch"] == parts["epoch"].max()]
    moved = table[(table["epoch"] == table["epoch"].max()) & table["layer"].str.startswith("Conv")]
    lines = []
    for rule in dict.fromkeys(rows["rule"].dropna()):
        of_rule = last[last["rule"] == rule]
        if of_rule.empty:
            continue
        final = rows[(rows["rule"] == rule) & (rows["epoch"] == rows["epoch"].max())]
        change = of_rule["change"].to_numpy()
        enough = len(change) > 1 and np.ptp(change) > 0
        lines.append(
            {
                "rule": rule,
                "untrained": of_rule["start"].mean(),
                "statistics only": of_rule["statistics_only_rho"].mean(),
                "trained": of_rule["rho"].mean(),
                "sd": of_rule["rho"].std(ddof=1) if len(change) > 1 else np.nan,
                "normalisation part": of_rule["normalisation_part"].mean(),
                "learning part": of_rule["learning_part"].mean(),
                "p": sign_flip_test(change, alternative="two-sided") if enough else np.nan,
                "d_z": cohens_d(of_rule["rho"], of_rule["start"]) if enough else np.nan,
                "least moved conv": moved[moved["rule"] == rule]["displacement"].min(),
                "test accuracy": final["test_accuracy"].mean(),
            }
        )
    return pd.DataFrame(lines)


def describe_p(n_seeds: int) -> str:
    """The sentence that goes with the p values of a summary."""
    if n_seeds < 2:
        return "One seed: no test over seeds is possible."
    return (
        f"p: exact paired sign-flip test over {n_seeds} seeds, two-sided; it cannot fall below "
        f"{2 * sign_flip_floor(n_seeds):.4g}. d_z: mean over standard deviation of the paired change."
    )
