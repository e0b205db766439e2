"""The command ``encoder_swap``: its tables, resuming, refusals."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurosim.experiments import encoder_swap
from neurosim.experiments.swap import folder as swap_folder
from neurosim.experiments.swap import part as swap_part
from neurosim.experiments.swap.config import EncoderSwap

SMALL = (
    "--encoders", "latency", "population", "--n-train", "24", "--n-test", "10", "--batch-size",
    "12", "--channels", "4", "6", "8", "--duration-ms", "30", "--workers", "1",
)  # fmt: skip


def command(*options: str) -> list[str]:
    return [*SMALL, *options]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("swap") / "run"
    assert encoder_swap.main(command("--out", str(out))) == 0
    return out


def test_tables_have_a_row_for_everything(finished):
    """curve: encoder x tick; energy: encoder x layer; alignment: and ROI and convention, with
    noise bounds and references beside."""
    curve, energy, alignment = (
        pd.read_csv(finished / f"{name}.csv") for name in ("curve", "energy", "alignment")
    )
    assert len(curve) == 2 * 6
    assert set(curve["encoder"]) == {"latency", "population"}
    assert curve["time_ms"].max() == 30.0
    assert curve["accuracy"].between(0, 1).all()
    assert len(energy) == 2 * 3
    last = curve[curve["time_ms"] == 30.0].set_index("encoder")
    for name in ("spikes", "synaptic_events"):
        total = energy.groupby("encoder")[name].sum()
        assert total.to_numpy() == pytest.approx(last.loc[total.index, name].to_numpy(), rel=1e-4)
    # The probe on Conv3 at the last tick is the probe on Conv3.
    conv3 = energy[energy["layer"] == "Conv3"].set_index("encoder")["accuracy"]
    assert conv3.to_dict() == last["accuracy"].to_dict()
    mine = alignment[~alignment["encoder"].str.startswith("reference:")]
    assert set(mine["layer"]) == {"Conv1", "Conv2", "Conv3"}
    assert mine.groupby(["encoder", "layer", "roi", "convention"]).size().eq(1).all()
    assert "reference:luminance" in set(alignment["encoder"])
    assert alignment["noise_upper"].notna().all()
    for name in ("rasters", "accuracy_and_cost", "alignment"):
        assert (finished / "figures" / f"{name}.png").stat().st_size > 10_000


def test_the_summary_is_of_the_tables(finished):
    """A row an encoder; with one seed mean, least and most are one number, that of the curve."""
    summary = pd.read_csv(finished / "summary.csv").set_index("encoder")
    curve = pd.read_csv(finished / "curve.csv")
    last = curve[curve["time_ms"] == 30.0].set_index("encoder")["accuracy"]
    assert list(summary.index) == ["latency", "population"]
    assert (summary["n_seeds"] == 1).all()
    for name in ("accuracy", "accuracy_min", "accuracy_max"):
        assert summary[name].to_dict() == last.to_dict()
    (rho,) = [name for name in summary if name.startswith("rho_Conv3") and name[-3:] == "min"]
    assert summary[rho].between(-1, 1).all()


def test_a_folder_of_before_goes_on(finished, monkeypatch):
    """Its record lacks the settings added since: their defaults keep its numbers."""
    record = finished / "swap.json"
    written = record.read_text()
    now = json.loads(written)
    old = {**now["settings"], **{f"{name}_sha256": sha for name, sha in now["data"].items()}}
    del old["timing"], old["weight_dependence"]
    record.write_text(json.dumps(old))
    monkeypatch.setattr(swap_part, "run_part", lambda *_: pytest.fail("computed a part anew"))
    monkeypatch.setattr(swap_folder, "FIGURES", {})
    assert encoder_swap.main(command("--out", str(finished))) == 0
    assert record.read_text() == written


def test_running_again_computes_nothing_and_gives_the_same_tables(finished, monkeypatch):
    """Finished parts are kept; the tables' bytes do not change."""
    before = {path.name: path.read_bytes() for path in finished.glob("*.csv")}
    monkeypatch.setattr(swap_part, "run_part", lambda *_: pytest.fail("computed a part anew"))
    monkeypatch.setattr(swap_folder, "FIGURES", {})
    assert encoder_swap.main(command("--out", str(finished))) == 0
    assert {path.name: path.read_bytes() for path in finished.glob("*.csv")} == before


def test_a_part_does_not_depend_on_the_others(finished, tmp_path, monkeypatch):
    """One encoder alone has the numbers it had beside the other; time alone may differ."""
    monkeypatch.setattr(swap_folder, "FIGURES", {})
    out = tmp_path / "alone"
    assert encoder_swap.main([*command("--out", str(out)), "--encoders", "population"]) == 0
    for name in ("curve", "alignment"):
        both, alone = (pd.read_csv(folder / f"{name}.csv") for folder in (finished, out))
        kept = both[both["encoder"].isin(set(alone["encoder"]))].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept, alone, check_dtype=False)


def test_the_tables_hold_what_the_folder_holds(finished, monkeypatch, capsys):
    """Asking for one encoder alone leaves the other in the tables, and says so."""
    before = {path.name: path.read_bytes() for path in finished.glob("*.csv")}
    monkeypatch.setattr(swap_part, "run_part", lambda *_: pytest.fail("computed a part anew"))
    monkeypatch.setattr(swap_folder, "FIGURES", {})
    assert encoder_swap.main([*command("--out", str(finished)), "--encoders", "population"]) == 0
    assert {path.name: path.read_bytes() for path in finished.glob("*.csv")} == before
    out = capsys.readouterr().out
    assert "1 of 2 parts from earlier commands" in out
    assert "latency" in out


def test_out_is_no_file(tmp_path, capsys):
    out = tmp_path / "afile"
    out.write_text("mine")
    assert encoder_swap.main(command("--out", str(out))) == 2
    assert "is a file, not a folder" in capsys.readouterr().err


def test_an_interrupted_run_keeps_what_is_finished(tmp_path, monkeypatch, capsys):
    """Ctrl-C in the second part: the first stays, the message says to run again."""
    real = swap_part.run_part

    def second_fails(settings, encoder, *rest):
        if encoder == "population":
            raise KeyboardInterrupt
        return real(settings, encoder, *rest)

    monkeypatch.setattr(swap_part, "run_part", second_fails)
    assert encoder_swap.main(command("--out", str(tmp_path))) == 130
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["latency-seed42.h5"]
    assert "run again to resume" in capsys.readouterr().err


def test_other_settings_in_the_same_folder_are_refused(finished, capsys):
    """The difference is in the message."""
    assert encoder_swap.main(command("--out", str(finished), "--n-test", "11")) == 2
    assert "n_test: 10 there, 11 asked" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--encoders", "poison"), "did you mean 'poisson'"),
        (("--encoders", "latency", "latency"), "each once"),
        (("--cell", "lif"), "unknown cell"),
        (("--timing", "triplets"), "did you mean 'triplet'"),
        (("--weight-dependence", "gutig"), "did you mean 'guetig'"),
        (("--n-train", "5"), "less than one batch"),
        (("--n-train", "1000000"), "1000000"),
        (("--channels", "4", "6"), "three numbers"),
        (("--duration-ms", "12"), "whole number of ticks"),
        (("--duration-ms", "nan"), "--duration-ms on the command line is 'nan': give finite"),
        (("--duration-ms", "inf"), "finite numbers of at most 2^63 - 1"),
        (("--epochs", "1" + 20 * "0"), "finite numbers of at most 2^63 - 1"),
        (("--encoders", "delta"), "at least 10 ticks"),
        (("--training", "dem"), "known are demo"),
        (("--encodres", "delta"), "did you mean --encoders"),
    ],
)
def test_bad_input_is_refused_before_any_work(options, message, tmp_path, monkeypatch, capsys):
    """One sentence, and no folder."""
    monkeypatch.setattr(swap_part, "run_part", lambda *_: pytest.fail("work began"))
    out = tmp_path / "run"
    assert encoder_swap.main([*command("--out", str(out)), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_damaged_parts_are_found_before_the_work_and_made_again(finished, tmp_path, capsys):
    """One that is asked for is computed anew, one of an earlier command is set aside: neither
    stops the command at its end, after hours of work."""
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    for encoder in ("latency", "population"):
        part = out / "parts" / f"{encoder}-seed42.h5"
        part.write_bytes(part.read_bytes()[:5000])
    assert encoder_swap.main(command("--out", str(out), "--encoders", "latency")) == 0
    told = capsys.readouterr()
    assert told.err.count("is damaged: it is now") == 2
    assert "1 parts, 0 of them there" in told.out
    assert set(pd.read_csv(out / "curve.csv")["encoder"]) == {"latency"}
    before, after = (
        pd.read_csv(folder / "curve.csv").query("encoder == 'latency'")
        for folder in (finished, out)
    )
    pd.testing.assert_frame_equal(before, after)


def test_defaults_name_every_encoder():
    """The demo compares all of them."""
    from neurosim.spiking.encoders.registry import ENCODERS

    assert set(EncoderSwap().encoders) == set(ENCODERS)


def test_the_raster_shows_the_strongest_inputs_first(finished):
    """In latency's raster spikes fall no earlier from row to row."""
    from neurosim.arrays.storage import read_tree

    raster = read_tree(finished / "parts" / "latency-seed42.h5")["raster"]
    assert set(np.unique(raster)) == {0, 1}
    assert (np.diff(raster.argmax(0)) >= 0).all()


def test_help_is_light():
    """No torch, no matplotlib."""
    code = (
        "import sys; from neurosim.experiments.encoder_swap import parser; parser().format_help();"
        "assert not {'torch', 'matplotlib', 'pandas', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
