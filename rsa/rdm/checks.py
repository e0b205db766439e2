"""Arguments that many functions share, checked once a call."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_numbers(given: Any) -> NDArray[Any]:
    """The array of what was given, in which a masked entry is missing: NaN. (``np.asarray`` drops
    the mask and keeps what lies under it.)

    Raises:
        ValueError: nested sequences of different lengths.
    """
    if isinstance(given, np.ma.MaskedArray):
        if given.dtype.kind in "iub":
            given = given.astype(np.float64)
        return np.asarray(given.filled(np.nan) if given.dtype.kind == "f" else given)
    if isinstance(given, (list, tuple)) and any(isinstance(x, np.ma.MaskedArray) for x in given):
        given = [as_numbers(x) for x in given]
    try:
        return np.asarray(given)
    except ValueError as error:  # numpy's sentence is about "inhomogeneous" sequences
        raise ValueError(
            f"{type(given).__name__} of {len(given)} entries that differ in length is no array; "
            "give entries of one length"
        ) from error


def check_count(name: str, value: Any, least: int = 1) -> None:
    """A whole number, at least ``least``."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number, at least {least}; got {value!r}")
    if value < least:
        raise ValueError(f"{name} is at least {least}; got {value}")


def check_rng(rng: Any) -> None:
    """A generator, not a seed."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is a generator, e.g. numpy.random.default_rng(0); got {rng!r}")
