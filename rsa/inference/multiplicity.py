"""Many tests at once: the false discovery rate, and models compared pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.rsa.inference.bootstrap import Bootstrap
from neurosim.rsa.rdm.checks import as_numbers

if TYPE_CHECKING:
    import pandas as pd

Procedure = Literal["bh", "by"]
PROCEDURES: tuple[Procedure, ...] = ("bh", "by")


def adjust_p(p: ArrayLike, procedure: Procedure = "bh") -> NDArray[np.float64]:
    """p-values adjusted for the false discovery rate, same shape; NaN is no test.

    - ``bh``: Benjamini & Hochberg 1995, for independent or positively dependent tests.
    - ``by``: Benjamini & Yekutieli 2001, doi:10.1214/aos/1013699998, for any dependence.
    """
    from scipy.stats import false_discovery_control

    if procedure not in PROCEDURES:
        raise ValueError(f"unknown procedure {procedure!r}; known: {', '.join(PROCEDURES)}")
    values = np.array(as_numbers(p), dtype=np.float64)
    tested = ~np.isnan(values)
    if ((values[tested] < 0) | (values[tested] > 1)).any():
        raise ValueError("p-values lie between 0 and 1")
    if tested.any():
        values[tested] = false_discovery_control(values[tested], method=procedure)
    return values


def pairwise_differences(
    bootstrap: Bootstrap,
    names: Sequence[str],
    *,
    level: float = 0.95,
    procedure: Procedure = "bh",
) -> pd.DataFrame:
    """Every two models compared on shared resamples: columns ``a, b, difference, lower,
    upper, p, p_adjusted``.

    Args:
        bootstrap: of shape (n_models,) or (n_models, n_brains); brains are averaged, without
            those that have no score with any model (absent subjects).

    A model without a score has NaN in its rows, and these are no tests.
    """
    import pandas as pd

    observed, samples = bootstrap.observed, bootstrap.samples
    if observed.ndim == 2:
        scored = ~np.isnan(observed).all(axis=0)
        observed, samples = observed[:, scored].mean(axis=1), samples[:, :, scored].mean(axis=2)
    if observed.shape != (len(names),):
        raise ValueError(f"{len(names)} names for scores of shape {bootstrap.observed.shape}")
    models = Bootstrap(observed, samples, bootstrap.n_units)
    rows = []
    for a, b in combinations(range(len(names)), 2):
        difference = models.difference(a, b)
        lower, upper = difference.interval(level)
        rows.append(
            {
                "a": names[a],
                "b": names[b],
                "difference": float(difference.observed),
                "lower": float(lower),
                "upper": float(upper),
                "p": float(difference.p_value()),
            }
        )
    table = pd.DataFrame(rows, columns=["a", "b", "difference", "lower", "upper", "p"])
    table["p_adjusted"] = adjust_p(table["p"].to_numpy(), procedure)
    return table
