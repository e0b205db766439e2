"""Locks: looked at by whoever may only read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from neurosim.experiments.settings.options import require_folder
from neurosim.experiments.system.locks import is_locked, locked


def test_a_lock_is_seen_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.lock"
    with locked(path):
        assert is_locked(path)
        monkeypatch.setattr(os, "access", lambda *_: False)
        assert is_locked(path)
    # The library may remove its file; a lock that a process left behind is one that nobody holds.
    path.touch()
    assert not is_locked(path)


def test_an_output_folder_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_folder(tmp_path / "new" / "run")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="cannot be written to: give another --out"):
        require_folder(tmp_path / "new" / "run")
