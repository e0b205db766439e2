"""What a control command has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Result:
    """All that a command has found, for its figures and its words.

    tables: file stem -> table (``scores``, ``decomposition``, ``layer_choice``).
    """

    tables: Mapping[str, pd.DataFrame]
    layer: str
    training_px: int
    simulated: bool
