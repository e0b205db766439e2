"""Lay the packages out as they are installed, so that the reference can be read from source.

``models/``, ``rsa/`` and ``experiments/`` become sub-packages of ``neurosim`` by ``package_dir``
in setup.cfg; a tool that reads source files looks for them inside the folder ``neurosim/``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def on_startup(command: str, dirty: bool) -> None:
    """Called by MkDocs before anything else: mkdocstrings looks only in folders that are there when
    it is configured, so in a fresh checkout copies made later would not be found."""
    _copy()


def on_pre_build(config: object) -> None:
    """Called by MkDocs: copies, made anew for each build."""
    _copy()


def _copy() -> None:
    package = _ROOT / "build" / "documented" / "neurosim"
    shutil.rmtree(package, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_ROOT / "neurosim", package, ignore=skip)
    for name in ("models", "rsa", "experiments"):
        shutil.copytree(_ROOT / name, package / name, ignore=skip)
