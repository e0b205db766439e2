"""What README.md promises is there: its example runs, its files exist, CI can read its commands."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_runs(capsys):
    """It prints why the relaxation stopped, and how far it is from the closed form."""
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    reason, difference = capsys.readouterr().out.splitlines()
    assert reason.startswith("steady")
    assert float(re.search(r"\d[\d.e-]*", difference).group()) < 1e-5


def test_links_lead_somewhere():
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", README) if not t.startswith("http")]
    assert targets
    assert [t for t in targets if not (ROOT / t.partition("#")[0]).exists()] == []


def test_the_two_commands_are_the_ones_ci_reads():
    commands = re.findall(r"^ *(pip install -c constraints\.txt.*)$", README, re.MULTILINE)
    assert commands == [
        "pip install -c constraints.txt -e . && python experiments/training_dynamics.py",
        'pip install -c constraints.txt -e ".[test]" && pytest',
    ]
    assert "grep -E '^ *pip install -c constraints" in (ROOT / ".ci" / "run").read_text()


def test_every_rule_of_the_command_line_is_in_the_readme():
    from neurosim.experiments.settings.config import RULE_NAMES

    assert [name for name in RULE_NAMES if f"`{name}`" not in README] == []
