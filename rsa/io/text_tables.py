"""Numbers in text, as people's programs write them: R, pandas, Excel in any language, numpy."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.io.rdm_layout import n_stimuli_by_shape
from neurosim.rsa.io.text_cells import TableError, counts, is_text, number, unquoted, value
from neurosim.rsa.io.text_pairs import read_pairs, squared

#: Names that R, MATLAB and Excel make up for columns without any, counted from 1.
_MADE_UP = re.compile(r"(?:V|X|Var|Column)([0-9]+)")
_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", " ": "spaces"}


class Table(NamedTuple):
    """``values`` (n_lines, n_cells), NaN = missing; names of the stimuli where it is square and
    names them, else names of the lines; whether the text lists pairs."""

    values: NDArray[np.float64]
    stimuli: tuple[str, ...] | None = None
    lines: tuple[str, ...] | None = None
    listed: bool = False


def decode(content: bytes) -> str:
    """UTF-8, with or without a byte order mark, or UTF-16 with one ("Unicode text" of Excel)."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(
            f"it is not UTF-8 text (byte {error.start}); save it with the encoding UTF-8"
        ) from error


def read_table(text: str) -> Table:
    """The table of a text, whatever separates its cells (comma, semicolon, tab, spaces).

    Names may be quoted and hold the separator. Decimals have a point or a comma. Missing values
    are empty, ``NA``, ``n/a``, ``nan``, ``null``, ``none``, a point or a dash. A separator at the
    end of all lines, lines that begin with ``# `` or ``% ``, empty lines, and a first line or
    column that counts the others (0, 1, 2, ... or 1, 2, 3, ...) beside a table that is not square
    say nothing. Lines ``name, name, value`` and the lines of one triangle become a square.

    Raises:
        TableError: no separator makes a table of numbers of it, or two do that differ.
    """
    readings: list[tuple[str, Table]] = []
    refused: dict[str, TableError] = {}
    for separator in _SEPARATORS:
        if separator == " " and any(kept == "\t" for kept, _ in readings):
            continue  # the same cells, if none is empty
        try:
            table = _as_table(_cells(text, separator))
        except (TableError, csv.Error) as error:
            refused[separator] = TableError(str(error))
        else:
            readings.append((separator, table))
    fitting = (
        [r for r in readings if r[1].listed]
        or [r for r in readings if n_stimuli_by_shape(r[1].values.shape)]
        or readings[:1]
    )
    for separator, table in fitting[1:]:
        first, other = fitting[0][1].values, table.values
        if not np.array_equal(first, other, equal_nan=True):
            both = " or ".join(
                "one number per line" if v.shape[1] == 1 else f"{v.shape[1]}, separated by {name}"
                for v, name in (
                    (first, _SEPARATORS[fitting[0][0]]),
                    (other, _SEPARATORS[separator]),
                )
            )
            raise TableError(
                f"its lines can be read as {both}: write decimal points, or separate cells by "
                "semicolons"
            )
    if fitting:
        return fitting[0][1]
    lines = text.splitlines()
    raise refused[max(_SEPARATORS, key=lambda sign: sum(sign in line for line in lines))]


def _cells(text: str, separator: str) -> list[list[str]]:
    lines: Iterator[str] = (line for line in text.splitlines(keepends=True))
    lines = (line for line in lines if line.strip(" \r\n") and not line.startswith(("# ", "% ")))
    if separator == " ":
        lines = (line.replace("\t", " ").strip() + "\n" for line in lines)
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in rows]


def _as_table(rows: list[list[str]]) -> Table:
    if not rows:
        raise TableError("it is empty")
    try:
        return _numbers(rows, ".")
    except TableError:
        # Another sign only where all numbers have it; else the point's reason is told.
        cells = [cell for row in rows for cell in row]
        pointed = any("." in cell and number(cell, ".") is not None for cell in cells)
        if not pointed and any("," in cell for cell in cells):
            try:
                return _numbers(rows, ",")
            except TableError:
                pass
        raise


def _numbers(rows: list[list[str]], decimal: str) -> Table:
    """The table where this sign marks decimals."""
    if (found := read_pairs(rows, decimal)) is not None:
        return Table(*found, listed=True)
    rows = squared(rows, decimal)
    header = None
    if _is_header(rows, decimal):
        header, rows = rows[0], rows[1:]
    numbered = header is None and _is_framed_by_numbers(rows)
    if numbered:
        header, rows = rows[0], rows[1:]
    names = None
    if numbered or _starts_with_names(rows, header, decimal):
        names, rows = [unquoted(row[0]) for row in rows], [row[1:] for row in rows]
    rows, names = _without_counts(_without_trailing_separators(rows), header, names)
    if len(sizes := {len(row) for row in rows}) > 1:
        raise TableError(
            f"its lines have different numbers of cells ({min(sizes)} to {max(sizes)}), and are no "
            "triangle, in which each has one more or one less than the last"
        )
    values = np.array([[value(cell, decimal) for cell in row] for row in rows], np.float64)
    if values.size == 0:
        raise TableError("it holds no numbers")
    if values.shape[0] != values.shape[1]:
        distinct = names is not None and len(set(names)) == len(names)
        return Table(values, lines=tuple(names or ()) if distinct else None)
    columns = None if header is None else _columns(header, len(values))
    if columns is not None and _are_made_up(columns):
        columns = None
        names = None if names is not None and counts(names) else names
    if names is None or columns is None:
        names = columns if names is None else names
    elif sorted(names) == sorted(columns):
        # One order for both; a name that stands twice is refused with the names.
        values = values[:, [columns.index(name) for name in names]]
    else:
        pairs = list(zip_longest(names, columns))
        i = next(i for i, (a, b) in enumerate(pairs) if a != b)
        raise TableError(
            f"row {i + 1} is named {pairs[i][0]!r}, column {i + 1} {pairs[i][1]!r}, and the names "
            "of rows and columns are not the same; name both after the stimuli, in any order, or "
            "leave one of them out"
        )
    if names == [str(i) for i in range(len(values))]:
        names = None  # a count of the rows is no name
    return Table(values, stimuli=None if names is None else tuple(names))


def _is_header(rows: list[list[str]], decimal: str) -> bool:
    """Text in the first line; in its first cell alone only where other lines begin otherwise."""
    if len(rows) < 2:
        return False
    texts = [is_text(cell, decimal) for cell in rows[0]]
    if any(texts[1:]):
        numbers = [cell for cell in rows[0] if number(cell, decimal) is not None]
        odd = [cell for cell in rows[0][1:] if "," in cell and number(cell, ",") is not None]
        if numbers and odd and decimal == ".":  # a line of numbers, which would be lost
            raise TableError(f"the cell {odd[0]!r} is not a number: others have decimal points")
        return True
    return texts[0] and not all(is_text(row[0], decimal) for row in rows[1:])


def _is_framed_by_numbers(rows: list[list[str]]) -> bool:
    """Whether the first row and column are numbers that label the others, as pandas writes a table
    without names: the corner is empty, and the rest of the diagonal is not."""
    rows = _without_trailing_separators(rows)
    if any(len(row) != len(rows) for row in rows) or rows[0][0]:
        return False
    return len(rows) > 2 and all(row[i] for i, row in enumerate(rows) if i)


def _without_counts(
    rows: list[list[str]], header: list[str] | None, names: list[str] | None
) -> tuple[list[list[str]], list[str] | None]:
    """Without a first line and a first column that number the others, unless all is square."""
    if len(rows) == len(rows[0]):
        return rows, names
    cornered = names is None and len(rows[0]) > 1 and not rows[0][0]  # as pandas writes a table
    above = rows[0][1:] if cornered else rows[0]
    if header is None and len(rows) > 1 and counts(above) and (cornered or len(above) > 2):
        rows, names = rows[1:], names and names[1:]
    else:
        cornered = False
    counting = names is None and len(rows[0]) > 1 and (cornered or len(rows) > 2)
    if counting and counts([row[0] for row in rows]):
        rows = [row[1:] for row in rows]
    return rows, names


def _are_made_up(columns: list[str]) -> bool:
    """Whether these are V1, V2, ... or the like."""
    numbers = [found[1] for column in columns if (found := _MADE_UP.fullmatch(column))]
    return len(numbers) == len(columns) and counts(numbers)


def _starts_with_names(rows: list[list[str]], header: list[str] | None, decimal: str) -> bool:
    """Whether the first cells are names: text; or numbers, where a square is left beside them."""
    first = [row[0] for row in rows]
    if not any(number(cell, decimal) is not None for cell in first):
        return any(is_text(cell, decimal) for cell in first)
    if header is None or any(len(row) != len(header) for row in rows):
        return False
    rest = _without_trailing_separators([row[1:] for row in rows])
    if any(len(row) != len(rest) for row in rest):
        return False
    return all(number(row[i], decimal) in (0.0, None) for i, row in enumerate(rest))


def _without_trailing_separators(rows: list[list[str]]) -> list[list[str]]:
    """Without last cells that are empty in all lines, but for those that make a square: there they
    are a stimulus that is missing."""
    while rows and all(len(row) > 1 and not row[-1] for row in rows):
        if all(len(row) == len(rows) for row in rows):
            break
        rows = [row[:-1] for row in rows]
    return rows


def _columns(header: list[str], n: int) -> list[str]:
    while len(header) > n and not header[-1]:
        header = header[:-1]
    if len(header) not in (n, n + 1):
        raise TableError(
            f"its first line has {len(header)} cells, which do not name its {n} columns; a comment "
            "begins with '# '"
        )
    return [unquoted(cell) for cell in header[-n:]]
