"""The glossary explains what the tool shows: each term once, no word that nothing shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neurosim.experiments.settings.config import POLICY_NAMES, PRESETS, PROFILES, READOUT_NAMES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^\| \*\*(.+?)\*\*.*? \| (.+?) \|$", PAGE, re.MULTILINE)


def test_each_term_has_one_sentence_and_stands_once() -> None:
    terms = [term for term, _ in ENTRIES]
    assert len(terms) > 30
    assert len(set(terms)) == len(terms)
    assert [text for _, text in ENTRIES if not re.fullmatch(r"[A-Z`1].*\.", text)] == []
    assert [text for _, text in ENTRIES if re.search(r"\.\s+[A-Z]", text)] == []


def test_no_term_is_one_that_the_tool_never_shows() -> None:
    """Shown: by a command, in a table, on the report."""
    shown = "".join(
        path.read_text(encoding="utf-8").lower().replace("_", "-")
        for path in (ROOT / "experiments").rglob("*")
        if path.suffix in (".py", ".html", ".js")
    )
    assert [term for term, _ in ENTRIES if term.lower() not in shown] == []


@pytest.mark.parametrize("names", [POLICY_NAMES, READOUT_NAMES, tuple(PRESETS), tuple(PROFILES)])
def test_every_name_of_these_axes_is_there(names: tuple[str, ...]) -> None:
    assert [name for name in names if f"`{name}`" not in PAGE] == []
