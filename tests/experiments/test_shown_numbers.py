"""Numbers are shown in one style: with a leading zero, a real minus, and no sign of zero."""

import ast
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.experiments.controls.result import Result
from neurosim.experiments.controls.words import cross_in_words
from neurosim.experiments.published.switches import text_of
from neurosim.experiments.results.words import number, signed

ROOT = Path(__file__).resolve().parents[2] / "experiments"
FILES = [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "results" / "words.py"]
#: Two decimals or more, as in f"{x:+.3f}", "{:>9.3f}" or "%.2f".
_FORMAT = re.compile(r"(:|%)[^{}]*\.[2-9]f")


@given(st.floats(-10, 10), st.integers(1, 4))
def test_a_number_is_read_back_to_its_digits(value, digits):
    for text in (number(value, digits), signed(value, digits)):
        assert re.fullmatch(rf"[−+]?[0-9]+\.[0-9]{{{digits}}}", text)
        assert math.isclose(float(text.replace("−", "-")), value, abs_tol=0.51 * 10**-digits)
    assert number(-(10.0**-digits) / 3, digits) == number(0.0, digits)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_scores_are_formatted_by_the_one_module(path):
    """Outside of ``results/words.py`` no text formats two decimals or more."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            spec = node.format_spec
            assert isinstance(spec, ast.JoinedStr)
            fixed = [part.value for part in spec.values if isinstance(part, ast.Constant)]
            found.append(":" + "".join(map(str, fixed)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "{:" in node.value:
            found.append(node.value)
    assert not [text for text in found if _FORMAT.search(text)], "use number() or signed()"


def test_printed_tables_are_in_that_style():
    """The tables of the control commands and of the published switches."""
    parts = {"initialised": 0.25, "statistics_only": -0.0004, "trained": -0.023}
    parts |= dict.fromkeys(("normalisation_part", "learning_part", "change"), -0.1)
    bounds = {f"{name}_{end}": -0.2 for name in list(parts)[3:] for end in ("lower", "upper")}
    row = {"rule": "bp", "normalisation": "running", "px": 160, "roi": "EVC", "layer": "FC1",
           "readout": "gap", "n_seeds": 3, **parts, **bounds}  # fmt: skip
    table = pd.DataFrame([row])
    said = cross_in_words(
        Result({"decomposition": table}, layer="FC1", training_px=32, simulated=False)
    )
    assert "−0.100 [−0.200, −0.200]" in said
    assert "0.250" in said
    assert " 0.000" in said
    assert " −0.023" in said
    rows = pd.DataFrame([{"variant": "all on", "rule": "bp", "roi": "EVC", "final": 0.141,
                          "change": -0.023},
                         {"variant": "other", "rule": "pc", "roi": "EVC", "final": -0.02,
                          "change": 0.01}])  # fmt: skip
    lines = [line.split() for line in text_of(rows).splitlines()]
    assert lines[-2][-4:] == ["0.141", ".", "−0.023", "."]
    assert lines[-1][-4:] == [".", "−0.020", ".", "+0.010"]
