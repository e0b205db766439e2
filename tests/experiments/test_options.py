"""Settings from preset, file and command line: one meaning, whichever way they are given."""

import dataclasses
import tomllib
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.experiments import training_dynamics
from neurosim.experiments.settings import config
from neurosim.experiments.settings.config import PRESETS, Comparison, Execution, Start
from neurosim.experiments.settings.options import LARGEST, Layer, build, names, to_toml, to_yaml
from neurosim.experiments.training_dynamics import Command, main


@pytest.mark.parametrize("ending", ["yaml", "toml"])
@pytest.mark.parametrize("preset", PRESETS)
def test_shown_settings_are_read_back_the_same(preset, ending, tmp_path, capsys):
    given = ["--preset", preset, "--epochs", "7", "--n-test", "all", "--data-dir", "a b"]
    assert main([*given, "--show-config", ending]) == 0
    shown = capsys.readouterr().out
    file = tmp_path / f"run.{ending}"
    file.write_text(shown)
    asked, found = Command.of(given), Command.of(["--config", str(file)])
    assert (found.preset, found.settings, found.execution) == (
        asked.preset,
        asked.settings,
        asked.execution,
    )
    assert found.settings.n_test is None
    assert main(["--config", str(file), "--show-config", ending]) == 0
    assert capsys.readouterr().out == shown


def test_every_setting_is_an_option_and_a_key():
    """Two classes share no name: a key of a file says by itself what it is."""
    classes = (Start, Comparison, Execution)
    every = [field.name for cls in classes for field in dataclasses.fields(cls)]
    assert names(*classes) == every
    assert len(set(every)) == len(every)
    text = training_dynamics.parser().format_help()
    assert [name for name in every if "--" + name.replace("_", "-") not in text] == []
    values = (Start(), PRESETS["demo"], Execution())
    assert list(yaml.safe_load(to_yaml(*values))) == every
    unset = {name for name in every if any(getattr(v, name, 0) is None for v in values)}
    assert set(tomllib.loads(to_toml(*values))) == set(every) - unset


def test_the_command_line_overrides_the_file_and_the_file_the_preset(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("preset: brain92\nseeds: [1, 2]\nbatch_size: 64\nworkers: 1\n")
    found = Command.of(["--config", str(file), "--seeds", "9"])
    assert found.preset == "brain92"
    assert found.settings == dataclasses.replace(PRESETS["brain92"], seeds=(9,), batch_size=64)
    assert found.execution.workers == 1


def test_epochs_alone_keep_the_checkpoints_below(tmp_path):
    assert Command.of(["--preset", "paper", "--epochs", "7"]).settings.checkpoints == (
        0,
        1,
        2,
        5,
        7,
    )
    file = tmp_path / "run.toml"
    file.write_text("epochs = 9\ncheckpoints = [0, 3, 9]\n")
    assert Command.of(["--config", str(file)]).settings.checkpoints == (0, 3, 9)
    assert Command.of(["--config", str(file), "--epochs", "4"]).settings.checkpoints == (0, 3, 4)


@pytest.mark.parametrize(
    ("ending", "text", "told"),
    [
        ("yaml", "epocs: 3", "unknown setting 'epocs' (did you mean 'epochs'?)"),
        ("toml", "n-train = 9", "unknown setting 'n-train' (did you mean 'n_train'?)"),
        ("yaml", "epochs: 3\nepochs: 4", "'epochs' is there twice"),
        ("toml", "epochs = 3\nepochs = 4", "overwrite"),
        ("yaml", "epochs: '3'", "epochs in {file} is '3': give a whole number"),
        ("yaml", "epochs: 2.5", "epochs in {file} is 2.5: give a whole number"),
        ("yaml", "epochs: true", "epochs in {file} is True: give a whole number"),
        ("yaml", "epochs:", "epochs is empty in {file}"),
        ("yaml", "seeds: 3", "seeds in {file} is 3: give a list, each entry a whole number"),
        ("yaml", "n_train: most", "give a whole number or 'all'"),
        ("yaml", "preset: [demo]", "preset in {file} is ['demo']: give text"),
        ("yaml", "preset: dmo", "unknown preset 'dmo' (did you mean 'demo'?)"),
        ("yaml", "rules: [bp, bq]", "unknown rules 'bq'"),
        ("yaml", "seeds: [1", "expected ',' or ']'"),
        ("yaml", "- 1", "must hold settings"),
        ("toml", "a = [", "Invalid value"),
        ("json", "{}", "is a .yaml, .yml or .toml file"),
        ("yaml", None, "no configuration {file}"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(ending, text, told, tmp_path, capsys):
    file = tmp_path / f"run.{ending}"
    if text is not None:
        file.write_text(text)
    assert main(["--config", str(file), "--show-config"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert told.format(file=file) in message


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--epocs", "3"], "unknown option '--epocs' (did you mean --epochs?)"),
        (["--epoch", "3"], "unknown option '--epoch' (did you mean --epochs?)"),
        (["--epochs", "3.5"], "error: --epochs on the command line is '3.5': give a whole number"),
        (["--n-train", "x"], "error: --n-train on the command line is 'x': give a whole number or"),
        (["--epochs", "1" + 20 * "0"], "give finite numbers of at most 2^63 - 1"),
        (["--seeds", "1", "x"], "each entry a whole number"),
        (["--epochs"], "expected one argument"),
        (["3"], "unknown argument '3'"),
        (["--preset", "dem"], "did you mean 'demo'"),
    ],
)
def test_a_wrong_command_line_is_refused_in_one_sentence(arguments, told, capsys):
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert told in message


def test_a_home_folder_is_one_in_a_file_too(tmp_path, monkeypatch, capsys):
    """No shell has expanded it there; a folder called ``~`` is never what was meant."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    file = tmp_path / "run.yaml"
    file.write_text("out: ~/runs/mine\ndata_dir: ~/data\n")
    assert main(["--config", str(file), "--show-config"]) == 0
    shown = capsys.readouterr().out
    assert f"out: {tmp_path}/home/runs/mine" in shown
    assert f"data_dir: {tmp_path}/home/data" in shown
    literal = Execution(out=Path("~mine/run"))
    file.write_text(to_yaml(literal))
    assert build(Execution, Execution(), Layer.from_file(file, names(Execution))) == literal


def test_several_missing_data_sets_are_one_sentence(tmp_path, capsys):
    assert main(["--preset", "brain92", "--data-dir", str(tmp_path), "--out", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "'cifar10'" in message
    assert "'brain92'" in message


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seeds=st.lists(st.integers(0, LARGEST), min_size=1, unique=True),
    n_train=st.none() | st.integers(128, 10**9),
    address=st.text(min_size=1),
)
def test_any_settings_survive_a_file(seeds, n_train, address, tmp_path):
    """Text that looks like a number, a date, a flag or has quotes is still that text."""
    asked = dataclasses.replace(Comparison(), seeds=tuple(seeds), n_train=n_train)
    where = Execution(scheduler=address)
    for ending, write in (("yaml", to_yaml), ("toml", to_toml)):
        file = tmp_path / f"run.{ending}"
        file.write_text(write(asked, where), encoding="utf-8")
        layer = Layer.from_file(file, names(Comparison, Execution))
        assert build(Comparison, Comparison(), layer) == asked
        assert build(Execution, Execution(), layer) == where


def test_light_modules_stay_light():
    """``--help`` and ``--show-config`` wait for neither torch nor numpy."""
    import subprocess
    import sys

    code = f"import sys, {training_dynamics.__name__}, {config.__name__}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert not {"torch", "numpy", "pandas", "h5py"} & set(loaded.stdout.split())


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (
            {"rules": ("bp", "fa"), "encoder": "poisson"},
            "encoder poisson.*none of the rules spikes",
        ),
        ({"rules": ("bp",), "timing": "triplet"}, "timing triplet.*add the rule stdp"),
        ({"rules": ("pc",), "cell": "adaptive-lif"}, "cell adaptive-lif would have no effect"),
        ({"rules": ("frozen-conv",), "weight_dependence": "guetig"}, "weight_dependence guetig"),
        ({"rules": ("stdp", "frozen-stdp"), "norm": "group"}, "norm group.*no normalisation"),
    ],
)
def test_a_setting_that_no_rule_of_the_run_reads_is_refused(chosen, words):
    with pytest.raises(ValueError, match=words):
        Comparison(**chosen)
    # The same setting beside a rule that reads it.
    Comparison(**{**chosen, "rules": ("bp", "stdp")})
