"""Which code runs: one digest over every source file of neurosim."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("neurosim", "neurosim.models", "neurosim.rsa", "neurosim.experiments")


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """SHA-256 over every source file of neurosim, by path and content."""
    # Found from each package: a checkout and an installation lay them out differently.
    folders = {name: _folder(name) for name in _PACKAGES}
    digest = hashlib.sha256()
    for package, folder in folders.items():
        # An installation lays the three others inside the first: each file counts once, as its own.
        inner = [other for other in folders.values() if other != folder]
        for file in sorted(folder.rglob("*.py")):
            if any(file.is_relative_to(other) and other.is_relative_to(folder) for other in inner):
                continue
            name = f"{package}/{file.relative_to(folder).as_posix()}"
            digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(next(iter(spec.submodule_search_locations))).resolve()
