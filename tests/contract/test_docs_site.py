"""The documentation site builds without a warning, and every page of docs/ is in it."""

from __future__ import annotations

import dataclasses
import html
import os
import re
import subprocess
import sys
from pathlib import Path

import needs

from neurosim.experiments.settings.config import Comparison, Execution
from neurosim.experiments.settings.options import settings_of

ROOT = Path(__file__).resolve().parents[2]


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for module in ("mkdocs", "material", "mkdocstrings", "mkdocs_jupyter", "latex2mathml"):
        needs.extra("docs", module)
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert build.returncode == 0, build.stderr
    # Not Jupyter's own lines on the kernel that runs the tutorial: those change with its version.
    assert not re.search("^WARNING", build.stderr, re.MULTILINE), build.stderr
    concepts = (tmp_path / "site" / "concepts" / "index.html").read_text("utf-8")
    assert "<math" in concepts
    assert "arithmatex" not in concepts, "an equation was left as TeX"
    assert "img/abstraction.svg" in concepts
    # What mkdocstrings laid down for the reference: the sub-packages that package_dir maps.
    reference = (tmp_path / "site" / "reference" / "models" / "index.html").read_text("utf-8")
    assert "neurosim.models.catalogue.backprop" in reference
    tutorial = (tmp_path / "site" / "tutorial" / "index.html").read_text("utf-8")
    assert "data:image/png" in tutorial, "the figure of the tutorial is shown"
    assert "SIMULATED data" in tutorial
    _check_settings(
        (tmp_path / "site" / "reference" / "experiments" / "index.html").read_text("utf-8")
    )


def _check_settings(page: str) -> None:
    """Every setting with its default, what it is and what it allows; no call of ``option``."""
    rows = [
        [html.unescape(re.sub("<.*?>", "", cell)) for cell in re.findall("<td>(.*?)</td>", row)]
        for row in re.findall("<tr>(.*?)</tr>", page, re.DOTALL)
    ]
    told = {row[0]: row[1:] for row in rows if len(row) == 4}
    for cls in (Comparison, Execution):
        assert {field.name for field in dataclasses.fields(cls)} <= set(told)
        for setting in settings_of(cls):
            default, *words = told[setting.name]
            assert words == [setting.help, setting.allowed]
            assert default in (repr(setting.default), "os.cpu_count() or 1")
    text = html.unescape(re.sub("<.*?>", "", page))
    assert "epochs: int = 5," in text, "the constructor shows its defaults"
    assert "= option(" not in text
