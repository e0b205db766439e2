"""Text to object, once: every name a user may type goes through a ``Choices``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or None.

    Upper case and the punctuation around and between words do not count. A name that begins or
    contains the other (``tau_plus`` of ``tau_plus_ms``) is nearer than one with similar letters
    (``a_plus``); among several the shortest is. Otherwise six letters in ten have to agree.

    >>> nearest("tau_plus", ["a_plus", "tau_plus_ms"])
    'tau_plus_ms'
    """
    plain = {each: _plain(each) for each in known}
    given = _plain(name)
    for inside, least in ((str.startswith, 2), (str.__contains__, 3)):
        holding = [
            each
            for each, other in plain.items()
            if min(map(len, (given, other))) >= least and inside(*sorted((given, other), key=_long))
        ]
        if holding:
            return min(holding, key=lambda each: abs(len(plain[each]) - len(given)))
    similar = difflib.get_close_matches(given, plain.values(), n=1)
    return next((each for each, other in plain.items() if other in similar), None)


def _long(text: str) -> int:
    return -len(text)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.lower()).strip("_")


#: Entries and letters that a message shows of a value.
_LISTED, _LETTERS = 20, 200


def shown(value: object) -> str:
    """A value as a message names it: its repr, a long one or an array by type, size and start.

    A whole array of pixels never enters a sentence.
    """
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape):
        return f"{type(value).__name__} of shape {tuple(shape)}"
    if isinstance(value, list | tuple | set | frozenset | dict) and len(value) > _LISTED:
        return f"{type(value).__name__} of {len(value)} entries"
    text = repr(value)
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]}..."


class Choices(Mapping[str, T], Generic[T]):
    """A registry that answers an unknown name with the known ones.

    Args:
        kind: what the names stand for, in the singular ("learning rule").
        entries: name -> object.
    """

    def __init__(self, kind: str, entries: Mapping[str, T]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            pass
        near = nearest(name, self._entries) if isinstance(name, str) else None
        hint = f" (did you mean {near!r}?)" if near else ""
        raise ValueError(
            f"unknown {self.kind} {shown(name)}{hint}: the known ones are "
            f"{', '.join(self._entries)}"
        )

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
