"""Declared objects that answer an unknown setting with the known ones, and a wrong kind by name."""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any, Self

import numpy as np

from neurosim.naming.choices import unknown_setting


class KnownSettings:
    """Base of dataclasses that users build by keyword, often from a registry of names.

    Python's own message names ``__init__`` and the word given, not what would have been right; and
    Python takes a value of any kind.
    """

    def __new__(cls, *args: Any, **given: Any) -> Self:
        # Only what Python itself would refuse, and values that are not what a field declares.
        if dataclasses.is_dataclass(cls):
            known = [field for field in dataclasses.fields(cls) if field.init]
            names = [field.name for field in known]
            for name in given:
                if name not in names:
                    raise TypeError(unknown_setting(cls.__name__, name, names))
            by_place = [name for name in names if not _keyword_only(cls, name)]
            for name, value in (*zip(by_place, args, strict=False), *given.items()):
                _require_kind(known[names.index(name)], value)
        return super().__new__(cls)


def _keyword_only(cls: type, name: str) -> bool:
    return bool(cls.__dataclass_fields__[name].kw_only)  # type: ignore[attr-defined]


_KINDS: dict[str, tuple[type, str]] = {
    "float": (numbers.Real, "a number"),
    "int": (numbers.Integral, "a whole number"),
    "bool": (bool, "True or False"),
    "str": (str, "a name"),
}


def _require_kind(field: dataclasses.Field[Any], value: Any) -> None:
    """Refuse a value of another kind than the field's annotation, where that is one word."""
    kind, words = _KINDS.get(str(field.type), (None, ""))
    if kind is not None:
        fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not fits:
            raise TypeError(f"{field.name} must be {words}, got {value!r}")
        return
    factory = field.default_factory
    default = field.default if factory is dataclasses.MISSING else factory()
    base = next((c for c in type(default).__mro__ if c.__name__ == field.type), None)
    if base is not None and not isinstance(value, base):
        article = "an" if base.__name__[0] in "AEIOU" else "a"
        example = f"{base.__name__} such as {type(default).__name__}(...)"
        raise TypeError(f"{field.name} must be {article} {example}, got {value!r}")


def require_time(name: str, value: Any) -> None:
    """Refuse a time in ms that is not a finite positive number, by its name."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number (ms), got {value!r}")
    if not (math.isfinite(value) and float(value) > 0):
        raise ValueError(f"{name} must be finite and positive (ms), got {value}")


def require_count(name: str, value: Any, least: int = 1, most: int | None = None) -> None:
    """Refuse a count that is not a whole number from ``least`` (to ``most``), by its name."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}")


def unmasked(name: str, value: Any) -> np.ndarray:
    """The array of numbers that were given; a masked one would lose its mask in silence."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array, whose mask means nothing here: give "
            "values.compressed(), the entries that count"
        )
    return np.asarray(value)
