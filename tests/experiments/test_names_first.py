"""A name that is misspelt is told before any image is read, whichever name and command it is."""

import pytest

from neurosim.experiments import encoder_swap, published_switches, training_dynamics
from neurosim.experiments.data import registry
from neurosim.experiments.data.loaded import data_of, load_both

COMMANDS = {
    "run": training_dynamics.main,
    "plan": lambda argv: training_dynamics.main([*argv, "--plan"]),
    "swap": encoder_swap.main,
    "switches": published_switches.main,
}
MISSPELT = [
    *((name, "--training", "cifra10", "training images 'cifra10'") for name in COMMANDS),
    *((name, "--stimuli", "brain29", "stimuli 'brain29'") for name in ("run", "plan", "swap")),
    *((name, "--device", "gpu", "unknown device 'gpu'") for name in ("run", "plan")),
    *((name, "--device", "cuda:99", "cannot be used here") for name in ("run", "plan")),
]


@pytest.fixture(autouse=True)
def no_images(monkeypatch):
    for load in ("load_training_images", "load_stimuli"):
        monkeypatch.setattr(registry, load, lambda *_, **__: pytest.fail("images were read"))


@pytest.mark.parametrize(("command", "option", "name", "told"), MISSPELT)
def test_commands_look_at_names_first(command, option, name, told, tmp_path, capsys):
    assert COMMANDS[command]([option, name, "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert len(message.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("names", [("demo", "dmeo"), ("dmeo", "demo")])
@pytest.mark.parametrize("load", [load_both, data_of])
def test_both_doors_to_data_look_at_names_first(load, names):
    with pytest.raises(ValueError, match=r"unknown .* 'dmeo'.*; known are demo"):
        load(*names, None)
