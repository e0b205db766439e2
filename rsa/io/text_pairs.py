"""RDMs that a text holds pair by pair: lists of two names and a value, and ragged triangles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.io.text_cells import TableError, counts, is_text, number, unquoted, value

Rows = list[list[str]]


def read_pairs(
    rows: Rows, decimal: str
) -> tuple[NDArray[np.float64], tuple[str, ...] | None] | None:
    """The square, and the names of its stimuli, of lines ``name, name, value``; else None.

    A first line of texts and a first column that counts the lines say nothing. Each pair stands
    once, or once in either direction; a stimulus may stand with itself, at zero or missing.
    Numbers are names where the lines are exactly the pairs of so many stimuli; those that count
    the stimuli give their order and no names.

    Raises:
        TableError: a pair stands with two values, or is not there.
    """
    if len(rows) > 1 and all(is_text(cell, decimal) for cell in rows[0][-3:]):
        rows = rows[1:]
    if all(len(row) == 4 for row in rows) and counts([row[0] for row in rows]):
        rows = [row[1:] for row in rows]
    if len(rows) < 3 or any(len(row) != 3 for row in rows):
        return None
    pairs = [(unquoted(a), unquoted(b)) for a, b, _ in rows]
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    texts = all(_are_names([pair[side] for pair in pairs], decimal) for side in (0, 1))
    if not texts and not (_are_whole(names) and _are_all(pairs, names)):
        return None
    if _are_whole(names) and counts(sorted(names, key=int)):
        names.sort(key=int)
    place = {name: i for i, name in enumerate(names)}
    square = np.full((len(names), len(names)), np.nan)
    there: dict[tuple[int, int], str] = {}
    for (a, b), (_, _, cell) in zip(pairs, rows, strict=True):
        i, j = sorted((place[a], place[b]))
        found = value(cell, decimal)
        if (i, j) in there and not np.array_equal(square[i, j], found, equal_nan=True):
            raise TableError(f"the pair {a!r}, {b!r} has two values, {there[i, j]} and {cell}")
        square[i, j] = square[j, i] = found
        there[i, j] = cell
    lacking = [pair for pair in combinations(range(len(names)), 2) if pair not in there]
    if lacking:
        a, b = (names[i] for i in lacking[0])
        raise TableError(
            f"it lists pairs of {len(names)} stimuli, but {len(lacking)} of their pairs are not "
            f"there, such as {a!r}, {b!r}; give each pair a line, with NA where it is missing"
        )
    return square, None if counts(names) else tuple(names)


def squared(rows: Rows, decimal: str) -> Rows:
    """The lines of one triangle, each a cell longer (or shorter) than the last, as lines of the
    square with empty cells on the other side; all other lines as they are.

    Lines may begin with names, below a line of them. Without names, the diagonal is part of the
    triangle where it is zero or missing in all lines.
    """
    has_head = len(rows[0]) > 1 and all(is_text(cell, decimal) for cell in rows[0][1:])
    head, body = rows[:has_head], rows[has_head:]
    named = all(is_text(row[0], decimal) for row in body)
    names = [row[:1] if named else [] for row in body]
    values = [row[len(name) :] for row, name in zip(body, names, strict=True)]
    sizes = [len(row) for row in values]
    steps = {b - a for a, b in pairwise(sizes)}
    if len(body) < 3 or steps not in ({1}, {-1}) or min(sizes) > 1:
        return rows
    lower = steps == {1}
    if not named and any(number(row[-1 if lower else 0], decimal) for row in values):
        # One stimulus more: its own line holds no pair.
        values.insert(0 if lower else len(values), [])
        names.append([])
    n = len(values)
    padded = [
        row + [""] * (n - len(row)) if lower else [""] * (n - len(row)) + row for row in values
    ]
    return head + [name + row for name, row in zip(names, padded, strict=True)]


def _are_names(cells: Sequence[str], decimal: str) -> bool:
    """Text, and no number among it."""
    numbers = any(number(cell, decimal) is not None for cell in cells)
    return not numbers and any(is_text(cell, decimal) for cell in cells)


def _are_whole(names: Sequence[str]) -> bool:
    return all(name.isascii() and name.isdigit() for name in names)


def _are_all(pairs: Sequence[tuple[str, str]], names: Sequence[str]) -> bool:
    """All pairs once, or once in either direction; and each stimulus with itself, or none."""
    own = [pair for pair in pairs if pair[0] == pair[1]]
    others = [pair for pair in pairs if pair[0] != pair[1]]
    n_pairs = len(names) * (len(names) - 1) // 2
    n_undirected = len({frozenset(pair) for pair in others})
    return (
        len(names) > 2
        and len(own) in (0, len(names))
        and len(set(pairs)) == len(pairs)
        and n_undirected == n_pairs
        and len(others) in (n_pairs, 2 * n_pairs)
    )
