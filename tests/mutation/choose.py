"""Which test files fit a module: those that import it and say its names, or its importers'."""

from __future__ import annotations

import ast
import re
from pathlib import Path

#: Folder of the checkout -> its import name (setup.cfg, package_dir).
PACKAGES = {"neurosim": "neurosim", "models": "neurosim.models", "rsa": "neurosim.rsa",
            "experiments": "neurosim.experiments"}  # fmt: skip

#: Test files that say a word which still tells them from others.
_FEW = 15


class Tests:
    """The test files of a checkout, and how well each fits a module."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tests = {
            path: _words(path.read_text("utf-8")) for path in root.glob("tests/*/test_*.py")
        }
        modules = [path for folder in PACKAGES for path in (root / folder).rglob("*.py")]
        self.names = {_module(root, path): _names(path) for path in modules}
        self.imports = {_module(root, path): _imports(path.read_text("utf-8")) for path in modules}

    def fitting(self, file: str, within: str, line: int, n: int) -> list[str]:
        """The ``n`` test files that most likely notice a change of this line inside ``within``."""
        ring, seen = {_module(self.root, self.root / file)}, set[str]()
        rings = [(4.0, {_words(name) for name in within.split(".") if name[:1].isalpha()})]
        for weight in (1.0, 0.6, 0.4, 0.3):  # the module, its importers, theirs, and theirs
            rings.append((weight, set().union(*(self.names[name] for name in ring))))
            seen |= ring
            ring = {n for n, used in self.imports.items() if used & ring and self.names[n]} - seen
        scores = {}
        source = (self.root / file).read_text("utf-8").splitlines()[line - 1]
        changed = {_words(name) for name in re.findall(r"[A-Za-z_]\w{3,}", source)}
        # What few tests say tells which; a word of all of them does not.
        rare = {w for w in changed if sum(w in text for text in self.tests.values()) <= _FEW}
        for test, text in self.tests.items():
            said = [(weight, sum(name in text for name in names)) for weight, names in rings]
            score = sum(weight * min(6, number) for weight, number in said)
            score += 3.0 * min(3, sum(word in text for word in rare))
            score += 8.0 * len(_stem(file) & _stem(test.name)) / len(_stem(file))
            # Whole commands notice much, and take long.
            score -= 3.0 * (test.parent.name == "experiments" != file.split("/")[0])
            if score > 0:
                scores[test.relative_to(self.root).as_posix()] = score
        return sorted(scores, key=lambda test: (-scores[test], test))[:n]


def _words(text: str) -> str:
    """Words in one spelling: ``VanRossum``, ``van_rossum`` and "van-rossum" are "_van_rossum_"."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    return f"_{re.sub(r'[^a-z0-9]+', '_', apart.lower()).strip('_')}_"


def _module(root: Path, path: Path) -> str:
    folder, *rest = path.relative_to(root).with_suffix("").parts
    return ".".join([PACKAGES[folder], *(part for part in rest if part != "__init__")])


def _imports(text: str) -> set[str]:
    """The modules of the package that a module imports; a package's own list of names is none."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    found = {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
    return found | {str(node.module) for node in nodes}


def _names(path: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    tree = ast.parse(path.read_text("utf-8"))
    names = {n.name for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")}
    return {_words(name) for name in names}


def _stem(file: str) -> set[str]:
    return set(Path(file).stem.strip("_").split("_")) - {"test"}
