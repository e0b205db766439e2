"""The four snippets of docs/start.md: what users come for, in about ten lines each, as printed."""

import matplotlib as mpl
import pytest
from test_public_names import ROOT, snippets

SNIPPETS = [code for code in snippets(ROOT / "docs" / "start.md") if "compare(" not in code]


def run(code: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict, list[str]]:
    names: dict = {}
    exec(compile(code, "start.md", "exec"), names)
    return names, capsys.readouterr().out.splitlines()


def test_there_are_four_and_they_are_short():
    assert len(SNIPPETS) == 4
    for code in SNIPPETS:
        lines = [line for line in code.splitlines() if line.strip() and "import" not in line]
        assert len(lines) <= 14


def test_a_timing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with mpl.rc_context({"backend": "agg"}):
        names, _ = run(SNIPPETS[0], capsys)
        ((line,),) = [axes.lines for axes in names["plt"].gcf().axes]
        assert dict(zip(*line.get_data(), strict=True))[10.0] == pytest.approx(0.01 / 2.718281828)
        names["plt"].close("all")
    assert (tmp_path / "timing.png").stat().st_size > 5000


def test_encoders(capsys):
    """One spike per pixel where a latency code fires; rates by each encoder's own maximum."""
    _, lines = run(SNIPPETS[1], capsys)
    spikes = {line.split()[0]: float(line.split()[1]) for line in lines}
    assert spikes["latency"] == pytest.approx(1.0, abs=0.01)
    assert spikes["poisson"] > 1.5


def test_four_rules(capsys):
    """All four learn what chance (.33) does not; Z-IL does what backpropagation does."""
    _, lines = run(SNIPPETS[2], capsys)
    correct = {line.split()[0]: float(line.split()[1]) for line in lines}
    assert min(correct.values()) > 0.7
    assert correct["z-il"] == correct["bp"]


def test_a_brain(capsys):
    """The layer that the made-up brain reads scores, the other does not."""
    names, _ = run(SNIPPETS[3], capsys)
    table = names["alignment_table"](names["layers"], names["brain"])
    rho = table[table["convention"] == "subject_mean"].set_index("layer")["rho"]
    assert rho["late"] > 0.1 > abs(rho["early"])
