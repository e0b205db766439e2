"""Text to object, once: every name a user may type goes through a ``Choices``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

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


def unknown_setting(of: str, name: str, known: list[str]) -> str:
    """The sentence that answers an unknown setting."""
    near = nearest(name, known)
    hint = f" (did you mean {near!r}?)" if near else ""
    takes = ", ".join(known) or "none"
    return f"{of} has no setting {name!r}{hint}: it takes {takes}"


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


#: Abstract kind -> the registry of its objects, for settings declared with that kind.
_OF_KIND: dict[type, Choices[Any]] = {}


class Choices(Mapping[str, T], Generic[T]):
    """A registry that answers an unknown name with the known ones.

    An installed package adds entries of its own by an entry point of ``group``; a program by
    ``add``. What names mean with settings, ``poisson(max_rate_hz=50)``, is in
    ``neurosim.naming.made``.

    Args:
        kind: what the names stand for, in the singular ("learning rule").
        entries: name -> object.
        base: the class of what its entries make. A setting declared with that class takes the names
            of the first registry that there is for it.
        group: entry points that add to it ("neurosim.rules").
        adapt: what makes an entry of something of a user's own (a cell, in the rules' ticks).
        labelled: whether ``label=...`` may stand among the settings of an entry.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, T],
        *,
        base: type | None = None,
        group: str = "",
        adapt: Callable[[Any], T] = lambda thing: thing,
        labelled: bool = False,
    ) -> None:
        self.kind, self.base, self.group, self.labelled = kind, base, group, labelled
        self.adapt = adapt
        self._entries, self.added = dict(entries), set[str]()
        if base is not None:
            _OF_KIND.setdefault(base, self)

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            pass
        if isinstance(name, str) and name in self._installed:
            return self.add(name, self.adapt(self._installed[name].load()))
        near = nearest(name, self) if isinstance(name, str) else None
        hint = f" (did you mean {near!r}?)" if near else ""
        raise ValueError(
            f"unknown {self.kind} {shown(name)}{hint}: the known ones are {', '.join(self)}"
        )

    def get(self, name: str, default: Any = None) -> Any:
        """The entry, or ``default`` where there is none."""
        return self[name] if name in self else default  # noqa: SIM401

    def add(self, name: str, entry: T) -> T:
        """Register an entry of one's own, in place of an earlier one of one's own; returns it.

        Raises:
            ValueError: the name is a built-in one, or could not be written in a text.
        """
        if name in self.built_in:
            raise ValueError(f"there is a {self.kind} {name!r} already: give another name")
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
            raise ValueError(
                f"{name!r} cannot be the name of a {self.kind}: use lower-case letters, digits and "
                "dashes"
            )
        self._entries[name] = entry
        self.added.add(name)
        return entry

    @property
    def built_in(self) -> dict[str, T]:
        """The entries it began with."""
        return {name: each for name, each in self._entries.items() if name not in self.added}

    @cached_property
    def _installed(self) -> Mapping[str, EntryPoint]:
        """What installed packages add; loaded when it is asked for by name."""
        found = entry_points(group=self.group) if self.group else ()
        return {point.name: point for point in found}

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._installed

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._entries, *self._installed]))

    def __len__(self) -> int:
        return len(list(iter(self)))


def registry_of(kind: type) -> Choices[Any] | None:
    """The registry of the objects of an abstract kind, if it has one."""
    return _OF_KIND.get(kind)
