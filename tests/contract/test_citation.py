"""CITATION.cff says of the software what setup.cfg, LICENSE and the page of sources say."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import yaml

from neurosim import __version__
from neurosim.experiments.report.sources import METHOD_SOURCES

ROOT = Path(__file__).resolve().parents[2]


def test_the_citation_is_of_this_version_licence_and_authors() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert citation["title"] == setup["metadata"]["name"]
    assert citation["version"] == setup["metadata"]["version"] == __version__
    assert citation["license"] == setup["metadata"]["license"]
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert all(author["name"] in licence for author in citation["authors"])
    # What format 1.2.0 asks of every file and of every work in `references`.
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert all({"type", "title", "authors"} <= set(work) for work in citation["references"])


def test_the_works_it_refers_to_are_those_that_the_report_cites() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    numbers = {work["url"].rpartition("/")[2] for work in citation["references"]}
    cited = set(re.findall(r"arXiv:(\d{4}\.\d{5})", " ".join(METHOD_SOURCES)))
    assert numbers == cited == {"2605.30556", "2608.12408"}
