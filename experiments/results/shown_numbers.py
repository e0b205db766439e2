"""Numbers as every table, sentence and figure shows them: ``0.141``, ``−0.023``, ``+0.010``."""

from __future__ import annotations

import math


def number(value: float, digits: int = 3) -> str:
    """A score, with its leading zero and a real minus; what rounds to zero has no sign."""
    if not math.isfinite(value):
        return "undefined"
    text = f"{abs(value):.{digits}f}"
    return f"−{text}" if value < 0 and float(text) else text


def signed(value: float, digits: int = 3) -> str:
    """A change: always with its sign."""
    text = number(value, digits)
    return text if text.startswith("−") or text == "undefined" else f"+{text}"


def p_value(p: float) -> str:
    """Two digits, ``0.062`` or ``0.0098``; below what tests over seeds resolve, ``< 0.001``."""
    return "< 0.001" if p < 0.0005 else f"{p:.2g}"
