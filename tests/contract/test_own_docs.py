"""What docs/own.md says to write does what its contract says."""

from __future__ import annotations

import re
from pathlib import Path

from neurosim.models.testing import check_rule
from neurosim.naming import own
from neurosim.testing import check_encoder

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own.md"


def block(folder: Path, word: str) -> Path:
    """The file that the code block with this word is, in a folder of its own."""
    blocks = re.findall(r"```python\n(# mine\.py\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (source,) = [each for each in blocks if word in each]
    (folder / "mine.py").write_text(source)
    return folder / "mine.py"


def test_the_rule_of_the_page_keeps_the_laws_of_rules(tmp_path: Path) -> None:
    check_rule(f"{block(tmp_path, 'def oja')}:oja")


def test_the_encoder_of_the_page_keeps_the_laws_of_encoders(tmp_path: Path) -> None:
    check_encoder(own.located(f"{block(tmp_path, 'class Early')}:Early")(last=3))
