"""What the site needs beside its pages: the packages laid out as installed, equations drawn.

``models/``, ``rsa/`` and ``experiments/`` become sub-packages of ``neurosim`` by ``package_dir``
in setup.cfg; a tool that reads source files looks for them inside the folder ``neurosim/``.
"""

from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path

from latex2mathml.converter import convert

_EQUATION = re.compile(
    r"<(?P<tag>span|div) class=\"arithmatex\">(?P<opening>\\[(\[])(?P<tex>.*?)\\[)\]]</(?P=tag)>",
    re.DOTALL,
)
_SOURCE = re.compile(r"\b(?P<kind>doi|arXiv):(?P<number>10\.\d{4,5}/[^\s<,;]+|\d{4}\.\d{5})")
_ROOT = Path(__file__).resolve().parent.parent


def on_startup(command: str, dirty: bool) -> None:
    """Called by MkDocs before anything else: mkdocstrings looks only in folders that are there when
    it is configured, so in a fresh checkout copies made later would not be found."""
    _copy()


def on_pre_build(config: object) -> None:
    """Called by MkDocs: copies, made anew for each build."""
    _copy()


def _copy() -> None:
    package = _ROOT / "build" / "documented" / "neurosim"
    shutil.rmtree(package, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(_ROOT / "neurosim", package, ignore=skip)
    for name in ("models", "rsa", "experiments"):
        shutil.copytree(_ROOT / name, package / name, ignore=skip)


def on_page_content(html: str, **kwargs: object) -> str:
    """Called by MkDocs: equations as MathML, which browsers draw without script or network; DOIs
    and arXiv numbers as links."""
    return _SOURCE.sub(_link, _EQUATION.sub(_mathml, html))


def _link(found: re.Match[str]) -> str:
    kind, number = found["kind"], found["number"].rstrip(".:")
    while number.count(")") > number.count("("):
        number = number[: number.rindex(")")]
    rest = found["number"][len(number) :]
    site = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}[kind]
    return f'<a href="{site}{number}">{kind}:{number}</a>{rest}'


def _mathml(found: re.Match[str]) -> str:
    tex = unescape(found["tex"]).strip()
    if found["opening"] == r"\(":
        return convert(tex)
    # On a narrow screen the equation scrolls, not the page.
    return f'<div style="overflow-x: auto; padding: .4em 0">{convert(tex, display="block")}</div>'
