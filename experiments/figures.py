"""Figures 1 to 5 of the comparison."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def draw_all(table: pd.DataFrame, folder: Path, *, layer: str) -> None:
    """Draw every figure as PNG and PDF into ``folder``."""
