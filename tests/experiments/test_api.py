"""The comparison from Python, and the tutorial that shows it."""

from __future__ import annotations

import os
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest

from neurosim.experiments import compare, open_run

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial.ipynb"


def test_a_wrong_setting_names_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"out must be the path of a run folder, got 5"):
        compare(out=5)
    with pytest.raises(TypeError, match=r"no setting 'epoch': did you mean 'epochs'"):
        compare(epoch=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"rules": "bp"}, "rules given to compare.. is 'bp': give a list, each entry text"),
        ({"seeds": 1}, "seeds given to compare.. is 1: give a list, each entry a whole number"),
        ({"epochs": 1.5}, "epochs given to compare.. is 1.5: give a whole number"),
        ({"n_train": "many"}, "n_train given to compare.. is 'many': give a whole number or 'all'"),
        ({"workers": "2"}, "workers given to compare.. is '2': give a whole number"),
        ({"preset": "dmo"}, "unknown preset 'dmo' .did you mean 'demo'"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named_before_any_work(
    tmp_path: Path, setting: dict, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        compare(out=tmp_path / "run", **setting)
    assert not (tmp_path / "run").exists()


def test_sequences_of_a_notebook_are_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range, an array, a list, and epochs alone: what the run is asked for."""
    asked = []
    monkeypatch.setattr(
        "neurosim.experiments.comparison.api.run", lambda settings, *rest: asked.append(settings)
    )
    compare(out=tmp_path, seeds=range(3), evaluation_px=np.array([32, 64]), rules=["bp"], epochs=1)
    (settings,) = asked
    assert settings.seeds == (0, 1, 2)
    assert settings.evaluation_px == (32, 64)
    assert settings.rules == ("bp",)
    assert settings.checkpoints == (0, 1)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no results\.csv in .*neurosim report"):
        open_run(tmp_path)


def test_the_tutorial_runs_and_leaves_no_outputs_behind() -> None:
    """Every cell runs; what it prints and shows is what a reader is promised."""
    notebook = nbformat.read(TUTORIAL, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs for cell in code), "the notebook is committed without outputs"
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
    shown = [
        {kind for output in cell.outputs for kind in output.get("data", {"stream": 0})}
        for cell in code
    ]
    assert "stream" in shown[1], "verdicts are printed"
    assert "text/html" in shown[2], "the table is a pandas table"
    assert "image/png" in shown[3], "the figure is shown inline"
    assert "report.html" in code[4].outputs[0]["data"]["text/plain"]
