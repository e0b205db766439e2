"""Laws of the result table: what is selected, how a change is split, what the summary says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from result_tables import table

from neurosim.experiments.results.table import (
    MIN_DIRECTION_CHANGE,
    MIN_DISPLACEMENT,
    SeedTest,
    adjusted,
    decompose,
    describe,
    learning_tests,
    merge,
    read_csv,
    selection,
    summary,
    write_csv,
    write_parquet,
)


@pytest.fixture(scope="module")
def rich() -> pd.DataFrame:
    return table()


def test_csv_reads_back_bit_for_bit(rich: pd.DataFrame, tmp_path: Path) -> None:
    """Shortest-form decimals determine a float64, so nothing may change, not the last bit."""
    write_csv(tmp_path / "results.csv", rich)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "results.csv"), rich, check_exact=True)


def test_selection_keeps_learners_and_layers_without_a_choice(rich: pd.DataFrame) -> None:
    """STDP has no policy (``none``), FC1 no readout (``units``): both stand in every selection."""
    rows = selection(rich, px=160, normalisation="running", readout="gap")
    assert set(rows["normalisation"]) == {"running", "none"}
    assert set(rows["readout"]) == {"gap", "units"}
    assert set(rows["rule"]) == {"untrained", "bp", "fa", "pc", "stdp"}
    keys = ["rule", "seed", "epoch", "statistics_only", "layer", "roi"]
    assert not rows.duplicated(keys).any()
    # 5 rules x 3 seeds x (4 checkpoints + 3 statistics-only) x 2 layers x 2 ROIs
    assert len(rows) == 5 * 3 * 7 * 2 * 2


def test_parts_add_up_to_the_change(rich: pd.DataFrame) -> None:
    """normalisation + learning = rho - start, within the rounding of two subtractions."""
    rows = selection(rich, px=160)
    parts = decompose(rows)
    assert len(parts) == 5 * 3 * 3 * 2 * 2
    np.testing.assert_allclose(
        parts["normalisation_part"] + parts["learning_part"], parts["change"], rtol=0, atol=1e-15
    )
    one = rows.query("rule == 'bp' and seed == 123 and layer == 'FC1' and roi == 'IT'")
    value = dict(
        zip(zip(one["epoch"], one["statistics_only"], strict=True), one["rho"], strict=True)
    )
    found = parts.query("rule == 'bp' and seed == 123 and layer == 'FC1' and roi == 'IT'")
    at_5 = found[found["epoch"] == 5].iloc[0]
    assert at_5["normalisation_part"] == value[5, True] - value[0, False]
    assert at_5["learning_part"] == value[5, False] - value[5, True]


def test_parts_are_nan_without_the_zero_point() -> None:
    parts = decompose(selection(table(statistics_only=False), px=160))
    assert parts["normalisation_part"].isna().all()
    assert parts["learning_part"].isna().all()
    assert parts["change"].notna().all()


def test_mixed_axes_are_refused(rich: pd.DataFrame) -> None:
    """Two px at once would pair each score with two starts."""
    with pytest.raises(pd.errors.MergeError):
        decompose(rich[rich["convention"] == "subject_mean"])


@pytest.mark.parametrize(
    ("displacement", "direction_change", "expected"),
    [
        (0.0, 0.0, "not trained"),
        (0.009, 0.5, "not trained"),
        (0.3, 0.0, "not trained"),  # weight decay alone: shorter, not turned
        (0.3, MIN_DIRECTION_CHANGE / 2, "not trained"),
        (0.3, 0.1, "trained"),
        # a move of barely more than 1 % at a right angle to the weights
        (1.02 * MIN_DISPLACEMENT, 1 - 1 / np.hypot(1, 1.02 * MIN_DISPLACEMENT), "trained"),
    ],
)
def test_mark_of_layers_that_hardly_moved(
    displacement: float, direction_change: float, expected: str
) -> None:
    rows = table(rules=("bp",), seeds=(1,), epochs=(0, 1), px=(32,), rois=("IT",))
    models = rows[rows["rule"] == "bp"].drop(columns=["trained", "simulated"]).iloc[:1]
    models = models.assign(displacement=displacement, direction_change=direction_change)
    references = rows[rows["rule"] != "bp"].iloc[:1].drop(columns=["displacement", "trained"])
    merged = merge([models], references, simulated=False)
    assert list(merged["trained"]) == [expected, ""]
    assert merged["statistics_only"].dtype == bool


def test_summary_by_hand(rich: pd.DataFrame) -> None:
    lines = summary(
        rich, roi="EVC", layer="FC1", px=160, normalisation="running", readout="gap"
    ).set_index("rule")
    rows = selection(rich, px=160).query("rule == 'bp' and roi == 'EVC' and layer == 'FC1'")
    at = {e: rows.query("epoch == @e and not statistics_only")["rho"].to_numpy() for e in (0, 5)}
    zero = rows.query("statistics_only and epoch == 5")["rho"].to_numpy()
    assert lines.loc["bp", "epoch 0"] == pytest.approx(at[0].mean(), abs=1e-15)
    assert lines.loc["bp", "last epoch"] == pytest.approx(at[5].mean(), abs=1e-15)
    assert lines.loc["bp", "learning part"] == pytest.approx((at[5] - zero).mean(), abs=1e-15)
    assert lines.loc["bp", "sd"] == pytest.approx(at[5].std(ddof=1), abs=1e-15)
    assert lines.loc["bp", "d_z learning"] == pytest.approx(
        (at[5] - zero).mean() / (at[5] - zero).std(ddof=1), rel=1e-12
    )
    assert lines.loc["stdp", "least moved conv"] == 0.004
    assert lines.loc["bp", "test accuracy"] == pytest.approx(0.6)


def test_summary_of_one_epoch_leaves_the_zero_point_out() -> None:
    """With ``epochs`` = 1 the statistics-only rows carry the last epoch too: they moved nothing."""
    lines = summary(
        table(epochs=(0, 1)), roi="IT", layer="FC1", px=32, normalisation="running", readout="gap"
    )
    assert lines.set_index("rule").loc["bp", "least moved conv"] == 0.3


def test_summary_with_an_undefined_score() -> None:
    """A silent layer's rho is NaN: the seed leaves the means and the test, the rest stands."""
    rich = table()
    rich.loc[
        (rich["rule"] == "bp") & (rich["seed"] == 42) & (rich["epoch"] == 5), "rho"
    ] = np.nan  # fmt: skip
    line = summary(
        rich, roi="EVC", layer="FC1", px=160, normalisation="running", readout="gap"
    ).iloc[1]
    assert line["rule"] == "bp"
    assert np.isfinite(line["last epoch"])
    assert np.isfinite(line["p learning"])


@pytest.mark.parametrize(("n", "floor"), [(2, 0.5), (3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_seed_test_reaches_its_floor(n: int, floor: float) -> None:
    """All changes of one sign: only that pattern and its mirror are as extreme, p = 2 / 2^n."""
    test = SeedTest.of(pd.Series(np.linspace(1, 2, n)))
    assert (test.n, test.p, test.floor) == (n, floor, floor)
    assert test.stars == ("*" if n == 6 else "")


def test_seed_test_needs_two_finite_seeds() -> None:
    test = SeedTest.of(pd.Series([0.3, np.nan]))
    assert test.n == 1
    assert np.isnan(test.p)
    assert test.stars == ""


def test_p_is_adjusted_over_the_rules_by_hand() -> None:
    """Benjamini-Hochberg: p_(k) m / k, made to rise; a rule without a test does not count."""
    seeds = pd.Series(np.linspace(1, 2, 6))
    tests = {
        "a": SeedTest.of(seeds),  # p = 1/32
        "b": SeedTest.of(seeds - 1.5),  # symmetric about 0: p = 1
        "c": SeedTest.of(-seeds),  # p = 1/32
        "d": SeedTest.of(seeds[:1]),  # no test
    }
    after = adjusted(tests)
    assert after["a"].p == after["c"].p == pytest.approx(3 / 2 / 32)
    assert after["b"].p == 1
    assert np.isnan(after["d"].p)
    assert after["a"].floor == tests["a"].floor


def test_the_untrained_network_is_no_test_of_learning() -> None:
    """Two rules at p = 1/32 stay there; with the untrained network's p = 1 they would be 3/64."""
    seeds = pd.Series(np.linspace(1, 2, 6))
    tests = learning_tests({"untrained": 0 * seeds, "bp": seeds, "fa": -seeds}, {"untrained"})
    assert np.isnan(tests["untrained"].p)
    assert tests["bp"].p == tests["fa"].p == 1 / 32


def test_p_is_described_with_its_floor() -> None:
    assert "0.25" in describe(table(seeds=(1, 2, 3)))
    assert "no test" in describe(table(seeds=(1,)))


def test_the_two_files_hold_the_same_table(rich: pd.DataFrame, tmp_path: Path) -> None:
    """To the bit: CSV writes the shortest decimal that reads back as the same double."""
    write_csv(tmp_path / "results.csv", rich)
    write_parquet(tmp_path / "results.parquet", rich)
    from_parquet = pd.read_parquet(tmp_path / "results.parquet")
    pd.testing.assert_frame_equal(
        read_csv(tmp_path / "results.csv"), from_parquet, check_exact=True
    )
