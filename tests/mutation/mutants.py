"""Single changes of a source text, such as a slip of the pen makes, found in its syntax tree."""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

#: Operator -> (how it is written, what stands for it, and for its boundary).
OPERATORS: dict[type, tuple[str, str, str]] = {
    ast.Add: ("+", "-", ""), ast.Sub: ("-", "+", ""), ast.Mult: ("*", "/", ""),
    ast.Div: ("/", "*", ""), ast.FloorDiv: ("//", "/", ""), ast.Mod: ("%", "//", ""),
    ast.Pow: ("**", "*", ""), ast.And: ("and", "or", ""), ast.Or: ("or", "and", ""),
    ast.Lt: ("<", ">=", "<="), ast.LtE: ("<=", ">", "<"), ast.Gt: (">", "<=", ">="),
    ast.GtE: (">=", "<", ">"), ast.Eq: ("==", "!=", ""), ast.NotEq: ("!=", "==", ""),
    ast.Is: ("is", "is not", ""), ast.IsNot: ("is not", "is", ""),
    ast.In: ("in", "not in", ""), ast.NotIn: ("not in", "in", ""),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """Characters ``start`` to ``stop`` of a file become ``after``."""

    file: str
    within: str  # the function or class, as in Layer.respond
    line: int
    operator: str
    start: int
    stop: int
    before: str
    after: str

    @property
    def key(self) -> str:
        """Names the mutant for as long as nothing changes above it in its file."""
        parts = (self.file, self.operator, str(self.start), self.before, self.after)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]

    def applied(self, source: str) -> str:
        return source[: self.start] + self.after + source[self.stop :]


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """Every mutant of a file."""
    source = (root / file).read_text(encoding="utf-8")
    finder = _Finder(file, source)
    finder.visit(ast.parse(source))
    return finder.found


class _Finder(ast.NodeVisitor):
    """Leaves out annotations, words (errors, f-strings) and what is for type checkers."""

    def __init__(self, file: str, source: str) -> None:
        self.file, self.source, self.found = file, source, list[Mutant]()
        self.names: list[str] = []
        self.lines = source.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def span(self, node: ast.AST) -> tuple[int, int]:
        return self._place(node.lineno, node.col_offset), self._place(  # type: ignore[attr-defined]
            node.end_lineno,
            node.end_col_offset,  # type: ignore[attr-defined]
        )

    def _place(self, line: int, column: int) -> int:
        # ast counts columns in bytes of UTF-8.
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def text(self, node: ast.AST) -> str:
        return self.source[slice(*self.span(node))]

    def add(self, operator: str, span: tuple[int, int], after: str) -> None:
        line = self.source.count("\n", 0, span[0]) + 1
        within, before = ".".join(self.names), self.source[slice(*span)]
        self.found.append(Mutant(self.file, within, line, operator, *span, before, after))

    def swap(self, operator: str, left: ast.AST, op: ast.AST, right: ast.AST) -> None:
        written, opposite, boundary = OPERATORS.get(type(op), ("", "", ""))
        start, stop = self.span(left)[1], self.span(right)[0]
        match = re.search(r"\s+".join(map(re.escape, written.split())), self.source[start:stop])
        if written and match:
            span = start + match.start(), start + match.end()
            self.add(operator, span, opposite)
            if boundary:
                self.add("boundary", span, boundary)

    # --- left out -------------------------------------------------------------------------------

    def visit_Raise(self, node: ast.Raise) -> None: ...
    def visit_JoinedStr(self, node: ast.JoinedStr) -> None: ...
    def visit_arg(self, node: ast.arg) -> None: ...

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def _scope(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self.names.append(node.name)
        if isinstance(node, ast.FunctionDef):
            self.visit(node.args)
        for child in node.body:
            self.visit(child)
        self.names.pop()

    visit_FunctionDef = visit_ClassDef = _scope  # type: ignore[assignment]

    # --- changed --------------------------------------------------------------------------------

    def visit_If(self, node: ast.If | ast.IfExp) -> None:
        if self.text(node.test) != "TYPE_CHECKING":
            self.add("negation", self.span(node.test), f"(not ({self.text(node.test)}))")
            self.generic_visit(node)

    visit_IfExp = visit_If  # type: ignore[assignment]

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self.swap("arithmetic", node.left, node.op, node.right)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, op, right in zip(operands, node.ops, node.comparators, strict=False):
            self.swap("comparison", left, op, right)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.swap("boolean", left, node.op, right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub | ast.Not):
            self.add("negation", self.span(node), self.text(node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        match node.value:
            case bool(value):
                self.add("constant", self.span(node), str(not value))
            case int(value):
                self.add("constant", self.span(node), str(value + 1))
            case float(value):
                self.add("constant", self.span(node), repr(2 * value if value else 1.0))

    def visit_Call(self, node: ast.Call) -> None:
        for keyword in node.keywords:
            start, stop = self.span(keyword)
            if keyword.arg and (comma := re.match(r"\s*,\s*", self.source[stop:])):
                self.add("argument", (start, stop + comma.end()), "")
            elif keyword.arg:
                before = self.source[:start].rstrip().removesuffix(",")
                self.add("argument", (len(before), stop), "")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and self.text(node.value) != "None":
            self.add("return", self.span(node.value), "None")
        self.generic_visit(node)
