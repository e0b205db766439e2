"""No module but the builders knows the name of a layer: what it is for is a role of the network."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from small_networks import SMALL, built

ROOT = Path(__file__).parents[2]
#: What speaks of the published network and its numbers, and the encoder comparison, whose network
#: has three convolutions of its own.
SPEAKS_OF_IT = re.compile(
    r"models/network/builders\.py|models/published/|experiments/published/"
    r"|experiments/(published_numbers|results/published_things|figures/published"
    r"|audit/published|job/switches)\.py|experiments/swap/"
)
NAMES = {layer.name for name in SMALL for layer in built(name).layers}


def literals(path: Path) -> list[str]:
    """Every string of the code that is no documentation."""
    tree = ast.parse(path.read_text("utf-8"))
    documented = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }  # a string that stands alone
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documented
    ]


FILES = [
    path
    for package in ("neurosim", "models", "experiments", "rsa")
    for path in sorted((ROOT / package).rglob("*.py"))
    if not SPEAKS_OF_IT.match(path.relative_to(ROOT).as_posix())
]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_string_is_the_name_of_a_layer(path):
    """Nor of one of its parameters, ``Conv1.weight``, nor a sentence that holds such a name. The
    name ``head`` is a word as well: it counts where it stands alone or before a dot."""
    words = "|".join(sorted(map(re.escape, NAMES - {"head"}), key=len, reverse=True))
    named = re.compile(rf"\b({words})\b|^head(\.|$)|^Conv$")
    found = [text for text in literals(path) if named.search(text)]
    assert not found, f"{path}: take the roles of the network instead of {found}"
