"""``neurosim COMMAND``: one name for every command."""

import subprocess
import sys
from importlib import import_module

import pytest

from neurosim.experiments.cli import COMMANDS, main


def test_help_is_light_and_names_every_command():
    """What a shell waits for: neither torch nor numpy nor pandas is imported for it."""
    code = (
        "import sys; from neurosim.experiments.cli import main; main(['--help']); "
        "assert not {'torch', 'numpy', 'pandas', 'numba'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("group", ["controls", "published"])
def test_a_group_of_commands_has_help(group, capsys):
    assert main([group, "--help"]) == 0
    told = capsys.readouterr().out
    assert [name for name in COMMANDS if f"  {name} " in told] == [
        name for name in COMMANDS if name.startswith(group)
    ]


def test_help_that_nobody_reads_to_its_end_is_no_traceback():
    """``neurosim --help | head -1``."""
    command = [sys.executable, "-u", "-m", "neurosim.experiments.cli", "--help"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 128 + 13, "as a shell says of SIGPIPE"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_reached_with_its_words_before(name, monkeypatch):
    command, seen = COMMANDS[name], []
    monkeypatch.setattr(sys, "argv", ["neurosim"])
    monkeypatch.setattr(import_module(command.module), "main", lambda argv: seen.append(argv) or 7)

    assert main([*name.split(), "there", "--seed", "3"]) == 7
    assert seen == [[*command.before, "there", "--seed", "3"]]
    assert sys.argv[0] == f"neurosim {name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["neurosim"])
    with pytest.raises(SystemExit) as left:
        main([*name.split(), "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


@pytest.mark.parametrize("target", ["there", "cnn.py", "empty"])
def test_an_audit_of_what_is_not_there_says_what_is_audited(target, tmp_path, monkeypatch, capsys):
    """Options of models are not told to be unknown where a folder is missing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "cnn.py").write_text("")
    assert main(["audit", target, "--images", "brain92"]) == 2
    told = capsys.readouterr().err
    assert f"{target} is no folder that holds a run, activations or features" in told
    assert "FILE.py:FUNCTION" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["audti"], "unknown command 'audti' (did you mean 'audit'?)"),
        (["controls"], "the known ones are controls normalisation, controls resolution, controls"),
        (["controls", "sumary"], "did you mean 'controls summary'?"),
    ],
)
def test_a_misspelt_command_is_answered_with_the_nearest(words, told, capsys):
    assert main(words) == 2
    assert told in capsys.readouterr().err
