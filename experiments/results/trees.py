"""Tables as trees that ``neurosim.arrays.storage`` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd


def tree_of(table: pd.DataFrame) -> dict[str, Any]:
    """A table by column, in order."""
    return {"order": list(table.columns), **{f"column {c}": table[c].to_numpy() for c in table}}


def table_of(tree: Mapping[str, Any]) -> pd.DataFrame:
    """The inverse of ``tree_of`` after a round through a file."""
    # Parts of encoder_swap of before have the bare names.
    return pd.DataFrame({n: tree.get(f"column {n}", tree.get(n)) for n in tree["order"]})
