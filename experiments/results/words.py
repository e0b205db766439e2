"""What every table, sentence and figure says alike: numbers, intervals, lists, counts.

``0.141``, ``−0.023``, ``+0.010``; ``[0.100, 0.200]``; ``a, b and c``; ``1 seed``, ``3 seeds``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable


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


def told_p(p: float) -> str:
    """In a sentence: ``p = 0.062``, ``p < 0.001``."""
    value = p_value(p)
    return f"p {value}" if value.startswith("<") else f"p = {value}"


def interval(lower: float, upper: float) -> str:
    """An interval of what was estimated: ``[0.100, 0.200]``."""
    return f"[{number(lower)}, {number(upper)}]"


def between(lower: float, upper: float) -> str:
    """Two bounds that data set: ``0.100 to 0.200``."""
    return f"{number(lower)} to {number(upper)}"


def listed(values: Iterable[object]) -> str:
    """``a, b and c``."""
    texts = [str(value) for value in values]
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def some(names: Iterable[object]) -> str:
    """The first three of some names, and how many more: ``a, b, c and 2 more``."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - 3} more" * (len(texts) > 3)
    return ", ".join(texts[:3]) + more


def counted(n: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def seeds(least: int, most: int) -> str:
    """Over how many seeds a mean is: ``3 seeds``; ``2 to 3 seeds`` where rules differ."""
    return counted(most, "seed") if least == most else f"{least} to {counted(most, 'seed')}"


#: Comparator -> what a score of it is called, with its sign last where it has one.
SCORES = {
    "spearman": "Spearman ρ", "rho-a": "Spearman ρ_a", "kendall-tau-a": "Kendall τ_a",
    "kendall-tau-b": "Kendall τ_b", "pearson": "Pearson r", "cosine": "cosine similarity",
    "whitened-cosine": "whitened cosine", "whitened-correlation": "whitened correlation",
    "linear-cka": "linear CKA",
}  # fmt: skip


def score_label(comparator: str) -> str:
    """``Spearman ρ``; of a user's own what its text calls it."""
    return SCORES.get(comparator) or comparator.rpartition(":")[2]


def score_symbol(comparator: str) -> str:
    """``ρ``; ``score`` where there is no sign."""
    word = score_label(comparator).split()[-1]
    return word if word[0] in "ρτ" or word == "r" else "score"
