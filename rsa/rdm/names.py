"""Names as text, wherever they come from: numpy, HDF5, pandas, xarray, rsatoolbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def as_text(name: Any, what: str = "name") -> str:
    """A name as plain ``str``: text, bytes in UTF-8 (as HDF5 and numpy store it), or a whole
    number, since many data sets number their stimuli.

    Raises:
        TypeError: anything else; a name that is missing (None, NaN) or of several parts.
        ValueError: bytes that are not UTF-8.
    """
    if isinstance(name, np.ndarray) and name.ndim == 0:
        name = name.item()
    if isinstance(name, str):
        return str(name)
    if isinstance(name, bytes):
        try:
            return name.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"the {what} {name[:40]!r} is not UTF-8 text") from error
    whole = isinstance(name, (int, np.integer)) and not isinstance(name, (bool, np.bool_))
    if whole or (isinstance(name, (float, np.floating)) and float(name).is_integer()):
        return str(int(name))
    raise TypeError(f"a {what} is text or a whole number; got {name!r}")


def names_of_table(patterns: Any, like: Sequence[str] | None = None) -> tuple[str, ...] | None:
    """The names of the rows of a pandas table (its index) or an xarray (its first coordinate).

    Text and whole numbers are names; a plain count of the rows from 0 or 1 is none, unless these
    numbers are the names of ``like``. Arrays, and tables that only count, give None.

    Raises:
        TypeError: an index of several levels, or of other things than text and whole numbers.
    """
    labels = _labels(patterns)
    if labels is None:
        return None
    if getattr(labels, "nlevels", 1) > 1:
        raise TypeError(
            f"the rows are named on {labels.nlevels} levels ({', '.join(map(str, labels.names))}); "
            "give one name per row with stimuli=, or reset_index(drop=True) if they are in order"
        )
    try:
        names = tuple(as_text(label, "name of a row") for label in labels)
    except TypeError as error:
        raise TypeError(
            f"{error}; name the rows with stimuli=, or reset_index(drop=True) if they are in order"
        ) from None
    counts = [tuple(str(i + start) for i in range(len(names))) for start in (0, 1)]
    if all(isinstance(label, str) for label in labels) or names not in counts:
        return names
    return names if like is not None and set(like) == set(names) else None


def names_of_square(table: Any) -> tuple[str, ...] | None:
    """The names of the stimuli of a square pandas or xarray table whose rows and columns have the
    same; None for other tables, and where they only count.

    Raises:
        ValueError: the same names in another order.
    """
    shape: tuple[int, ...] = getattr(table, "shape", ())
    if len(shape) != 2 or shape[0] != shape[1] or _labels(table) is None:
        return None
    rows, columns = names_of_table(table), names_of_table(table.T)
    if rows is None or columns is None or set(rows) != set(columns):
        return None
    if rows != columns:
        raise ValueError(
            "the rows and columns of a table name the same stimuli in different orders; bring them "
            "into one with table.loc[names, names]"
        )
    return rows


def _labels(patterns: Any) -> Any:
    if hasattr(patterns, "columns") and hasattr(patterns, "index"):
        return patterns.index
    if hasattr(patterns, "coords") and patterns.dims:
        return patterns.indexes.get(patterns.dims[0])
    return None


def stimulus_descriptor(
    descriptors: Mapping[str, Sequence[Any]], chosen: str | None = None
) -> tuple[str | None, tuple[str, ...] | None]:
    """Which of rsatoolbox's pattern descriptors names the stimuli, and the names.

    That is the one ``chosen``; else ``stimulus``; else the only one with a different text for
    each. (``index`` counts them.) (None, None) where there is none.

    Raises:
        ValueError: no such descriptor, or several that could be meant.
    """
    if chosen is not None and chosen not in descriptors:
        raise ValueError(f"no pattern descriptor {chosen!r}; there are {sorted(descriptors)}")
    if chosen is None and "stimulus" in descriptors:
        chosen = "stimulus"
    if chosen is None:
        able = [
            name
            for name, values in descriptors.items()
            if len(set(values)) == len(values) and all(isinstance(v, (str, bytes)) for v in values)
        ]
        if len(able) > 1:
            raise ValueError(
                f"the pattern descriptors {', '.join(sorted(able))} could all name the stimuli; "
                "choose one with stimulus="
            )
        if not able:
            return None, None
        chosen = able[0]
    return chosen, tuple(as_text(v, "stimulus name") for v in descriptors[chosen])
