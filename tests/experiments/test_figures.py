"""The figures draw what the table says, for rich and for poor tables."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text
from result_tables import table

from neurosim.experiments.figures import all_figures as figures
from neurosim.experiments.figures.all_figures import FIGURES, draw_all
from neurosim.experiments.figures.rule_styles import RULE_STYLES
from neurosim.experiments.figures.style import save
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.table import decompose, selection
from neurosim.experiments.settings.config import RULE_NAMES

_SMALL = {"px": (32,), "seeds": (1, 2)}
_TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "one seed, three ROIs": lambda: table(seeds=(42,), rois=("EVC", "V4", "IT"), px=(32,)),
    "one ROI, one epoch": lambda: table(rois=("EVC",), epochs=(0, 1), **_SMALL),
    "one rule, only epoch 0": lambda: table(("bp",), epochs=(0,), statistics_only=False, **_SMALL),
    "no epoch 0, no references": lambda: _without_references(table(epochs=(5,), **_SMALL)),
    "no zero point, no noise bounds": lambda: table(
        statistics_only=False, bounds=(np.nan, np.nan), **_SMALL
    ),
    "only learners without a policy, far bounds": lambda: table(
        ("stdp",), bounds=(0.7, 0.9), **_SMALL
    ),
    "all rules and an unknown one": lambda: table((*RULE_NAMES, "mine"), (1, 2), px=(32,)),
    "a NaN rho, uneven seeds": lambda: _with_nan(table(px=(32,)), one=True).query(
        "~(rule == 'pc' and seed == 42)"
    ),
    "all rho NaN": lambda: _with_nan(table(**_SMALL), one=False),
}


def _without_references(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["rule"].str.startswith("reference:")]


def _with_nan(rows: pd.DataFrame, *, one: bool) -> pd.DataFrame:
    chosen = (rows["rule"] == "bp") & (rows["seed"] == 42) & (rows["epoch"] == 5)
    return rows.assign(rho=rows["rho"].mask(chosen if one else rows["rho"].notna()))


def _headline(rows: pd.DataFrame) -> Headline:
    return Headline.of(rows, layer="FC1")


def _found(figure: Figure, gid: str) -> list[Artist]:
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def _words(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in figure.findobj(Text) if t.get_visible())


@pytest.fixture(scope="module")
def rich() -> pd.DataFrame:
    return table()


@pytest.fixture(scope="module")
def drawn(rich: pd.DataFrame) -> dict[str, Figure]:
    """Every figure of the rich table."""
    return {name: draw(_headline(rich)) for name, draw in FIGURES.items()}


@pytest.fixture(scope="module")
def shown(rich: pd.DataFrame) -> pd.DataFrame:
    """What the headline figures show."""
    rows = selection(rich, px=160, normalisation="running", readout="gap")
    return rows[(rows["layer"] == "FC1") & (rows["roi"] == "EVC")]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("kind", _TABLES)
def test_every_table_is_drawn_without_a_warning(name: str, kind: str) -> None:
    """Poor tables are real: a first run has one seed, a silent layer NaN, a subject no bounds."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = FIGURES[name](_headline(_TABLES[kind]()))
        figure.set_dpi(40)
        figure.draw_without_rendering()
    assert figure.axes


def test_mean_lines_are_the_means_of_the_table(
    drawn: dict[str, Figure], shown: pd.DataFrame
) -> None:
    figure = drawn["figure_1_trajectory"]
    curve = shown[~shown["statistics_only"]]
    for rule in ("untrained", "bp", "fa", "pc", "stdp"):
        score, change = _found(figure, f"mean:{rule}")
        of_rule = curve[curve["rule"] == rule].pivot(index="epoch", columns="seed", values="rho")
        assert list(score.get_xdata()) == [0, 1, 2, 5]
        np.testing.assert_allclose(score.get_ydata(), of_rule.mean(axis=1), atol=1e-15)
        np.testing.assert_allclose(
            change.get_ydata(), (of_rule - of_rule.loc[0]).mean(axis=1), atol=1e-15
        )
        (dots,) = _found(figure, f"seeds:{rule}")
        np.testing.assert_array_equal(dots.get_ydata(), of_rule.loc[5])
        (bar,) = _found(figure, f"final:{rule}")
        np.testing.assert_allclose(bar.get_ydata(), of_rule.loc[5].mean(), atol=1e-15)


def test_zero_points_stand_at_their_epoch_and_are_shifted_on_paper_alone(
    drawn: dict[str, Figure], shown: pd.DataFrame
) -> None:
    figure = drawn["figure_1_trajectory"]
    for rule in ("untrained", "bp", "stdp"):
        score, change = _found(figure, f"zero:{rule}")
        of_rule = shown[(shown["rule"] == rule) & (shown["epoch"] <= 1)]
        zero = of_rule[of_rule["statistics_only"]]["rho"].mean()
        start = of_rule[of_rule["epoch"] == 0]["rho"].mean()
        assert score.get_xdata()[0] == 1, "between epochs it would read as a share of one"
        shift = score.get_transform().transform((0, 0)) - score.axes.transData.transform((0, 0))
        assert shift[0] > 0
        low, high = change.axes.get_ylim()
        assert low < change.get_ydata()[0] < high, "what is moved counts for the limits"
        assert shift[1] == pytest.approx(0, abs=1e-9)
        assert score.get_ydata()[0] == pytest.approx(zero, abs=1e-15)
        assert change.get_ydata()[0] == pytest.approx(zero - start, abs=1e-15)


def test_references_and_noise_bounds_stand_at_their_values(drawn: dict[str, Figure]) -> None:
    figure = drawn["figure_1_trajectory"]
    for name, rho in (("luminance", 0.01), ("pixels", 0.06)):
        assert {line.get_ydata()[0] for line in _found(figure, f"reference:{name}")} == {rho}
        assert name in _words(figure)
    assert "noise bounds 0.247 to 0.399" in _words(figure)
    for band in _found(figure, "band"):
        assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.247, 0.399))


def test_far_noise_bounds_leave_the_data_their_axis() -> None:
    """The scores keep at least half the height of their axis; the bounds stand in a strip."""
    rows = table(bounds=(0.7, 0.9))
    figure = FIGURES["figure_1_trajectory"](_headline(rows))
    main = _found(figure, "mean:bp")[0].axes
    (band,) = _found(figure, "band")
    assert band.axes is not main
    low, high = main.get_ylim()
    scores = selection(rows, px=160).query("layer == 'FC1' and roi == 'EVC'")["rho"]
    assert np.ptp(scores) > 0.5 * (high - low)
    assert "0.700" in _words(figure)
    assert "0.900" in _words(figure)


def test_every_region_and_layer_has_its_panel(drawn: dict[str, Figure], rich: pd.DataFrame) -> None:
    figure = drawn["figure_2_regions_and_layers"]
    lines = _found(figure, "mean:pc")
    rows = selection(rich, px=160).query("rule == 'pc' and not statistics_only")
    means = rows.groupby(["roi", "layer", "epoch"])["rho"].mean()
    expected = [means[roi, layer].to_numpy() for roi in ("EVC", "IT") for layer in ("Conv1", "FC1")]
    assert len(lines) == 4
    for line, values in zip(lines, expected, strict=True):
        np.testing.assert_allclose(line.get_ydata(), values, atol=1e-15)


def test_early_minus_late_is_paired_within_seeds(
    drawn: dict[str, Figure], rich: pd.DataFrame
) -> None:
    figure = drawn["figure_3_early_against_late"]
    rows = selection(rich, px=160).query("rule == 'bp' and layer == 'FC1' and not statistics_only")
    wide = rows.pivot_table(index="epoch", columns="roi", values="rho")
    (path,), (difference,) = _found(figure, "path:bp"), _found(figure, "mean:bp")
    np.testing.assert_allclose(path.get_xdata(), wide["EVC"], atol=1e-15)
    np.testing.assert_allclose(path.get_ydata(), wide["IT"], atol=1e-15)
    np.testing.assert_allclose(difference.get_ydata(), wide["EVC"] - wide["IT"], atol=1e-15)


def test_seeds_and_their_spread(drawn: dict[str, Figure], shown: pd.DataFrame) -> None:
    figure = drawn["figure_4_seeds"]
    curve = shown[(shown["rule"] == "fa") & ~shown["statistics_only"]]
    wide = curve.pivot(index="epoch", columns="seed", values="rho")
    (line,) = _found(figure, "seed:fa:123")
    np.testing.assert_array_equal(line.get_ydata(), wide[123])
    (spread,) = _found(figure, "sd:fa")
    np.testing.assert_allclose(spread.get_ydata(), wide.std(axis=1, ddof=1), atol=1e-15)
    (pair,) = _found(figure, "pair:456")
    assert pair.get_ydata()[2] == wide.loc[5, 456]


def test_bars_are_the_two_parts_end_to_end(drawn: dict[str, Figure], shown: pd.DataFrame) -> None:
    """The learning bar starts where the normalisation bar ends, and ends at the change."""
    figure = drawn["figure_5_decomposition"]
    parts = decompose(shown).query("epoch == 5").groupby("rule").mean(numeric_only=True)
    for rule, expected in parts.iterrows():
        normalisation = _found(figure, f"normalisation:{rule}")[0]
        learning = _found(figure, f"learning:{rule}")[0]
        (end, _) = _found(figure, f"change:{rule}")[0].get_xdata()
        assert normalisation.get_x() == 0
        assert normalisation.get_width() == pytest.approx(expected["normalisation_part"], abs=1e-15)
        assert learning.get_x() == normalisation.get_width()
        assert learning.get_width() == pytest.approx(expected["learning_part"], abs=1e-15)
        assert end == pytest.approx(learning.get_x() + learning.get_width(), abs=1e-15)
        number = _found(figure, f"number:learning_part:{rule}")[0].get_text()
        assert float(number.replace("−", "-")) == pytest.approx(expected["learning_part"], abs=6e-4)


def test_a_sweep_draws_each_state_at_each_size(
    drawn: dict[str, Figure], rich: pd.DataFrame
) -> None:
    figure = drawn["figure_6_resolution"]
    for state, epoch, flag in (
        ("as initialised", 0, False),
        ("statistics only", 5, True),
        ("trained", 5, False),
    ):
        (line, _) = _found(figure, f"{state}:fa")  # one panel a region
        assert list(line.get_xdata()) == [32, 160]
        for px, value in zip((32, 160), line.get_ydata(), strict=True):
            rows = selection(rich, px=px).query("rule == 'fa' and layer == 'FC1' and roi == 'EVC'")
            chosen = rows[(rows["epoch"] == epoch) & (rows["statistics_only"] == flag)]
            assert value == pytest.approx(chosen["rho"].mean(), abs=1e-15)
    names = {line.get_gid() for line in figure.findobj() if str(line.get_gid()).startswith("ref")}
    assert names == {"reference:luminance", "reference:pixels"}


def test_references_in_the_plane_of_two_regions_are_letters_that_the_legend_names(
    rich: pd.DataFrame,
) -> None:
    """Each at its score with the early region (across) and the late one (up)."""
    late = rich["rule"].str.startswith("reference:") & (rich["roi"] == rich["roi"].unique()[-1])
    headline = _headline(rich.assign(rho=rich["rho"] + 0.01 * late))
    figure = FIGURES["figure_3_early_against_late"](headline)
    across, up = (headline.view(roi).references for roi in (headline.rois[0], headline.rois[-1]))
    legend = {line.get_label(): line.get_marker() for line in figure.legends[0].get_lines()}
    points = {line.get_gid(): line for line in figure.axes[0].lines}
    for name in across:
        point = points[f"reference:{name}"]
        assert (point.get_xdata()[0], point.get_ydata()[0]) == (across[name], up[name])
        assert legend[name] == point.get_marker()
    assert len({legend[name] for name in across}) == len(across) > 1


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_names_its_choice_and_what_was_not_trained(
    name: str, drawn: dict[str, Figure]
) -> None:
    words = _words(drawn[name])
    for word in ("160 px", "normalisation running", "subject_mean over 8 subjects", "3 seeds"):
        assert word in words
    assert "FC1 (units)" in words
    assert re.search("not trained.*STDP", words, re.DOTALL)
    assert "SIMULATED" not in words


@pytest.mark.parametrize("name", FIGURES)
def test_simulated_data_are_stamped_and_trained_layers_are_not_accused(name: str) -> None:
    words = _words(FIGURES[name](_headline(table(still=(), simulated=True, **_SMALL))))
    assert "SIMULATED DATA" in words
    assert "not trained" not in words


@pytest.mark.parametrize("name", ["figure_1_trajectory", "figure_5_decomposition"])
@pytest.mark.parametrize(
    ("n", "floor", "stars"), [(3, "p ≥ 0.25 with 3", False), (6, "p ≥ 0.031 with 6", True)]
)
def test_the_floor_of_p_is_printed(name: str, n: int, floor: str, stars: bool) -> None:
    """Where every seed changes the same way p is at its floor: a star needs six seeds."""
    rows = table(seeds=tuple(range(n)), rules=("bp", "pc"), px=(32,))
    learned = rows["epoch"].fillna(0).astype(float) * (rows["statistics_only"] != True)  # noqa: E712
    rows["rho"] = rows["rho"] + learned
    words = _words(FIGURES[name](_headline(rows)))
    assert floor in words
    assert ("no star is possible" in words) is not stars
    assert ("* p < 0.05" in words) is stars
    assert bool(re.search(r"^\*\s0\.031", words, re.MULTILINE)) is stars


def test_headline_takes_what_is_there() -> None:
    rows = table(px=(32, 96))
    chosen = _headline(rows[~rows["normalisation"].eq("running") & ~rows["readout"].eq("gap")])
    assert (chosen.px, chosen.normalisation, chosen.readout) == (96, "identity", "4x4")
    with pytest.raises(ValueError, match=r"no layer 'FC9'.*Conv1, FC1"):
        Headline.of(rows, layer="FC9")


def test_every_rule_has_a_look_of_its_own() -> None:
    assert set(RULE_NAMES) == set(RULE_STYLES)
    looks = [dataclasses.astuple(style)[1:3] for style in RULE_STYLES.values()]
    assert len({colour for colour, _ in looks}) == len(looks)


def test_all_files_are_there_and_nothing_else_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict(rcParams)
    monkeypatch.setattr(figures, "FIGURES", dict.fromkeys(FIGURES, lambda headline: Figure()))
    draw_all(table(("bp",), **_SMALL), tmp_path / "figures", layer="FC1")
    assert dict(rcParams) == before
    expected = {f"{name}.{kind}" for name in FIGURES for kind in ("png", "pdf", "svg")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == expected


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    rows = table(rules=("bp",), seeds=(1,), px=(32,), rois=("IT",))
    for run in ("a", "b"):
        save(FIGURES["figure_1_trajectory"](_headline(rows)), tmp_path / run, "f", dpi=40)
    for kind in ("png", "pdf", "svg"):
        first, second = ((tmp_path / run / f"f.{kind}").read_bytes() for run in ("a", "b"))
        assert first == second


def test_a_figure_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f.png").write_bytes(b"old")

    def broken(self: Figure, path: Path, **_: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", broken)
    with pytest.raises(OSError, match="disk full"):
        save(Figure(), tmp_path, "f")
    assert (tmp_path / "f.png").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f.png"]
