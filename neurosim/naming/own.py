"""What a user wrote, named by where it stands: ``module.sub:object`` or ``./file.py:object``.

A file is run once per content and process, under a module name of its own; its folder can be
imported from, as that of a script. What the objects compute depends on their source, whose SHA-256
runs keep.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterable
from functools import partial, reduce
from pathlib import Path
from types import ModuleType
from typing import Any

from neurosim.naming.choices import nearest

_PREFIX = "neurosim_own_"


class MissingSourceError(ValueError):
    """The file or module of something of a user's own is not there any more."""


def is_own(name: str) -> bool:
    """Whether a name says where an object stands, and so is none of a registry's."""
    return ":" in name or name.endswith(".py")


def absolute(where: str) -> str:
    """The same place with the path of a file made absolute, so that any process finds it."""
    place, name = _split(where)
    return f"{_path(place)}:{name}" if _is_file(place) else where


def located(where: str) -> Any:
    """The object that ``module.sub:object`` or ``folder/file.py:object`` names.

    Raises:
        MissingSourceError: no such file or module.
        ValueError: it cannot be run, or holds no such object; the nearest one is named.
    """
    place, name = _split(where)
    module = _module(place)
    try:
        return reduce(getattr, name.split("."), module)
    except AttributeError:
        near = nearest(name, [each for each in dir(module) if not each.startswith("_")])
        hint = f" (did you mean {near!r}?)" if near else ""
        raise ValueError(f"{place} has no object {name!r}{hint}") from None


def place_of(thing: Any) -> str:
    """The inverse of ``located``, for a class or function.

    Raises:
        ValueError: no other process could find it there; the message says what to do.
    """
    # A registered rule stands where its builder does.
    maker = inspect.unwrap(thing.func if isinstance(thing, partial) else thing)
    home, name = getattr(maker, "__module__", ""), getattr(maker, "__qualname__", "")
    shown = name or type(thing).__name__
    if home == "__main__":
        raise ValueError(
            f"{shown} is defined in the program that runs, where no other process finds it: put "
            "it into a file of its own (mine.py) and import it from there, or give "
            f"'./mine.py:{shown}'"
        )
    if not home or not name or "<" in name:
        raise ValueError(
            f"{shown} is defined inside a function, where no other process finds it: define it "
            "with def at the top of a file, with its settings as keyword arguments"
        )
    module = sys.modules[home]
    place = str(module.__file__) if home.startswith(_PREFIX) else home
    where = f"{place}:{name}"
    if inspect.unwrap(located(where)) is not maker:
        raise ValueError(f"{where} is another object than the one given: give that one")
    return where


def stands_in_project(thing: Any) -> bool:
    """Whether a class, function or object is of neurosim itself."""
    home = getattr(thing, "__module__", None) or type(thing).__module__
    return home.split(".")[0] in ("neurosim", "builtins")


def sources(places: Iterable[str]) -> dict[str, str]:
    """File or module -> SHA-256 of its source, for places ``module:object``, ``file.py:object``.

    Raises:
        MissingSourceError: no such file or module.
    """
    found = {}
    for where in places:
        place, _ = _split(where)
        path = _path(place) if _is_file(place) else getattr(_module(place), "__file__", None)
        if path is not None:
            key = str(path) if _is_file(place) else place
            found[key] = hashlib.sha256(_bytes(Path(path))).hexdigest()
    return dict(sorted(found.items()))


def _split(where: str) -> tuple[str, str]:
    place, colon, name = where.rpartition(":")
    if not colon or not place or not name:
        raise ValueError(
            f"{where!r} does not say which object is meant: write module:object or ./file.py:object"
        )
    return place, name


def _is_file(place: str) -> bool:
    return place.endswith(".py")


def _path(place: str) -> Path:
    return Path(os.path.abspath(Path(place).expanduser()))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingSourceError(
            f"{path} cannot be read ({error.strerror}): give the path of a Python file, as "
            "./mine.py:object"
        ) from None


def _module(place: str) -> ModuleType:
    if _is_file(place):
        return _run_file(_path(place))
    if (here := os.getcwd()) not in sys.path:
        # As python -m does: an installed command does not look where it is started.
        sys.path.append(here)
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not (place + ".").startswith(error.name + "."):
            raise _broken(place, error) from error
        raise MissingSourceError(
            f"there is no module {place!r}: install it, stand in its folder, or give the path of "
            "the file, as ./mine.py:object"
        ) from None
    except Exception as error:
        raise _broken(place, error) from error


def _run_file(path: Path) -> ModuleType:
    digest = hashlib.sha256(f"{path}\0".encode() + _bytes(path)).hexdigest()
    name = f"{_PREFIX}{path.stem}_{digest[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if (folder := str(path.parent)) not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _broken(str(path), error) from error
    return module


def _broken(place: str, error: Exception) -> ValueError:
    return ValueError(f"{place} cannot be run ({type(error).__name__}: {error})")
