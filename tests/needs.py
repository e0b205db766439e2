"""What a test needs beyond `pip install -e ".[test]"`, and says when it is skipped without it.

An extra of setup.cfg, or real data. With NEUROSIM_EXTRAS=required, as in CI, a missing extra fails
instead of being skipped.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

DATA = Path(os.environ.get("NEUROSIM_DATA") or os.devnull)  # nothing lies below os.devnull


def extra(name: str, module: str) -> ModuleType:
    """The module, which the extra `name` installs; the test is skipped without it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing(f"{error.name} is not installed (extra {name})")


def missing(reason: str) -> NoReturn:
    """Skip the test that runs, or fail it where extras are required."""
    if os.environ.get("NEUROSIM_EXTRAS") == "required":
        pytest.fail(f"{reason}, and NEUROSIM_EXTRAS=required")
    pytest.skip(reason)


def data(*names: str) -> pytest.MarkDecorator:
    """Skips unless NEUROSIM_DATA has all of these files or folders."""
    absent = [name for name in names if not (DATA / name).exists()]
    reason = f"real data: needs {', '.join(absent)} in NEUROSIM_DATA (docs/data.md)"
    return pytest.mark.skipif(bool(absent), reason=reason)
