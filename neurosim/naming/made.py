"""Objects from text, and the one text of an object.

    made(TIMINGS, "all-pairs(tau_plus_ms=10)")          # AllPairs(tau_plus_ms=10.0)
    canonical(TIMINGS, AllPairs(tau_plus_ms=10.0))      # 'all-pairs(tau_plus_ms=10)'

An entry of a registry is a class or function, whose settings are the parameters that have defaults
(the others are what it is called with later: a start, a number of channels); or an object, whose
settings are its fields. What a setting's own text means follows from its declaration: a class that
has a registry takes that registry's names, ``Annotated[kind, REGISTRY]`` those of another one, any
other class its own name or those of its subclasses.

Laws (tests/contract/test_made.py): ``made(canonical(x)) == x``; equal objects have equal text;
``canonical`` of its own answer changes nothing.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import numbers
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from neurosim.naming import own
from neurosim.naming.choices import Choices, registry_of, shown, unknown_setting
from neurosim.naming.text import Call, parse, read_value, written

#: Parameters of torch that say where a thing is built, not what it is: no settings.
_WHERE = ("device", "dtype")
#: Numbers and words that a declaration may ask for, and what a sentence calls them.
_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a word"}


@dataclass(frozen=True)
class Setting:
    """One setting of an entry.

    default: its value where none is given; ``dataclasses.MISSING`` where it has to be. kind: what
    its annotation says, None for anything.
    """

    name: str
    default: Any
    kind: Any

    @property
    def registry(self) -> Choices[Any] | None:
        """The registry whose names and texts it takes."""
        if isinstance(self.kind, Choices):
            return self.kind
        if isinstance(self.kind, type) and self.kind not in _WORDS:
            return _registry_for(self.kind)
        return next(filter(None, map(registry_of, type(self.default).__mro__)), None)

    def read(self, value: Any, of: str) -> Any:
        """The value that a text stands for.

        Raises:
            ValueError: it is not of the declared kind.
        """
        if value is None and self.default is None:
            return None
        if self.registry is not None:
            return made(self.registry, value)
        if isinstance(value, Call):
            raise ValueError(
                f"{self.name} of {of} takes no {written(value)}: it is not declared as a thing "
                "with settings (annotate it with its kind, such as AbstractEncoder)"
            )
        kind = self.kind
        if typing.get_origin(kind) in (tuple, list, collections.abc.Sequence):
            if not isinstance(value, tuple | list):
                raise ValueError(_not_a(self.name, of, "a list, [a, b]", value))
            inner = [each for each in typing.get_args(kind) if each is not Ellipsis]
            kinds = inner if len(inner) == len(value) else inner[:1] * len(value)
            return tuple(
                Setting(self.name, dataclasses.MISSING, each).read(entry, of)
                for each, entry in zip(kinds or [None] * len(value), value, strict=True)
            )
        if kind is str and (value is None or isinstance(value, bool)):
            # ``none`` may be a name: coincidence=none.
            return {None: "none", True: "true", False: "false"}[value]
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if kind is float and number:
            return float(value)
        if kind is int and number and value == int(value):
            return int(value)
        if kind in _WORDS and (kind in (float, int) or not isinstance(value, kind)):
            raise ValueError(_not_a(self.name, of, _WORDS[kind], value))
        return value

    def describe(self, value: Any) -> Any:
        """The inverse of ``read``: a number, word, tuple or call."""
        if self.registry is not None and value is not None:
            return described(self.registry, value)
        if isinstance(value, tuple | list):
            return tuple(map(self.describe, value))
        if self.kind is float and isinstance(value, numbers.Real):
            return float(value)
        return value


@dataclass(frozen=True)
class Bound:
    """An entry with settings, every one of them made: what a text of a registry names.

    name: in the registry, or where it stands. label: what to call it; empty: the text.
    """

    name: str
    entry: Any
    settings: Mapping[str, Any]
    label: str = ""

    def build(self, *context: Any, **where: Any) -> Any:
        """What the entry makes, given what it is called with beside its settings.

        where: the device and dtype that it is built for.

        Raises:
            ValueError: the entry refuses a setting.
        """
        try:
            if _is_object(self.entry):
                return dataclasses.replace(self.entry, **self.settings)
            if _takes_any(self.entry) and not context and self.settings:
                return dataclasses.replace(self.entry(), **self.settings)
            return self.entry(*context, **self.settings, **where)
        except TypeError as error:
            raise ValueError(f"{self.name}: {error}") from error

    def call(self) -> Call:
        """It as a call: settings in the order of their declaration, defaults left out."""
        settings = {
            name: setting.describe(self.settings[name])
            for name, setting in settings_of(self.entry).items()
            if name in self.settings and not _same(self.settings[name], setting.default)
        }
        return Call(self.name, settings | ({"label": self.label} if self.label else {}))


def made(registry: Choices[Any], what: Any, *context: Any) -> Any:
    """The object that a text, call or object stands for; an object is taken as it is.

    Args:
        what: ``"poisson(max_rate_hz=50)"``, a ``Call``, a class of one's own, or an object.
        context: what an entry is called with beside its settings.

    Raises:
        ValueError: an unknown name or setting (the nearest one is named), a value that is not
            allowed, or an object of another kind.
    """
    if isinstance(what, str | Call | type | partial) or (callable(what) and not _is_object(what)):
        what = bound(registry, what).build(*context)
    base = registry.base
    if base is not None and not isinstance(what, base):
        raise ValueError(
            f"{shown(what)} is not a {registry.kind}: give a name "
            f"({', '.join(registry)}), one with settings, or a {base.__name__}"
        )
    return what


def bound(registry: Choices[Any], what: Any) -> Bound:
    """An entry with its settings made and checked; not yet built.

    Raises:
        ValueError: as ``made``.
    """
    call = _call_of(registry, what)
    if own.is_own(call.name):
        name = own.absolute(call.name)
        entry = registry.adapt(own.located(name))
        if not callable(entry) and not _is_object(entry):
            raise ValueError(f"{name} is {shown(entry)}: it has to be a class, function or object")
    else:
        entry = registry[call.name]
        name = _name_of(registry, call.name, entry)
    given = dict(call.settings)
    label = given.pop("label", "") if registry.labelled else ""
    known = settings_of(entry)
    for each in given:
        if each not in known:
            names = [*known, "label"] if registry.labelled else list(known)
            raise ValueError(unknown_setting(call.name, each, names))
    lacking = [n for n, s in known.items() if s.default is dataclasses.MISSING and n not in given]
    if lacking:
        raise ValueError(f"{call.name} needs {', '.join(lacking)}: write {lacking[0]}=...")
    settings = {each: known[each].read(value, call.name) for each, value in given.items()}
    return Bound(name, entry, settings, label if isinstance(label, str) else written(label))


def canonical(registry: Choices[Any], what: Any) -> str:
    """The one text that stands for a thing: of a text, call, class, function or object.

    Raises:
        ValueError: as ``made``; or an object that no text can stand for.
    """
    call = described(registry, what)
    # As one types it: ``none`` is quoted only where it could be read as a value.
    return call.name if not call.settings and call.name in registry else written(call)


def described(registry: Choices[Any], what: Any) -> Call:
    """``canonical`` before it is written."""
    if _is_object(what) and not isinstance(what, Call):
        return _of_object(registry, what)
    found = bound(registry, what)
    if _makes_object(found.entry):
        # What it is, however it was called: equal objects have equal text.
        return _of_object(registry, found.build())
    return found.call()


def settings_of(entry: Any) -> dict[str, Setting]:
    """The settings that an entry declares, by name and in order."""
    if _is_object(entry) or _takes_any(entry):
        like = entry if _is_object(entry) else entry()
        return {
            field.name: Setting(field.name, getattr(like, field.name), kind)
            for field, kind in _fields(type(like))
        }
    if inspect.isclass(entry) and dataclasses.is_dataclass(entry):
        return {
            field.name: Setting(field.name, _default(field), kind) for field, kind in _fields(entry)
        }
    function = inspect.unwrap(entry)
    function = function.func if isinstance(function, partial) else function
    hints = _hints(function.__init__ if inspect.isclass(function) else function)
    return {
        name: Setting(
            name,
            dataclasses.MISSING if p.default is p.empty else p.default,
            _kind(hints.get(name, p.annotation if p.annotation is not p.empty else None)),
        )
        for name, p in _signature(entry).items()
        if name not in _WHERE
        and (
            p.kind is p.KEYWORD_ONLY
            or (p.kind is p.POSITIONAL_OR_KEYWORD and p.default is not p.empty)
        )
    }


def _call_of(registry: Choices[Any], what: Any) -> Call:
    if isinstance(what, Call):
        return what
    if isinstance(what, str):
        return parse(what)
    if isinstance(what, partial):
        if what.args:
            raise ValueError(f"{shown(what)} holds arguments without a name: give settings by name")
        inner = _call_of(registry, what.func)
        return Call(inner.name, {**inner.settings, **what.keywords})
    for name, entry in registry.built_in.items():
        if entry is what:
            return Call(name)
    return Call(own.place_of(what))


def _name_of(registry: Choices[Any], name: str, entry: Any) -> str:
    """Of a built-in entry its name; of one that was added where it stands, which a process that has
    not added it finds too."""
    return own.place_of(entry) if name in registry.added and not _is_object(entry) else name


def _of_object(registry: Choices[Any], thing: Any) -> Call:
    """The entry that differs from an object in the fewest fields, with those."""
    if registry.base is not None and not isinstance(thing, registry.base):
        made(registry, thing)
    best: Call | None = None
    for name, entry in registry.built_in.items():
        if not _makes_object(entry):
            continue
        like = entry if _is_object(entry) else entry()
        if type(like) is type(thing):
            found = _differing(name, like, thing)
            if best is None or len(found.settings) < len(best.settings):
                best = found
    if best is not None:
        return best
    kind = type(thing)
    return _differing(own.place_of(kind), registry.adapt(kind), thing)


def _differing(name: str, entry: Any, thing: Any) -> Call:
    """An entry with the settings in which what it makes differs from an object."""
    settings = {
        field: setting.describe(getattr(thing, field))
        for field, setting in settings_of(entry).items()
        if not _same(getattr(thing, field), setting.default)
    }
    return Call(name, settings)


def _same(a: Any, b: Any) -> bool:
    return a == b if isinstance(a, numbers.Real) else type(a) is type(b) and a == b


def _is_object(thing: Any) -> bool:
    """Whether it is a declared object; one that wraps a builder is an entry."""
    declared = dataclasses.is_dataclass(thing) and not isinstance(thing, type | Call)
    return declared and not hasattr(type(thing), "__wrapped__")


def _makes_object(entry: Any) -> bool:
    """Whether an entry, called with nothing, gives a declared object."""
    if _is_object(entry):
        return True
    if inspect.isclass(entry):
        return dataclasses.is_dataclass(entry) and not any(
            setting.default is dataclasses.MISSING for setting in settings_of(entry).values()
        )
    if isinstance(entry, partial):
        return _makes_object(entry.func) or _takes_any(entry)
    return _takes_any(entry)


def _takes_any(entry: Any) -> bool:
    """Whether it takes settings that it does not name: then they are those of what it makes."""
    if inspect.isclass(entry) or _is_object(entry) or not callable(entry):
        return False
    parameters = _signature(entry).values()
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return any(p.kind is p.VAR_KEYWORD for p in parameters) and not needed


def _signature(entry: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(entry).parameters


def _fields(cls: type) -> list[tuple[dataclasses.Field[Any], Any]]:
    hints = _hints(cls)
    return [(f, _kind(hints.get(f.name))) for f in dataclasses.fields(cls) if f.init]


def _default(field: dataclasses.Field[Any]) -> Any:
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def _hints(owner: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(owner, include_extras=True)
    except (NameError, TypeError):
        # A name that is there for type checkers only: the defaults tell what they can.
        return {}


def _kind(hint: Any) -> Any:
    """What an annotation says, None in a union taken off; a registry where it names one."""
    if typing.get_origin(hint) is typing.Annotated:
        registries = [each for each in hint.__metadata__ if isinstance(each, Choices)]
        return registries[0] if registries else _kind(hint.__origin__)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [each for each in typing.get_args(hint) if each is not type(None)]
        return _kind(kinds[0]) if len(kinds) == 1 else None
    return None if hint is Any else hint


def _registry_for(kind: type) -> Choices[Any] | None:
    """The names that a setting of a class takes."""
    if (registry := registry_of(kind)) is not None:
        return registry
    family = [kind, *_subclasses(kind)]
    entries = {
        _dashed(each.__name__): each
        for each in family
        if dataclasses.is_dataclass(each)
        and not inspect.isabstract(each)
        and (each is kind or own.stands_in_project(each))
    }
    return Choices(_dashed(kind.__name__), entries) if entries else None


def _subclasses(kind: type) -> list[type]:
    below: list[type] = kind.__subclasses__()
    return [each for sub in below for each in (sub, *_subclasses(sub))]


def _dashed(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _not_a(name: str, of: str, wanted: str, value: Any) -> str:
    told = written(value) if isinstance(value, Call | str | bool | None) else shown(value)
    return f"{name} of {of} must be {wanted}, got {told}"


def registered(registry: Choices[Any], name: str) -> Callable[[Any], Any]:
    """A decorator that adds a class or function of one's own: ``@registered(ENCODERS, "mine")``."""
    return partial(registry.add, name)


__all__ = [
    "Bound", "Call", "Setting", "bound", "canonical", "described", "made", "parse", "read_value",
    "registered", "settings_of", "written",
]  # fmt: skip
