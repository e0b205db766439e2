"""The documentation site builds without a warning, and every page of docs/ is in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import needs

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
    assert "WARNING" not in build.stderr
    concepts = (tmp_path / "site" / "concepts" / "index.html").read_text("utf-8")
    assert "<math" in concepts
    assert "arithmatex" not in concepts, "an equation was left as TeX"
    assert "img/abstraction.svg" in concepts
    # What mkdocstrings laid down for the reference: the sub-packages that package_dir maps.
    reference = (tmp_path / "site" / "reference" / "models" / "index.html").read_text("utf-8")
    assert "neurosim.models.catalogue.backprop" in reference
