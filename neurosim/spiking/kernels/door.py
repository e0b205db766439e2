"""The door to compiled code: numba checks no index, so every array is measured before it goes in.

A kernel declares its arrays as ``kind[size, ...]``; the declaration is its documentation and its
check at once:

    @kernel(pre="real[time, n_in]", post="uint8[time, n_out]", out="real[n_out, n_in]")
    def dense(pre, post, window, out): ...

A name is one size throughout a call. A size may also be an expression of names and arguments
(``height // pool``), and ``|`` separates what is allowed (``0 | batch``). ``real`` is float32 or
float64, the same throughout; ``float`` is either, on its own. All arrays are C-contiguous.
A tuple of arrays is declared as a list. What ``inner`` compiles has no door and is for other
kernels only. ``tests/contract/test_kernel_door.py`` tries every wrong size.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, final

import numba
import numpy as np

_KINDS = {"real": "fd", "float": "fd", "uint8": "B", "uint64": "QL", "int64": "lq", "float64": "d"}

#: Every kernel with a door, by ``module.name``.
KERNELS: dict[str, Kernel] = {}

#: Compiled for the use of other kernels, which answer for the sizes.
inner: Any = numba.njit(cache=True, nogil=True)

#: More shapes than a run has; beyond them memory matters more than time.
_MOST_KNOWN = 1024

_Size = int | str | CodeType


@dataclass(frozen=True)
class _Declared:
    """One array of a kernel: the argument, its place in a tuple, and what it has to be."""

    argument: int
    within: int | None
    name: str
    text: str
    chars: str
    common: bool
    sizes: tuple[tuple[_Size, ...], ...]

    def of(self, arguments: tuple[Any, ...]) -> Any:
        given = arguments[self.argument]
        return given if self.within is None else given[self.within]


@final
@dataclass(frozen=True, eq=False)
class Kernel:
    """A compiled function behind its declaration; call it by position.

    Raises:
        ValueError: naming the array that does not fit, and the shapes of all.
        TypeError: something that is not an array, or an array of another dtype.
    """

    name: str
    compiled: Any
    arguments: tuple[str, ...]
    arrays: tuple[_Declared, ...]
    condition: CodeType | None
    #: Arguments besides arrays that a size or the condition depends on.
    _numbers: tuple[int, ...]
    _places: tuple[tuple[int, int | None], ...]
    #: What was let in before, so that the next tick of a network costs a look into a set.
    _known: set[Any] = field(default_factory=set)

    def __call__(self, *arguments: Any) -> Any:
        try:
            key = [arguments[place] for place in self._numbers]
            for place, within in self._places:
                array = arguments[place] if within is None else arguments[place][within]
                key += array.shape, array.strides, array.dtype
            seen = tuple(key)
        except (AttributeError, IndexError, TypeError):
            seen = ()
        if seen not in self._known:
            self.check(arguments)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known.add(seen)
        return self.compiled(*arguments)

    def check(self, arguments: tuple[Any, ...]) -> None:
        """Refuse what the declaration does not allow."""
        if len(arguments) != len(self.arguments):
            raise TypeError(f"{self.name} takes {', '.join(self.arguments)}")
        known: dict[str, Any] = dict(zip(self.arguments, arguments, strict=True))
        real = ""
        for declared in self.arrays:
            array = declared.of(arguments)
            if type(array) is not np.ndarray:
                raise TypeError(f"{self.name}: {declared.name} must be an array, got {array!r}")
            char = array.dtype.char
            if char not in declared.chars or (declared.common and char != (real or char)):
                raise TypeError(self._refusal(declared, array, arguments))
            real = char if declared.common else real
            fits = len(array.shape) == len(declared.sizes) and array.flags.c_contiguous
            if not fits or not all(
                _fits(size, allowed, known)
                for size, allowed in zip(array.shape, declared.sizes, strict=True)
            ):
                raise ValueError(self._refusal(declared, array, arguments))
        if self.condition is not None and not _value(self.condition, known):
            raise ValueError(self._refusal(None, None, arguments))

    def _refusal(self, declared: _Declared | None, array: Any, arguments: tuple[Any, ...]) -> str:
        shapes = ", ".join(
            f"{each.name} {given.dtype}{list(given.shape)}"
            for each in self.arrays
            if isinstance(given := each.of(arguments), np.ndarray)
        )
        if declared is None:
            scalars = ", ".join(
                f"{name} {value}"
                for name, value in zip(self.arguments, arguments, strict=False)
                if isinstance(value, int | float)
            )
            return f"{self.name} cannot run with {scalars} on {shapes}"
        loose = "" if array.flags.c_contiguous else " in C order"
        return f"{self.name}: {declared.name} must be {declared.text}{loose}, got {shapes}"


def kernel(
    condition: str | None = None, *, fastmath: Any = False, **arrays: str | list[str]
) -> Callable[[Callable[..., Any]], Kernel]:
    """Compile a function and put it behind a door.

    condition: what sizes and arguments have to meet besides.
    arrays: the declaration of each array, by the name of the argument.
    """

    def behind(function: Callable[..., Any]) -> Kernel:
        arguments = tuple(inspect.signature(function).parameters)
        declared = tuple(
            each for name, text in arrays.items() for each in _declared(arguments, name, text)
        )
        code = None if condition is None else compile(condition, "<kernel>", "eval")
        expressions = [code, *(size for each in declared for row in each.sizes for size in row)]
        read = {
            name for each in expressions if isinstance(each, CodeType) for name in each.co_names
        }
        made = Kernel(
            f"{function.__module__.rsplit('.', 1)[-1]}.{function.__name__}",
            numba.njit(cache=True, nogil=True, fastmath=fastmath)(function),
            arguments,
            declared,
            code,
            tuple(i for i, n in enumerate(arguments) if n in read and n not in arrays),
            tuple((each.argument, each.within) for each in declared),
        )
        KERNELS[made.name] = made
        return made

    return behind


def _declared(arguments: tuple[str, ...], name: str, text: str | list[str]) -> Iterator[_Declared]:
    place = arguments.index(name)
    for within, each in enumerate([text] if isinstance(text, str) else text):
        kind, _, rest = each.partition("[")
        chars = "".join(_KINDS[one.strip()] for one in kind.split("|"))
        sizes = tuple(
            tuple(_size(one.strip()) for one in row.split("|"))
            for row in rest.removesuffix("]").split(",")
        )
        full = name if isinstance(text, str) else f"{name}[{within}]"
        position = None if isinstance(text, str) else within
        yield _Declared(place, position, full, each, chars, kind == "real", sizes)


def _size(text: str) -> _Size:
    if text.isdigit():
        return int(text)
    return text if text.isidentifier() else compile(text, "<size>", "eval")


def _fits(size: int, allowed: tuple[_Size, ...], known: dict[str, Any]) -> bool:
    """Whether a size is one of those allowed; a name met for the first time takes it."""
    for each in allowed:
        if isinstance(each, str) and len(allowed) == 1:
            return known.setdefault(each, size) == size
        if _value(each, known) == size:
            return True
    return False


def _value(size: _Size, known: dict[str, Any]) -> Any:
    if isinstance(size, CodeType):
        try:
            return eval(size, {"__builtins__": {}}, known)
        except ZeroDivisionError:  # a stride or a window of 0 gives no size at all
            return None
    return known.get(size, -1) if isinstance(size, str) else size
