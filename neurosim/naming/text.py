"""Things as text: ``NAME``, ``NAME(setting=value, ...)``, ``module:object``, ``./file.py:object``.

A value is a number, ``true``, ``false``, ``none``, a word (quoted where it holds a space or reads
as something else), a list ``[a, b]``, or again a thing with settings. Names have dashes, digits and
paths in them, which Python's own grammar takes for sums; so this one has a reader of its own.

>>> parse("stdp(timing=all-pairs(tau_plus_ms=10), seeds=[1, 2])").settings["timing"]
Call(name='all-pairs', settings={'tau_plus_ms': 10})
>>> written(parse("stdp( timing = all-pairs(tau_plus_ms=10.0) )"))
'stdp(timing=all-pairs(tau_plus_ms=10))'
"""

from __future__ import annotations

import ast
import math
import numbers
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn


@dataclass(frozen=True)
class Call:
    """A name with settings, whose values are numbers, words, tuples, None, or again calls.

    In Python a value may be an object (``Call("stdp", {"timing": AllPairs(tau_plus_ms=10)})``);
    ``neurosim.naming.made.canonical`` writes it out.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def calls(self) -> Iterator[Call]:
        """This one and all that stand inside."""
        yield self
        waiting = list(self.settings.values())
        for value in waiting:
            if isinstance(value, Call):
                yield from value.calls()
            elif isinstance(value, tuple):
                waiting.extend(value)

    def __hash__(self) -> int:
        return hash(written(self))


_CONSTANTS = {"true": True, "false": False, "none": None}
_QUOTED = r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\""
_TOKEN = re.compile(rf"\s*(?:({_QUOTED})|([^\s()\[\],='\"]+)|([()\[\],=]))")
_WORD = re.compile(r"[^\s()\[\],='\"]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf|nan")


def parse(text: str) -> Call:
    """Read the text of one thing.

    Raises:
        ValueError: the text is not of this form; the message names the place.
    """
    reader = _Reader(text)
    name = reader.word("a name")
    found = Call(name, reader.settings())
    reader.end()
    return found


def read_value(word: str) -> Any:
    """What an unquoted word is: a constant, a number, or the word itself."""
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if not _NUMBER.fullmatch(word):
        return word
    return int(word) if re.fullmatch(r"[+-]?\d+", word) else float(word)


def written(value: Any) -> str:
    """The one text of a value or call: numbers by their shortest form, words bare where they can.

    Raises:
        TypeError: an object that has no text.
    """
    if isinstance(value, Call):
        inside = ", ".join(f"{name}={written(each)}" for name, each in value.settings.items())
        name = _bare_or_quoted(value.name)
        return f"{name}({inside})" if inside else name
    for word, constant in _CONSTANTS.items():
        if value is constant:
            return word
    if isinstance(value, str):
        return _bare_or_quoted(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real):
        return _number(float(value))
    raise TypeError(f"{value!r} has no text")


def _number(value: float) -> str:
    """``10`` for 10.0 too: equal numbers have equal text. Beyond 2^53 a float keeps its form."""
    whole = math.isfinite(value) and value == int(value) and abs(value) < 2**53
    return str(int(value)) if whole else repr(value)


def _bare_or_quoted(text: str) -> str:
    return text if _WORD.fullmatch(text) and read_value(text) is text else repr(text)


class _Reader:
    """Reads tokens of one text from left to right."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a thing with settings is written as text, got {text!r}")
        self.text = text
        self.tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                self.refuse("a quote that is closed", at)
            group = found.lastindex or 0
            kind = ("quoted", "word", "mark")[group - 1]
            self.tokens.append((kind, found[group], found.start(group)))
            at = found.end()
        self.at = 0

    def peek(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "", len(self.text))

    def refuse(self, wanted: str, place: int | None = None) -> NoReturn:
        place = self.peek()[2] if place is None else place
        found = repr(self.text[place]) if place < len(self.text) else "the end"
        raise ValueError(
            f"{self.text!r} cannot be read: character {place + 1} is {found}, and {wanted} is "
            "expected there; write NAME or NAME(setting=value, ...), and what holds a space in "
            "quotes"
        )

    def takes(self, mark: str) -> bool:
        kind, text, _ = self.peek()
        found = kind == "mark" and text == mark
        self.at += found
        return found

    def word(self, wanted: str) -> str:
        kind, text, _ = self.peek()
        if kind not in ("word", "quoted"):
            self.refuse(wanted)
        self.at += 1
        return _unquoted(text) if kind == "quoted" else text

    def end(self) -> None:
        if self.at < len(self.tokens):
            self.refuse("the end")

    def settings(self) -> dict[str, Any]:
        """What stands in parentheses; nothing where there are none."""
        found: dict[str, Any] = {}
        if not self.takes("("):
            return found
        while not self.takes(")"):
            place = self.peek()[2]
            name = self.word("the name of a setting, or )").replace("-", "_")
            if not self.takes("="):
                self.refuse(f"= after the setting {name}")
            if name in found:
                raise ValueError(
                    f"{self.text!r} gives {name} twice, again at character {place + 1}: keep one"
                )
            found[name] = self.value()
            if not self.takes(",") and self.peek()[1] != ")":
                self.refuse(", or )")
        return found

    def value(self) -> Any:
        if self.takes("["):
            entries = []
            while not self.takes("]"):
                entries.append(self.value())
                if not self.takes(",") and self.peek()[1] != "]":
                    self.refuse(", or ]")
            return tuple(entries)
        kind = self.peek()[0]
        word = self.word("a value")
        mark, text, _ = self.peek()
        if mark == "mark" and text == "(":
            return Call(word, self.settings())
        return word if kind == "quoted" else read_value(word)


def _unquoted(text: str) -> str:
    return ast.literal_eval(text)
