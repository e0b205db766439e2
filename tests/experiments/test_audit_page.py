"""A run's audit: its page, badge and exit status are those of a model's audit, and its numbers are
what the audit says of the networks that the run stored."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import neurosim
from neurosim.experiments.audit.run import audit_run
from neurosim.experiments.cli import main
from neurosim.experiments.data.registry import load_stimuli
from neurosim.experiments.job.batches import normalise
from neurosim.experiments.results.words import signed
from neurosim.experiments.run.stored import INITIALISED, STATISTICS_ONLY, TRAINED, StoredRun
from neurosim.models.network.readouts import patterns

PX, LAYER, SEEDS = 32, "FC1", (1, 2, 3)
RUN = [
    "--n-train", "128", "--n-test", "32", "--batch-size", "32", "--epochs", "2", "--seeds",
    *map(str, SEEDS), "--evaluation-px", str(PX), "--normalisation", "running", "--readouts", "gap",
    "--rules", "bp", "--workers", "1",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit") / "honest"
    assert main(["compare", *RUN, "--out", str(out)]) == 0
    return out


@torch.no_grad()
def stored(run: StoredRun, weights: str) -> list[dict[str, np.ndarray]]:
    """Per seed: layer -> activity of the stored network to the stimuli, as the run reads it."""
    images = normalise(load_stimuli("demo", progress=False).at_px(PX))
    found = []
    for state in sorted(run.states(), key=lambda s: s.seed):
        if state.weights == weights and state.epoch in (0, run.settings.epochs):
            learner = state.learner(run.settings)
            seen = learner.represent(images)
            found.append({n: patterns(seen[n], "gap").numpy() for n in learner.roles.scored})
    assert len(found) == len(SEEDS)
    return found


def test_a_run_says_what_the_audit_says_of_its_stored_networks(finished: Path) -> None:
    """Scores of every state, and learning with the same statistics, to single precision."""
    run, of_run = StoredRun.read(finished), audit_run(finished, None)
    trained, start, passes = (stored(run, w) for w in (TRAINED, INITIALISED, STATISTICS_ONLY))
    audits = [
        neurosim.audit(
            features, "demo", random=start, of_stimuli=features, random_of_stimuli=passes,
            layers=[LAYER], n_permutations=19, n_samples=20,
        )
        for features in trained
    ]  # fmt: skip
    table = of_run.audited.headline.models
    table = table[(table["layer"] == LAYER) & table["epoch"].isin((0, run.settings.epochs))]
    for seed, found in zip(SEEDS, audits, strict=True):
        rows = table[table["seed"] == seed].set_index(["roi", "epoch", "statistics_only"])["rho"]
        for roi in found.evidence.rois:
            given = found.evidence.best(roi, "given", "as given")[1]
            assert given == pytest.approx(rows[roi, run.settings.epochs, False], abs=1e-5)
            for statistics, key in (
                ("as initialised", (roi, 0, False)),
                ("of the stimuli", (roi, run.settings.epochs, True)),
            ):
                drawn = found.evidence.rows(roi, "random", statistics).set_index("seed")["rho"]
                assert drawn[SEEDS.index(seed)] == pytest.approx(rows[key], abs=1e-5)
    parts = {value["roi"]: value for value in of_run["normalisation"].values}
    for roi, ours in parts.items():
        theirs: dict[str, list[float]] = {"as_everybody_compares": [], "same_statistics": []}
        for found in audits:
            (value,) = [v for v in found["learning"].values if v["roi"] == roi]
            for name, sizes in theirs.items():
                sizes.append(value[name])
        # Every trained network is held against all starts: the means over seeds are those of pairs.
        assert np.mean(theirs["as_everybody_compares"]) == pytest.approx(ours["change"], abs=1e-5)
        learned = np.mean(theirs["same_statistics"])
        assert learned == pytest.approx(ours["learning_part"], abs=1e-5)
        assert signed(ours["learning_part"]) in of_run["normalisation"].answer


def test_the_page_of_a_run_is_the_page_of_a_model(finished: Path) -> None:
    """A picture and three sentences first, every verdict, a badge; nothing is fetched."""
    page = (finished / "audit.html").read_text(encoding="utf-8")
    found = audit_run(finished, None)
    record: dict[str, Any] = json.loads((finished / "audit.json").read_text(encoding="utf-8"))
    assert record["badge"] == found.badge()
    assert found.badge().startswith("neurosim audit of honest: ")
    assert found.badge() in page
    assert page.index("data:image/svg") < page.index('<div class="short">') < page.index("Verdicts")
    short = page.split('<div class="short">')[1].split("</div>")[0]
    assert short.count("<p>") == len(found.in_short()) == 3
    for finding in found.findings:
        assert finding.question in page
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)


def test_strict_is_one_where_a_verdict_warns(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts = [finding.verdict for finding in audit_run(finished, None).findings]
    assert main(["audit", str(finished)]) == int("fail" in verdicts)
    assert "audit.html" in capsys.readouterr().out
    assert main(["audit", str(finished), "--strict"]) == int(
        {"fail", "warning"} & set(verdicts) != set()
    )
