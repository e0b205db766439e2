"""Several variants of one rule are rows of one comparison, told apart wherever they are shown."""

from __future__ import annotations

import pytest

from neurosim.experiments.figures.all_figures import figures_of
from neurosim.experiments.figures.rule_styles import RULE_STYLES, rule_style, styles_of, told_apart
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.table import read_csv
from neurosim.experiments.settings.texts import file_name
from neurosim.experiments.training_dynamics import main
from neurosim.models.rule_table import RULES

VARIANTS = [
    "stdp(timing=triplet)",
    "stdp(timing=nearest-pair, label=nearest)",
    "stdp(timing=symmetric)",
    "stdp(timing=all-pairs(tau_plus_ms=10, tau_minus_ms=40))",
    "stdp(timing=all-pairs(tau_plus_ms=40, tau_minus_ms=10), encoder=poisson(max_rate_hz=50))",
]
LABELS = ["BP", VARIANTS[0], "nearest", *VARIANTS[2:]]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("variants") / "run"
    small = ["--n-train", "64", "--n-test", "32", "--batch-size", "32", "--seeds", "1", "--epochs",
             "1", "--evaluation-px", "32", "--normalisation", "running", "--readouts", "gap",
             "--n-calibration", "64", "--workers", "1"]  # fmt: skip
    assert main(["--rules", "bp", *VARIANTS, *small, "--out", str(out)]) == 0
    return out


def test_every_variant_is_a_row_of_its_own(run):
    table = read_csv(run / "results.csv")
    rules = [rule for rule in table["rule"].unique() if not rule.startswith("reference:")]
    assert rules == ["bp", *VARIANTS]
    trained = table[(table["epoch"] == 1) & ~table["statistics_only"] & (table["layer"] == "Conv2")]
    moved = trained.groupby("rule")["displacement"].first()
    assert moved[VARIANTS].nunique() == len(VARIANTS), "each learns otherwise"
    start = (
        table[(table["epoch"] == 0) & (table["layer"] == "Conv2")].groupby("rule")["rho"].first()
    )
    assert start[VARIANTS[:4]].nunique() == 1, "and all of one encoder start alike"


def test_every_figure_shows_every_label(run):
    """In every figure: a curve, its colour and marker no other's."""
    headline = Headline.of(read_csv(run / "results.csv"), layer="FC1")
    for name, draw in figures_of("demo").items():
        figure = draw(headline)
        texts = [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]
        shown = " ".join(" ".join(texts).split())
        for label in LABELS:
            assert label in shown, f"{name} lacks {label}"
        assert "…" not in shown, f"{name} cuts a name"


def test_a_long_label_is_a_number_on_axes_and_spelled_out_once(run):
    """No two rules share what axes call them, and none is longer than the room there is."""
    styles = styles_of(["bp", *VARIANTS])
    short = [style.short for style in styles.values()]
    assert short == ["BP", "STDP 1", "nearest", "STDP 2", "STDP 3", "STDP 4"]
    figure = figures_of("demo")["figure_5_decomposition"](
        Headline.of(read_csv(run / "results.csv"), layer="FC1")
    )
    ticks = [tick.get_text().rstrip("†") for tick in figure.axes[0].get_yticklabels()]
    assert ticks == short
    texts = [text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))]
    notes = " ".join(" ".join(texts).split())
    for style in styles.values():
        assert style.short == style.label or f"{style.short}: {style.label}" in notes


def test_the_report_names_them(run):
    page = (run / "report.html").read_text()
    for label in LABELS:
        assert label in page


def test_looks_are_told_apart():
    """Whatever the number: no two share colour and marker, and names look as they always did."""
    many = [f"stdp(timing=all-pairs(tau_plus_ms={i}))" for i in range(1, 20)]
    found = styles_of(["bp", *many, "stdp", "frozen-stdp"])
    assert len({(s.colour, s.marker) for s in found.values()}) == len(found)
    assert {name: found[name] for name in ("bp", "stdp")} == {
        name: RULE_STYLES[name] for name in ("bp", "stdp")
    }
    assert len({s.colour for s in list(found.values())[1:6]}) == 5
    with told_apart(["bp", *many]):
        assert rule_style(many[3]) == styles_of(["bp", *many])[many[3]]
    assert list(RULE_STYLES) == list(RULES.built_in), "own ones take what is free"


def test_files_are_called_by_names_that_every_system_takes():
    """Plain names as ever; others legible, safe, and as different as the texts."""
    assert file_name("frozen-stdp") == "frozen-stdp"
    texts = [
        *VARIANTS,
        "/lab/a b/mine.py:oja",
        "/other/mine.py:oja",
        "'C:\\lab\\mine.py:oja'(lr=1)",
    ]
    names = [file_name(text) for text in texts]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").isalnum() and len(name) < 60 for name in names)
    assert names[-2].startswith("mine-py-oja-")
