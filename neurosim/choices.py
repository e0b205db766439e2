"""Text to object, once: every name a user may type goes through a ``Choices``."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


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
        except KeyError:
            pass
        near = difflib.get_close_matches(str(name), self._entries, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"unknown {self.kind} {name!r}{hint}: the known ones are {', '.join(self._entries)}"
        )

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
