"""The audit says what is true of tables and networks whose answers are known."""

import json

import numpy as np
import pandas as pd
import pytest
import result_tables
import torch

from neurosim.experiments.audit import questions as audits
from neurosim.experiments.audit import types as audit_types
from neurosim.experiments.audit.activations import audit_activations, write_activations
from neurosim.experiments.audit.geometry import Yardstick
from neurosim.experiments.audit.questions import Check, audit, in_words
from neurosim.experiments.audit.run import check
from neurosim.experiments.data.registry import load_stimuli
from neurosim.models.catalogue import RULES
from neurosim.models.rules.learner import SharedStart
from neurosim.rsa import compute_rdm, reference_rdms


def of(findings, name: str):
    (found,) = [finding for finding in findings if finding.id == name]
    return found


def known(seeds: tuple[int, ...] = (1, 2), **rho: float) -> pd.DataFrame:
    """A table in which every score is set: start, statistics_only, trained."""
    table = result_tables.table(
        rules=("bp",), seeds=seeds, epochs=(0, 1), px=(32,), rois=("V1",), still=()
    )
    models = ~table["rule"].str.startswith("reference:")
    flag = table["statistics_only"].astype(bool)
    for name, rows in (
        ("start", table["epoch"] == 0),
        ("statistics_only", flag),
        ("trained", (table["epoch"] == 1) & ~flag),
    ):
        # Seeds differ, as seeds do; their changes do not, so that every interval is its mean.
        table.loc[models & rows.fillna(False), "rho"] = rho[name]
    own = (table["seed"].astype(float) - 1.5) / 1000
    table.loc[models, "rho"] += own[models]
    return table


def test_the_split_of_a_change_is_told_in_its_numbers():
    found = of(audit(known(start=0.2, statistics_only=0.05, trained=0.0)), "normalisation")
    assert found.verdict == "warning"
    assert "bp in V1: −0.200 = −0.150 by the statistics" in found.answer
    assert "−0.050 by learning (75% normalisation)" in found.answer
    assert found.values[0]["share"] == pytest.approx(0.75)
    mostly_learned = of(audit(known(start=0.2, statistics_only=0.18, trained=0.0)), "normalisation")
    assert mostly_learned.verdict == "pass"


def test_one_seed_passes_nothing_that_another_could_contradict():
    scores = {"start": 0.2, "statistics_only": 0.18, "trained": 0.1}
    two, one = audit(known(**scores)), audit(known(seeds=(1,), **scores))
    for name in ("normalisation", "sign", "low-level"):
        assert of(two, name).verdict == "pass"
        assert of(one, name).verdict == "unknown"
        assert of(one, name).answer.endswith("whether another one would say the same is not known.")


def test_a_change_whose_sign_differs_between_seeds_has_no_percentage():
    table = known(start=0.2, statistics_only=0.15, trained=0.1)
    rises = (table["seed"] == 2) & (table["epoch"] == 1) & ~table["statistics_only"].astype(bool)
    table.loc[rises.fillna(False), "rho"] = 0.21
    found = of(audit(table), "normalisation")
    assert "(its sign differs between seeds)" in found.answer
    assert np.isnan(found.values[0]["share"])


def test_a_sign_that_turns_names_the_control():
    table = known(start=0.1, statistics_only=0.3, trained=0.2)
    found = of(audit(table), "sign")
    assert found.verdict == "warning"
    assert "bp in V1: +0.100; the sign turns with the statistics-only zero point (−0.100)" in (
        found.answer
    )
    agreeing = of(audit(known(start=0.1, statistics_only=0.15, trained=0.2)), "sign")
    assert agreeing.verdict == "pass"
    assert "the same sign under all" in agreeing.answer


def test_a_control_that_changes_nothing_of_a_layer_is_not_counted():
    """FC1 has one readout: a control of readouts says nothing of it."""
    found = of(audit(known(start=0.1, statistics_only=0.15, trained=0.2), layer="FC1"), "sign")
    assert not any("readout" in row["control"] for row in found.values)
    conv = of(audit(known(start=0.1, statistics_only=0.15, trained=0.2), layer="Conv1"), "sign")
    assert any("the readout 4x4" in row["control"] for row in conv.values)


def test_layers_that_hardly_moved_or_only_shrank_are_named():
    table = result_tables.table(rules=("bp", "stdp"), seeds=(1,), still=("stdp",))
    found = of(audit(table), "movement")
    assert "stdp: Conv1 (0.40%), FC1 (0.40%) count as not trained" in found.answer
    assert "bp" not in found.answer
    shrunk = table.assign(direction_change=0.0)
    assert "bp: Conv1 (30.00%)" in of(audit(shrunk), "movement").answer


def test_a_best_layer_that_changes_is_told_with_its_epochs():
    table = known(start=0.1, statistics_only=0.1, trained=0.1)
    at = (table["layer"] == "Conv1") & (table["epoch"] == 1)
    table.loc[at.fillna(False), "rho"] = 0.2
    first = (table["layer"] == "FC1") & (table["epoch"] == 0)
    table.loc[first.fillna(False), "rho"] = 0.15
    found = of(audit(table), "best-layer")
    assert found.verdict == "warning"
    assert "bp in V1: FC1 from epoch 0, then Conv1 from epoch 1." in found.answer


def test_scores_are_held_against_luminance_and_noise():
    """The references of this table: luminance .01, pixels .06; noise bounds .247 to .399."""
    low = of(audit(known(start=0.0, statistics_only=0.001, trained=0.005)), "low-level")
    assert low.verdict == "warning"
    assert "bp in V1: 0.005 is not above luminance (0.010), pixels (0.060)" in low.answer
    between = of(audit(known(start=0.0, statistics_only=0.001, trained=0.03)), "low-level")
    assert between.verdict == "warning", "above luminance is not above pixels"
    high = of(audit(known(start=0.0, statistics_only=0.001, trained=0.1235)), "low-level")
    assert high.verdict == "pass"
    assert "50% of the lower noise bound" in high.answer


def test_without_checks_the_answer_is_unknown_and_with_bad_ones_it_fails():
    table = known(start=0.1, statistics_only=0.1, trained=0.1)
    assert of(audit(table), "state").verdict == "unknown"
    assert of(audit(table), "batch").verdict == "unknown"
    bad = [Check("pc seed 1", ("Conv1.running_mean",), 0.3), Check("bp seed 1", (), 1e-7)]
    assert "1 of 2 networks were changed" in of(audit(table, bad), "state").answer
    assert of(audit(table, bad), "batch").verdict == "fail"
    good = audit(table, bad[1:])
    assert of(good, "state").verdict == of(good, "batch").verdict == "pass"
    silent = audit(table, [*bad[1:], Check("fa seed 1")])
    assert of(silent, "state").verdict == of(silent, "batch").verdict == "unknown"
    assert "fa seed 1" in of(silent, "state").answer
    assert "fa seed 1" in of(silent, "batch").answer
    of_a_run = audit(table, [*bad[1:], Check("fa seed 1", doubt="not in this table")],
                     shown_here=True)  # fmt: skip
    assert "fa seed 1: run the comparison again" in of(of_a_run, "state").answer
    assert of(of_a_run, "batch").answer == "fa seed 1: not in this table."
    one_percent = audit(table, [Check("bp seed 1", (), 0.01)])
    assert of(one_percent, "batch").verdict == "fail"


def test_json_is_plain_and_the_words_hold_every_answer():
    table = known(start=0.1, statistics_only=np.nan, trained=0.1)
    findings = audit(table)
    record = json.loads(audits.to_json(findings, table, "FC1"))
    assert record["format"] == "neurosim-audit-2"
    assert [f["id"] for f in record["findings"]] == [f.id for f in findings]
    assert all(finding.question in in_words(findings) for finding in findings)


def test_a_network_that_leaks_is_found_and_a_clean_one_is_left_as_it_was():
    """Batch statistics at evaluation: state moves, and activity depends on the batch."""
    draws = torch.Generator().manual_seed(0)
    images = torch.randn(5, 3, 32, 32, generator=draws)
    learner = RULES["bp"](SharedStart(1))
    before = learner.fingerprint()
    clean = check(learner, images, "clean")
    assert clean.changed == ()
    assert clean.batch_difference < 1e-4
    assert learner.fingerprint() == before
    net = learner.parts[0].net

    def leaking(x):
        for layer in net.layers[:3]:
            layer.norm.running_mean.add_(x.mean())
        return net.represent(x)

    object.__setattr__(learner, "represent", leaking)
    leaked = check(learner, images, "leaking")
    assert "Conv1.running_mean" in leaked.changed
    assert leaked.batch_difference > 1e-3
    object.__delattr__(learner, "represent")


@pytest.fixture(scope="module")
def demo():
    return load_stimuli("demo")


def activations(demo, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = demo.brain.n_stimuli
    return {"a": rng.normal(size=(n, 6)), "b": rng.normal(size=(n, 3, 2))}


def test_the_audit_of_activations_is_written_beside_them(demo, tmp_path):
    """What it must say of which activations: test_audit_artefacts.py."""
    for epoch in (0, 3):
        features = activations(demo, epoch)
        write_activations(tmp_path / f"n-{epoch}.npz", features, rule="mine", seed=1, epoch=epoch)
    findings = audit_activations(tmp_path, "demo", None).findings
    record = json.loads((tmp_path / "audit.json").read_text())
    assert [found["verdict"] for found in record["findings"]] == [f.verdict for f in findings]
    assert record["simulated"] is True
    about = record["about"]
    assert about["layer"] == "b", "the last layer of the first file"
    assert about["px"] is None, "no size was given"
    assert about["readout"] == ["units"]
    assert about["epochs"] == {"mine": 3}


def test_every_change_is_split_once(monkeypatch):
    """However many rules, regions and controls ask for it."""
    calls = []
    decompose = audit_types.decompose
    monkeypatch.setattr(
        audit_types, "decompose", lambda *given: calls.append(1) or decompose(*given)
    )
    audit(result_tables.table())
    assert len(calls) == 1


def test_rules_are_spoken_of_at_their_own_last_epoch():
    table = result_tables.table(rules=("bp", "fa"), epochs=(0, 1, 2))
    early = (table["rule"] == "fa") & (table["epoch"] == 2).fillna(False)
    found = of(audit(table[~early]), "sign")
    assert "bp in EVC: " in found.answer
    assert "fa in EVC: " in found.answer


def test_the_size_that_is_spoken_of_has_a_start_and_an_end():
    """The largest px, 160, was evaluated at the end alone: no change is known there."""
    table = result_tables.table(rules=("bp",), epochs=(0, 1))
    start = (table["px"] == 160) & (table["epoch"] == 0).fillna(False)
    assert audit_types.Audited.of(table, "FC1").headline.px == 160
    assert audit_types.Audited.of(table[~start], "FC1").headline.px == 32


def test_two_seeds_with_the_same_scores_are_one():
    table = known(start=0.1, statistics_only=0.11, trained=0.2)
    assert of(audit(table), "copies").verdict == "pass"
    one = table[table["seed"] != 2]
    twice = pd.concat([one, table[table["seed"] == 1].assign(seed=2)], ignore_index=True)
    twice["seed"] = twice["seed"].astype("Int64")
    found = audit(twice)
    assert of(found, "copies").verdict == "fail"
    assert of(found, "sign").verdict == "unknown"


def test_noise_is_called_more_than_chance_as_often_as_the_audit_says(demo):
    """The best of five layers and three regions of noise has p <= .05 in 5 % of 200 sets (standard
    error 1.5 %, four of which are allowed), and the images' order is seen in it, or in another
    order, next to never: 1 of 200 each by the number of shuffles."""
    references = reference_rdms(np.asarray(demo.images), ("mean-rgb", "pixels", "gabor"))
    yardstick = Yardstick(demo.brain, references)
    draw = np.random.default_rng(0)
    p, orders = [], []
    for _ in range(200):
        noise = {f"n{k}": compute_rdm(draw.normal(size=(60, 20))) for k in range(5)}
        found = yardstick.measure(
            noise, noise, name="", key=("", 0, 0, False), choice=(0, "", ""), order_told=False
        )
        highest = found.by_brain.max(axis=(0, 1))
        p.append((highest >= highest[0]).mean())
        orders.append(found.order)
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) <= 0.06
    assert sum(order == "" for order in orders) <= 5
    assert sum(bool(order) for order in orders) <= 5


def test_files_that_do_not_fit_are_refused_by_name(demo, tmp_path):
    np.savez(tmp_path / "x.npz", rule="mine", seed=1)
    with pytest.raises(ValueError, match=r"x.npz lacks epoch, activations/LAYER"):
        audit_activations(tmp_path, "demo", None)
    few = {"a": np.zeros((3, 4))}
    write_activations(tmp_path / "x.npz", few, rule="mine", seed=1, epoch=0)
    with pytest.raises(ValueError, match=r"x.npz: layer 'a' has 3 stimuli, the brain data"):
        audit_activations(tmp_path, "demo", None)
    (tmp_path / "x.npz").write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match=r"x.npz is not an .npz file"):
        audit_activations(tmp_path, "demo", None)
    with pytest.raises(ValueError, match=r"holds unknown labels pixels; known are rule, seed"):
        write_activations(tmp_path / "y.npz", few, rule="r", seed=1, epoch=0, pixels=3)


def test_what_the_evaluated_batch_normalises_has_no_normalisation_part():
    """Of the profile published: passes at learning rate 0 are normalised by the batch as well."""
    table = known(start=0.2, statistics_only=0.2, trained=0.05)
    table["normalisation"] = table["normalisation"].mask(
        table["normalisation"] == "running", "evaluated-batch"
    )
    found = of(audit(table[table["normalisation"] != "identity"]), "normalisation")
    assert found.verdict == "warning"
    assert "bp: normalised by the images that are evaluated (evaluated-batch)" in found.answer
    assert "% normalisation" not in found.answer


def test_a_difference_that_is_nought_to_three_digits_has_no_sign():
    table = known(start=0.1, statistics_only=0.15, trained=0.2)
    conv1 = (table["layer"] == "Conv1") & (table["rule"] == "bp")
    trained = (table["epoch"] == 1) & ~table["statistics_only"].astype(bool)
    table.loc[conv1 & trained, "rho"] = 0.0999
    found = of(audit(table), "sign")
    assert found.verdict == "warning"
    assert "nothing is left (under 0.0005) with the layer Conv1" in found.answer
    assert "turns" not in found.answer
