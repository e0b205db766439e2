"""The page of the science names all there is, and no source that the code does not name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neurosim.experiments.data.registry import STIMULUS_SETS, TRAINING_SETS
from neurosim.experiments.settings.config import RULE_NAMES
from neurosim.rsa import COMPARATORS, DISSIMILARITIES, REFERENCES
from neurosim.spiking import CELLS, ENCODERS, TIMINGS, WEIGHT_DEPENDENCES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "science.md").read_text(encoding="utf-8")
_NUMBER = re.compile(r"(?:10\.\d{4,5}/[^\s,;`\"'}]+|(?<=arXiv[: ])\d{4}\.\d{5})")


def _numbers(text: str) -> set[str]:
    """DOIs and arXiv numbers, without the bracket or full stop that follows them."""
    found = set()
    for number in _NUMBER.findall(text):
        number = number.rstrip(".:")
        while number.count(")") > number.count("("):
            number = number[: number.rindex(")")].rstrip(".:")
        found.add(number.lower())
    return found


@pytest.mark.parametrize(
    "registry",
    [
        RULE_NAMES, TIMINGS, WEIGHT_DEPENDENCES, ENCODERS, CELLS, DISSIMILARITIES, COMPARATORS,
        REFERENCES, TRAINING_SETS, STIMULUS_SETS,
    ],
    ids=[
        "rules", "timings", "weight dependences", "encoders", "cells", "dissimilarities",
        "comparators", "references", "training sets", "stimulus sets",
    ],
)  # fmt: skip
def test_everything_that_has_a_name_stands_on_the_page(registry) -> None:
    assert [name for name in registry if f"`{name}`" not in PAGE] == []


def test_every_number_is_one_that_code_or_another_page_gives() -> None:
    """Sources are written down once, where the equation is computed."""
    folders = ("neurosim", "models", "rsa", "experiments")
    code = "".join(
        path.read_text(encoding="utf-8") for f in folders for path in (ROOT / f).rglob("*.py")
    )
    pages = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "docs").glob("*.md")
        if path.name != "science.md"
    )
    given = _numbers(PAGE)
    assert len(given) > 60
    assert given - _numbers(code) - _numbers(pages) == set()


def test_the_rule_of_the_concepts_page_finds_the_principal_axis(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Oja's fixed point: unit length, along the direction of the largest variance."""
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(example, "concepts.md", "exec"), {"__name__": "concepts"})
    length, first, *others = map(float, re.findall(r"\d\.\d+", capsys.readouterr().out))
    assert length == pytest.approx(1, abs=0.02)
    assert first > 0.99
    assert max(others) < 0.1
