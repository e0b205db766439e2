"""The report of a run: what it says, what it holds, and how a browser takes it."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shutil
from pathlib import Path

import needs
import numpy as np
import pandas as pd
import pytest
from result_tables import table

from neurosim.experiments.report.audit import audit_of
from neurosim.experiments.report.explorer import MISSING, STEPS, explorer
from neurosim.experiments.report.gallery import filters, ranked
from neurosim.experiments.report.tables import tables
from neurosim.experiments.report.verdicts import in_short, verdicts
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.table import FIRST_COLUMNS, read_csv
from neurosim.experiments.results.words import number, signed
from neurosim.experiments.training_dynamics import main

RUN = [
    "--n-train", "64", "--n-test", "32", "--batch-size", "32", "--epochs", "1", "--seeds", "1",
    "--evaluation-px", "32", "64", "--normalisation", "running", "--readouts", "gap",
    "--rules", "untrained", "bp", "stdp", "--workers", "1",
]  # fmt: skip
#: Set where a missing browser is an error, as in CI.
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "run"
    assert main([*RUN, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    return (finished / "report.html").read_text(encoding="utf-8")


def _headline(rows: pd.DataFrame) -> Headline:
    return Headline.of(rows, layer="FC1")


def _told(rows: pd.DataFrame, kind: str) -> list[str]:
    return [v.text for v in verdicts(_headline(rows)) if v.kind == kind]


def test_a_run_leaves_every_file(finished: Path) -> None:
    figures = {path.name for path in (finished / "figures").iterdir()}
    assert {f"figure_6_resolution.{kind}" for kind in ("png", "pdf", "svg")} <= figures
    parquet = pd.read_parquet(finished / "results.parquet")
    csv = read_csv(finished / "results.csv")
    assert list(parquet.columns) == list(csv.columns)
    axes = FIRST_COLUMNS
    pd.testing.assert_frame_equal(parquet[axes], csv[axes], check_exact=True)


def test_the_page_says_what_was_run_and_on_what(finished: Path, page: str) -> None:
    record = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    for word in (*record["data"].values(), record["versions"]["torch"], "SIMULATED", "seeds: [1]"):
        assert word in page
    assert "64 images of demo" in page, "the methods state this run's settings"
    assert "One seed" in page
    assert "3 jobs, all finished" in page
    assert len(page) < 6_000_000


def test_the_main_figure_comes_before_any_verdict_and_no_column_is_empty(page: str) -> None:
    """At most three sentences with it; one seed has no spread, p or effect size."""
    main, _, rest = page.partition('<section id="verdicts">')
    main = main[main.index('<section id="main">') :]
    assert main.count("<img") == 1
    assert main.count("<figure") == 1
    sentences = re.findall(r"<p>(.*?)</p>", main)
    assert 1 <= len(sentences) <= 3
    assert all(not re.search(r"\. [A-Z]", sentence) for sentence in sentences)
    assert "SIMULATED DATA" in page[: page.index("<nav>")]
    assert "ONE SEED" in page[: page.index("<nav>")]
    assert "<h3>Scores of FC1" in rest
    assert "sd over seeds" not in rest


def test_numbers_have_one_style(page: str) -> None:
    """0.123 everywhere a reader looks: in text and tables, as the figures' axes have it."""
    shown = html.unescape(re.sub(r"<(script|style).*?</\1>|<.*?>", " ", page, flags=re.DOTALL))
    assert re.search(r"\d\.\d{3}\b", shown)
    assert re.findall(r"(?<![\w.*])[+\u2212-]?\.\d{2,}\b", shown) == []
    assert number(-0.0004) == "0.000"
    assert (number(-0.0236), signed(0.01), signed(-0.5, 2)) == ("−0.024", "+0.010", "−0.50")
    assert number(float("nan")) == "undefined"


def test_the_shown_configuration_makes_the_same_run(
    finished: Path, page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the page prints under 'Run it again' is read back as the settings of the run."""
    shown = html.unescape(re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)[1])
    (tmp_path / "config.yaml").write_text(shown, encoding="utf-8")
    assert main(["--config", str(tmp_path / "config.yaml"), "--show-config"]) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert set(filter(None, shown.splitlines())) <= set(printed)


def test_the_audit_is_on_the_page(finished: Path, page: str, tmp_path: Path) -> None:
    findings = json.loads((finished / "audit.json").read_text(encoding="utf-8"))["findings"]
    headline = Headline.of(read_csv(finished / "results.csv"), layer="FC1")
    shown_of = [found["kind"] for found in audit_of(finished, headline, "demo")]
    assert shown_of == [f["verdict"] for f in findings]
    assert 'href="#audit"' in page
    shown = html.unescape(page)
    for finding in findings:
        # A line for each rule or region: run together they could not be read.
        first, *details = finding["answer"].strip().splitlines()
        assert f"<strong>{finding['question']}</strong> {first}" in shown
        assert all(f"<li>{line}</li>" in shown for line in details)
    of_table = {found["question"]: found["kind"] for found in audit_of(tmp_path, headline, "demo")}
    assert of_table == {f["question"]: f["verdict"] for f in findings} | {
        question: "unknown" for question in of_table if "depend on the batch" in question
        or "change the network" in question
    }, "without an audit the table says all but what showing images would"  # fmt: skip
    (tmp_path / "audit.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"make it anew with --audit"):
        audit_of(tmp_path, headline, "demo")


def test_a_partial_run_is_reported_as_such(finished: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(finished, part, ignore=shutil.ignore_patterns("figures", "r*.html", "*.csv"))
    (part / "cells" / "bp-seed1.h5").unlink()
    (part / "cells" / "stdp-seed1.h5").write_bytes(b"not HDF5")
    before = sorted(part.rglob("*"))
    assert main(["--report", str(part), "--out", str(tmp_path / "elsewhere")]) == 0
    assert sorted(part.rglob("*")) == before, "a run in flight is only read"
    page = (tmp_path / "elsewhere" / "report.html").read_text(encoding="utf-8")
    assert "1 of 3 jobs finished" in page
    assert "not begun" in page
    assert "cannot be read" in page
    assert "The run is not finished (1 of 3 jobs): what follows" in page
    assert "The run is not finished" not in (finished / "report.html").read_text(encoding="utf-8")


def test_what_cannot_be_reported_is_said(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--report", str(tmp_path)]) == 2
    assert "no run in" in capsys.readouterr().err
    record = json.loads((finished / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert main(["--report", str(tmp_path)]) == 2
    assert "no job of" in capsys.readouterr().err
    (tmp_path / "run.json").write_text('{"rules": ["bp"]}', encoding="utf-8")
    for command in (["--report"], ["--stimuli", "demo", "--audit"]):
        assert main([*command, str(tmp_path)]) == 2
        assert "run.json is not what this version writes" in capsys.readouterr().err
    record["data"]["stimuli"] = "0" * 64
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    shutil.copytree(finished / "cells", tmp_path / "cells")
    assert main(["--report", str(tmp_path)]) == 2
    assert "SHA-256 000000000000" in capsys.readouterr().err


def test_shares_by_hand() -> None:
    """.2 -> .05 with statistics alone at .1: two thirds without learning."""
    rows = table(rules=("bp",), seeds=(1, 2), px=(32,), rois=("IT",), bounds=(0.2, 0.4))
    moved = (rows["rule"] == "bp") & (rows["epoch"] > 0)
    at = {"start": 0.2, "still": 0.1, "end": 0.05}
    rows.loc[rows["rule"] == "bp", "rho"] = at["start"]
    rows.loc[moved, "rho"] = np.where(rows.loc[moved, "statistics_only"], at["still"], at["end"])
    assert "cannot find anything" in _told(rows, "test")[0]
    assert "BP 67%" in in_short(_headline(rows))[0]


def test_p_is_the_same_in_sentences_and_table() -> None:
    """Both leave the untrained network out of the family."""
    headline = _headline(table(seeds=(1, 2, 3, 4), px=(32,), rois=("IT",)))
    (told,) = [v.text for v in verdicts(headline) if v.kind == "test"]
    scores = tables(headline)[0]
    rule, p = ([c.name for c in scores.columns].index(n) for n in ("rule", "p learning (adjusted)"))
    shown = {row[rule].text: row[p].text for row in scores.rows}
    assert shown.pop("untrained") == "–"
    assert shown
    for name, value in shown.items():
        assert f"{name} p = {value}" in told


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1414, "0.141"),
        (-0.0231, "−0.023"),
        (-0.0001, "0.000"),
        (1.0, "1.000"),
        (np.nan, "undefined"),
    ],
)
def test_scores_in_text(value: float, text: str) -> None:
    assert number(value) == text


def test_the_page_unpacks_to_the_table() -> None:
    """Every score of the page is that of the table to half a step of 1 / 32,000."""
    rows = table(("bp", "stdp"), seeds=(1, 2), px=(32, 96))
    data = explorer(_headline(rows))
    axes = ["rules", "seeds", "passes", "px", "normalisation", "maps", "rois", "conventions"]
    cube = np.frombuffer(base64.b64decode(data["scores"]), "<i2")
    cube = cube.reshape([len(data[axis]) for axis in axes])
    models = rows[~rows["rule"].str.startswith("reference:")]
    for row in models.sample(60, random_state=0).itertuples():
        place = (
            data["rules"].index(row.rule), data["seeds"].index(row.seed),
            data["passes"].index((row.epoch, row.statistics_only)), data["px"].index(row.px),
            data["normalisation"].index("running" if row.rule == "stdp" else row.normalisation),
            data["maps"].index((row.layer, row.readout)), data["rois"].index(row.roi),
            data["conventions"].index(row.convention),
        )  # fmt: skip
        assert abs(cube[place] / STEPS - row.rho) <= 0.5 / STEPS
    # Passes of epoch 0 have no statistics-only twin; nothing else is missing.
    assert (cube != MISSING).all()


def test_ranks_of_a_matrix_by_hand() -> None:
    square = np.array([[0, 1, 5], [1, 0, 3], [5, 3, 0]], dtype=float)
    assert ranked(square, np.arange(3)).tolist() == [[0, 0, 100], [0, 0, 50], [100, 50, 0]]
    square[0, 1] = square[1, 0] = np.nan
    assert ranked(square, np.arange(3)).tolist() == [[0, 255, 100], [255, 0, 0], [100, 0, 0]]


def test_filters_share_a_scale_and_grey_is_zero() -> None:
    start = np.zeros((2, 3, 1, 1))
    end = start.copy()
    end[1, 0] = 2.0  # red
    shown = filters(start, end)
    assert shown.trained[0, 0].tolist() == [127, 127, 127]
    assert shown.trained[0, 2].tolist() == [255, 127, 127]
    assert shown.change_scale == 1
    assert np.isinf(filters(end, end).change_scale)


def _browser() -> str:
    needs.extra("dev", "playwright")
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    return found or needs.missing(f"no browser (looked for {', '.join(_BROWSERS)})")


def test_a_browser_shows_all_of_it_and_asks_nobody(finished: Path) -> None:
    """At both widths: no console message, no request, every image there, no sideways scroll."""
    executable = _browser()
    from playwright.sync_api import sync_playwright

    # Chromium's sandbox refuses root, who runs the tests in containers.
    flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    address = (finished / "report.html").as_uri()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=flags)
        for width in (1400, 400):
            page = browser.new_page(viewport={"width": width, "height": 900})
            told: list[str] = []
            asked: list[str] = []
            page.on("console", lambda m, told=told: told.append(m.text))
            page.on("pageerror", lambda e, told=told: told.append(str(e)))
            page.on("request", lambda r, asked=asked: asked.append(r.url))
            page.goto(address)
            page.wait_for_selector("html[data-drawn=yes]", state="attached", timeout=90_000)
            page.select_option("#map", index=0)
            page.check("#whole")
            _keeps_apart(page)
            named = "luminance" in page.locator("#dashed").inner_text()
            assert named == (width == 400), "where there is no room beside the lines"
            assert page.locator("#trajectory .scatterlayer .trace").count() >= 3
            assert page.locator("#parts .barlayer .point").count() >= 4
            broken = page.evaluate(
                "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt)"
            )
            assert broken == []
            assert page.evaluate("document.images.length") > 10
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.locator(".modebar").count() == 0, "a toolbar would cover values"
            cut = page.locator("figure.publication .goes-on").count()
            cues = page.locator("figure.publication .cue:visible").count()
            assert (cut > 3) == (cues > 3) == (width == 400), "what goes on says so, and else not"
            _sorts(page)
            _reads_pairs(page)
            assert told == []
            assert {url for url in asked if not url.startswith("data:")} == {address}
        browser.close()


def _keeps_apart(page) -> None:
    """Legends stand below the titles of the axes, and these below the labels of the ticks."""
    for figure in ("#trajectory", "#parts", "#sweep"):
        parts = [f"{figure} {part}" for part in (".xaxislayer-above", ".xtitle", ".legend")]
        ticks, title, legend = (page.locator(part).first.bounding_box() for part in parts)
        assert ticks["y"] + ticks["height"] <= title["y"] + 1, figure
        assert title["y"] + title["height"] <= legend["y"] + 1, figure


def _sorts(page) -> None:
    """A click on a heading sorts by number, a second one the other way."""
    table = page.locator("table.sorts").first
    values = "table => [...table.tBodies[0].rows].map(row => Number(row.cells[4].dataset.value))"
    head = table.locator("th").nth(4).locator("button")
    head.click()
    rising = table.evaluate(values)
    assert rising == sorted(rising)
    head.click()
    assert table.evaluate(values) == rising[::-1]


def _reads_pairs(page) -> None:
    """Under the pointer: the names of a pair, and its rank in every matrix."""
    page.locator("figure.rdm img").first.hover(position={"x": 20, "y": 60})
    assert " against " in page.locator("#pair").inner_text()
    outputs = page.locator("figure.rdm output").all_inner_texts()
    assert outputs
    assert all(re.fullmatch(r"\d+ %|same|undefined", text) for text in outputs)
