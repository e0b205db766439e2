"""Experiments compose models, core and rsa; they hold no equations and no kernels."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import Any as _Any

__all__ = ["Run", "compare", "open_run"]


def __getattr__(name: str) -> _Any:
    # Lazily, so that a command's --help waits for nothing.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.api"), name)
