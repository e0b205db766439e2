"""Docstrings read well as text and on the site, which takes them for Markdown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    path
    for folder in ("neurosim", "models", "rsa", "experiments")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
#: What Markdown shows as it stands, or runs together with its neighbours -> what to write instead.
FOREIGN = {
    r"^\s*[=~^-]{4,}": "a table or heading of reStructuredText: write a Markdown table or a list",
    r"^\s*\.\. \w+::|^\s*:\w+ \w+:|:\w+:`": "a directive or role of reStructuredText",
    r"^(from \S+ import|import \w+$)": "code outside a fence: put ``` around it",
    r"^\s+\w+Error: .*[.;] \w+Error: ": "two errors in one line: one line for each",
}


def _docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Name and docstring of a module and of everything in it that has one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "name", "module"), text


@pytest.mark.parametrize(("pattern", "told"), FOREIGN.items())
def test_no_docstring_holds_what_the_site_cannot_show(pattern: str, told: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}, {name}: {line!r}: {told}"
        for path in FILES
        for name, text in _docstrings(path)
        for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines()
        if re.search(pattern, line)
    ]
    assert found == []


def test_every_row_of_a_table_has_the_columns_of_its_heading() -> None:
    """A cell with a bar in it, or one forgotten, shifts every number after it."""
    n_tables = 0
    for path in FILES:
        for name, text in _docstrings(path):
            for rows in re.findall(r"(?:^\s*\|.*\|$\n?)+", text, re.MULTILINE):
                columns = [row.strip().count("|") for row in rows.strip().splitlines()]
                assert len(set(columns)) == 1, f"{path.relative_to(ROOT)}, {name}:\n{rows}"
                n_tables += 1
    assert n_tables, "no table was found: the search has lost its object"
