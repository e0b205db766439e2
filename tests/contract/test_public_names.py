"""The packages that a user imports from hand on what they say, and nothing of a module's inside."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("neurosim", "neurosim.spiking", "neurosim.models", "neurosim.rsa",
            "neurosim.experiments")  # fmt: skip


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package):
    """A name whose module was moved or renamed shows here, not at a user."""
    module = import_module(package)
    assert list(module.__all__) == sorted(set(module.__all__))
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = module.no_such_name


def snippets(path: Path) -> list[str]:
    """The Python code of a page."""
    parts = path.read_text("utf-8").split("```python\n")[1:]
    return [part.split("```")[0] for part in parts]


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_pages_import_from_there_only(path):
    found = set()
    for code in snippets(path):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neurosim"):
                found.add(node.module)
    assert found <= {*PACKAGES, "neurosim.testing", "neurosim.models.testing"}
