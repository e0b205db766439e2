"""One cell of a text table: a number, a missing value, or text."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf", re.IGNORECASE)
_MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "-nan(ind)", "null", "none", ".", "-", "--"}
)


class TableError(ValueError):
    """Text is not a table of numbers, or can be read in two ways."""


def number(cell: str, decimal: str) -> float | None:
    """The number in a cell whose decimals have this sign; None where it holds none."""
    if decimal == ",":
        cell = cell.replace(",", ".")
    return float(cell) if _NUMBER.fullmatch(cell) else None


def is_text(cell: str, decimal: str) -> bool:
    """Whether a cell is neither a number nor missing."""
    return cell.casefold() not in _MISSING and number(cell, decimal) is None


def value(cell: str, decimal: str) -> float:
    """The number in a cell, NaN where it is missing.

    Raises:
        TableError: it is text.
    """
    if is_text(cell, decimal):
        raise TableError(f"the cell {cell[:40]!r} is not a number")
    found = number(cell, decimal)
    return float("nan") if found is None else found


def unquoted(name: str) -> str:
    """A name without single quotes around it (csv takes the double ones)."""
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == "'" else name


def counts(cells: list[str]) -> bool:
    """Whether these are 0, 1, 2, ... or 1, 2, 3, ..."""
    return any(cells == [str(i + start) for i in range(len(cells))] for start in (0, 1))
