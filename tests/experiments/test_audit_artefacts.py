"""The specification of the audit: what is planted in a folder of activations, and what it must say.

Every scenario starts from the honest folder of ``planted.py``, changes one thing and names the
verdicts that must follow; verdicts that are not named stay those of the honest folder. A scenario
that says less than the honest folder of anything else is a false alarm, and fails too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import planted
import pytest
from planted import END, Files, honest, network, one_file

from neurosim.experiments.audit.activations import audit_activations
from neurosim.experiments.audit.questions import (
    FAIL,
    PASS,
    QUESTIONS,
    UNKNOWN,
    WARNING,
    WITHDRAWN_BY,
)

#: Of the honest folder. Its last layer is above no Gabor account of simEVC and its best layer moves
#: from the first to the last in simIT: both are true of it.
HONEST = {
    "state": PASS, "batch": PASS, "stimuli": PASS, "copies": PASS, "normalisation": PASS,
    "movement": PASS, "best-layer": WARNING, "sign": PASS, "low-level": WARNING,
}  # fmt: skip
Plant = Callable[[Files, object], Files]


@dataclass(frozen=True)
class Scenario:
    """plant: what it does to the files. verdicts: those that differ from the honest folder's.
    says, never: text that the audit has, and has not. seeds: of the honest folder."""

    name: str
    plant: Plant
    verdicts: Mapping[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1, 2, 3, 4)


def same(files, shown):
    return files


def kept(keep: Callable[[dict], bool]) -> Plant:
    return lambda files, shown: {name: given for name, given in files.items() if keep(given)}


def each(change: Callable[[dict], object]) -> Plant:
    """Change the arguments of every file in place."""

    def plant(files, shown):
        for given in files.values():
            change(given)
        return files

    return plant


def both(a: Plant, b: Plant) -> Plant:
    return lambda files, shown: b(a(files, shown), shown)


def rows(order: Callable[[int], np.ndarray]) -> Plant:
    """The rows of every layer in another order; ``alone`` is of the rows that are then first."""

    def change(given):
        n = len(given["activations"]["a"])
        given["activations"] = {k: a[order(n)] for k, a in given["activations"].items()}
        ulp = np.float32(1 + np.finfo(np.float32).eps)
        given["alone"] = {k: a[:4] * ulp for k, a in given["activations"].items()}

    return each(change)


def stored(cast: Callable[[np.ndarray], np.ndarray]) -> Plant:
    def change(given):
        for group in ("activations", "alone"):
            given[group] = {k: cast(a) for k, a in given[group].items()}

    return each(change)


def eight_bits(array: np.ndarray) -> np.ndarray:
    return (np.round(array / 16 * 127).clip(-127, 127) / 127 * 16).astype(np.float32)


def last_layer(made: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Plant:
    """The last layer of every file is made of the images: (n, px, px, 3) -> (n, features)."""

    def plant(files, shown):
        for i, given in enumerate(files.values()):
            layer = made(np.asarray(shown.images, float), np.random.default_rng(i))
            given["activations"]["c"] = layer.astype(np.float32)
            given["alone"]["c"] = layer[:4].astype(np.float32) * np.float32(1 + 2e-7)
        return files

    return plant


def picture(images, draw):
    flat = images.reshape(len(images), -1)
    return flat + draw.normal(0, 0.3 * flat.std(), flat.shape)


def silhouette(images, draw):
    ground = np.median(images[:, 0], axis=1)[:, None, None]
    figure = (np.abs(images - ground) > 12).any(axis=-1).reshape(len(images), -1).astype(float)
    return figure + draw.normal(0, 0.05, figure.shape)


def noise_layers(n: int) -> Plant:
    """n layers of noise in place of those of the network, anew in every file."""

    def plant(files, shown):
        for i, given in enumerate(files.values()):
            draw = np.random.default_rng(i)
            layers = {f"n{k}": draw.normal(size=(60, 20)).astype(np.float32) for k in range(n)}
            given |= {"activations": layers, "stimuli": shown.brain.stimuli, "weights": None}
            given["alone"] = {k: a[:4] * np.float32(1 + 2e-7) for k, a in layers.items()}
        return files

    return plant


def copy_seeds(alter: Callable[[np.ndarray], np.ndarray] = lambda a: a) -> Plant:
    """Every seed's activations are those of seed 1, perhaps altered to look otherwise."""

    def plant(files, shown):
        for name, given in files.items():
            _, seed, what = name.split("-")
            if seed != "1":
                source = files[f"net-1-{what}"]["activations"]
                given["activations"] = {k: alter(a) for k, a in source.items()}
                given["alone"] = {k: alter(a) for k, a in files[f"net-1-{what}"]["alone"].items()}
        return files

    return plant


#: Drawn on, so that no two copies are rounded alike.
ROUNDING = np.random.default_rng(0)


def rounded_otherwise(array):
    noise = ROUNDING.normal(size=array.shape)
    return (array * (1 + 1e-6 * noise)).astype(np.float32)


def copy_state(source: str, target: str) -> Plant:
    """Of every seed, ``target`` has the activations of ``source``."""

    def plant(files, shown):
        for name, given in files.items():
            if name.endswith(target):
                other = files[name.replace(target, source)]
                given |= {"activations": other["activations"], "alone": other["alone"]}
        return files

    return plant


def made_otherwise(what: str, **made: float) -> Plant:
    """The ``what`` of every seed is computed with other settings."""

    def plant(files, shown):
        for name, given in files.items():
            if name.endswith(what):
                labels = {n: given[n] for n in ("rule", "seed", "epoch", "statistics_only")}
                files[name] = one_file(*network(shown, given["seed"], **made), **labels)
        return files

    return plant


def batch_statistics(given):
    """Train mode: every unit is normalised by the batch, here of all stimuli and of four."""
    for k, a in given["activations"].items():
        given["activations"][k] = (a - a.mean(0)) / a.std(0)
        given["alone"][k] = (a[:4] - a[:4].mean(0)) / (a[:4].std(0) + 1e-3)
    given["changed"] = ("norm.running_mean",)


def one_file_changed(plant: Plant) -> Plant:
    """The plant, in one file alone."""
    name = "net-2-end"
    return lambda files, shown: files | plant({name: files[name]}, shown)


def repeated_row(given):
    for a in given["activations"].values():
        a[41] = a[40]


def swap_seeds(files, shown):
    """The trained networks of two seeds under each other's labels."""
    one, two = files["net-1-end"], files["net-2-end"]
    one["seed"], two["seed"] = 2, 1
    return files


def other_size(given):
    given["px"] = 32 if given["epoch"] == 0 else 48


def lack_a_layer(files, shown):
    for what in ("start", "passes", "end"):
        for group in ("activations", "alone", "weights"):
            files[f"net-2-{what}"][group].pop("c")
    return files


def other_rules(files, shown):
    """Two rules more: one as initialised alone, one whose last epoch is another."""
    for seed in (1, 2, 3, 4):
        start, end = files[f"net-{seed}-start"], files[f"net-{seed}-end"]
        files[f"untrained-{seed}"] = start | {"rule": "untrained"}
        files[f"resnet-{seed}-start"] = start | {"rule": "resnet"}
        further = network(shown, seed, moved=0.5, learned=1.2, passes=0.1)
        passes = network(shown, seed, passes=0.12)
        labels = {"rule": "resnet", "seed": seed, "epoch": 90}
        files[f"resnet-{seed}-end"] = one_file(*further, **labels)
        files[f"resnet-{seed}-passes"] = one_file(*passes, **labels, statistics_only=True)
        assert end["epoch"] == END
    return files


def another_name(files, shown):
    """The same trained networks under the name of another rule as well."""
    return files | {
        f"other{name}": given | {"rule": "other"} for name, given in files.items()
    }  # fmt: skip


def noisy(array):
    size = np.sqrt(np.square(array).mean())
    return (array + 0.01 * size * ROUNDING.normal(size=array.shape)).astype(np.float32)


def rotated(array):
    """By the same rotation for as many units: an evaluation that projects its features."""
    n = array.shape[1]
    turn = np.linalg.qr(np.random.default_rng(n).normal(size=(n, n)))[0]
    return (array @ turn).astype(np.float32)


def frozen_too(by_passes: float) -> Plant:
    """A control beside the rule: its weights stay, so its activations are the untrained ones."""

    def plant(files, shown):
        for seed in (1, 2, 3, 4):
            start = network(shown, seed)
            later = network(shown, seed, passes=by_passes)
            for what, epoch, flag, made in (
                ("start", 0, False, start), ("passes", END, True, later), ("end", END, False, later)
            ):  # fmt: skip
                files[f"frozen-{seed}-{what}"] = one_file(
                    *made, rule="frozen", seed=seed, epoch=epoch, statistics_only=flag
                )
            files[f"untrained-{seed}"] = one_file(*start, rule="untrained", seed=seed, epoch=0)
        return files

    return plant


def weights_of_frozen_moved(files, shown):
    for name, given in files.items():
        if name.startswith("frozen") and name.endswith("end"):
            given["weights"] = {k: w + 0.1 * np.eye(*w.shape) for k, w in given["weights"].items()}
    return files


def another_size(files, shown):
    """Every network again under the label of another size, with the same activations."""
    return files | {f"{name}-48": given | {"px": 48} for name, given in files.items()}


def another_policy(files, shown):
    """At epoch 0 statistics are those of identity, so two policies are rightly one."""
    starts = {name: given for name, given in files.items() if given["epoch"] == 0}
    return files | {f"{n}-id": given | {"normalisation": "identity"} for n, given in starts.items()}


def exchange(a: int, b: int) -> Callable[[int], np.ndarray]:
    def order(n):
        places = np.arange(n)
        places[[a, b]] = places[[b, a]]
        return places

    return order


def from_zero(given):
    given["weights"]["b"] = given["weights"]["b"] * (given["epoch"] > 0)


WITHDRAWN = {"normalisation": UNKNOWN, "sign": UNKNOWN}
NOISE = {"stimuli": UNKNOWN, "movement": UNKNOWN, "best-layer": FAIL}
SCENARIOS = [
    # Honest folders: no false alarm.
    Scenario("honest", same, says=("the same sign under all",), never=("gap", " 0 px")),
    Scenario("float64", stored(lambda a: a.astype(np.float64) * (1 + 1e-9))),
    Scenario("huge values", stored(lambda a: a.astype(np.float64) * 1e200)),
    Scenario("named, in another order", both(
        rows(lambda n: np.random.default_rng(5).permutation(n)),
        lambda files, shown: each(lambda given: given.update(
            stimuli=np.array(shown.brain.stimuli)[np.random.default_rng(5).permutation(60)]
        ))(files, shown))),
    Scenario("nothing said of size", each(lambda given: given.pop("px")), never=("0 px", "gap")),
    Scenario("a layer that never answers", each(
        lambda given: given.update(
            activations={"dead": np.zeros((60, 3), np.float32)} | given["activations"],
            alone={"dead": np.zeros((4, 3), np.float32)} | given["alone"],
            weights={"dead": given["weights"]["a"]} | given["weights"])),
        # Its scores are undefined, so it decides nothing.
    ),
    Scenario("rules whose last epochs differ", other_rules,
             says=("resnet in simIT: +", "net in simIT: +")),
    Scenario("spikes or none", stored(lambda a: a > 1.0), {"batch": UNKNOWN}),
    Scenario("a second policy at epoch 0", another_policy),
    Scenario("few spikes", stored(lambda a: a > 3.0),  # of which the images are not known again
             WITHDRAWN | {"batch": UNKNOWN, "stimuli": WARNING},
             never=("have the same activity",)),
    Scenario("a frozen control", frozen_too(0.0),
             says=("frozen: not trained",)),
    Scenario("a frozen control with statistics", frozen_too(0.1), says=("frozen: not trained",)),
    Scenario("a layer that starts at zero", each(from_zero),
             says=("weights of b start at zero",), never=("inf",)),
    Scenario("keeps no statistics", both(copy_state("start", "passes"),
             each(lambda given: given.update(normalisation="none")))),
    Scenario("8-bit values", stored(eight_bits), {"batch": UNKNOWN}, ("store float32",)),
    Scenario("float16", stored(lambda a: a.astype(np.float16)), {"batch": UNKNOWN}),
    Scenario("spike counts", stored(lambda a: np.round(20 * np.maximum(a + 2, 0)).astype(int)),
             {"batch": UNKNOWN}),
    Scenario("one seed", same, {"normalisation": UNKNOWN, "sign": UNKNOWN},
             ("One seed: whether another one",), ("% normalisation",), seeds=(1,)),

    # Not told is not good.
    Scenario("alone without changed", each(lambda given: given.update(changed=None)),
             {"state": UNKNOWN}, ("give the names of those that differ as changed",)),
    Scenario("one file without changed", one_file_changed(
        each(lambda given: given.update(changed=None))), {"state": UNKNOWN}, ("net-2-end",)),
    Scenario("changed without alone", each(lambda given: given.update(alone=None)),
             {"batch": UNKNOWN}, ("give alone/LAYER",)),
    Scenario("alone of one layer", each(lambda given: given["alone"].pop("c")),
             {"batch": UNKNOWN}, ("c shown in one batch only",)),
    Scenario("no weights", each(lambda given: given.update(weights=None)), {"movement": UNKNOWN}),
    Scenario("weights of other layers", each(lambda given: given["weights"].pop("c")),
             {"movement": UNKNOWN}, ("how far weights went is not told of c",)),
    Scenario("no statistics-only", kept(lambda given: not given["statistics_only"]), WITHDRAWN,
             ("whether learning made it is not known: no statistics-only network of epoch 3",),
             ("% normalisation",)),
    Scenario("no epoch 0", kept(lambda given: given["epoch"] > 0),
             WITHDRAWN | {"movement": UNKNOWN, "best-layer": WARNING},
             ("no epoch 0 was given",)),
    Scenario("sizes that differ between epochs", each(other_size), WITHDRAWN,
             ("epoch 0 was given of px 32, epoch 3 of px 48",), ("no epoch 0",)),
    Scenario("passes of another epoch", each(
        lambda given: given.update(epoch=1) if given["statistics_only"] else None), WITHDRAWN,
             ("statistics-only passes were given of epoch 1, not of 3",)),
    Scenario("a seed lacks a layer", lack_a_layer, says=("(3 of 4 seeds)",)),

    # Copies are not evidence.
    Scenario("alone copied from activations", each(lambda given: given.update(
        alone={k: a[:4] for k, a in given["activations"].items()})), {"batch": UNKNOWN},
             ("as a copy of the array would be",), ("rounding",)),
    Scenario("seeds are copies", copy_seeds(),
             WITHDRAWN | {"copies": FAIL}, ("Different seeds: net seed 1",)),
    Scenario("seeds are copies, cast", copy_seeds(lambda a: a.astype(np.float64) * 1.5),
             WITHDRAWN | {"copies": FAIL}),
    Scenario("seeds are copies, rounded otherwise", copy_seeds(rounded_otherwise),
             WITHDRAWN | {"copies": FAIL}),
    Scenario("seeds are copies, units permuted", copy_seeds(lambda a: a[:, ::-1]),
             WITHDRAWN | {"copies": FAIL}),
    Scenario("seeds are copies with noise", copy_seeds(noisy),
             WITHDRAWN | {"copies": FAIL, "batch": FAIL}),
    Scenario("seeds are copies, rotated", copy_seeds(rotated), WITHDRAWN | {"copies": FAIL}),
    Scenario("seeds are copies, shifted and rotated", copy_seeds(lambda a: rotated(a + 3)),
             WITHDRAWN | {"copies": FAIL}),
    Scenario("seeds are copies, rotated with noise", copy_seeds(lambda a: rotated(noisy(a))),
             WITHDRAWN | {"copies": FAIL, "batch": FAIL}),
    Scenario("one network at two sizes", another_size, WITHDRAWN | {"copies": FAIL},
             ("at 48 px = at 32 px",)),
    Scenario("a control that says it moved", both(frozen_too(0.0), weights_of_frozen_moved),
             {"copies": FAIL, "normalisation": UNKNOWN, "sign": UNKNOWN},
             ("Trained and epoch 0: frozen",)),
    Scenario("trained is epoch 0", copy_state("start", "end"),
             {"copies": FAIL, "normalisation": UNKNOWN, "sign": UNKNOWN},
             ("Trained and epoch 0: net seed 1",)),
    Scenario("trained is statistics-only", copy_state("passes", "end"),
             {"copies": FAIL, "normalisation": UNKNOWN, "sign": UNKNOWN},
             ("Trained and statistics-only",)),
    Scenario("statistics-only is epoch 0", copy_state("start", "passes"), WITHDRAWN,
             ("control nothing", "normalisation='none'")),
    Scenario("a rule under two names", another_name, WITHDRAWN | {"copies": FAIL},
             ("Different rules",)),

    # Findings hear each other.
    Scenario("train mode", each(batch_statistics),
             WITHDRAWN | {"state": FAIL, "batch": FAIL},
             ("Not to be read as it stands, because of: Did any extraction change",)),
    Scenario("batch of one network", one_file_changed(each(batch_statistics)),
             WITHDRAWN | {"state": FAIL, "batch": FAIL}, ("Yes, in 1 of 12 networks",)),
    Scenario("weights did not move", each(lambda given: given.update(
        weights={k: np.ones((3, 3)) for k in "abc"})), WITHDRAWN | {"movement": FAIL},
             ("a (0.00%), b (0.00%), c (0.00%) count as not trained",)),
    Scenario("weights only grew", each(lambda given: given.update(
        weights={k: np.ones((3, 3)) * (1 + given["epoch"]) for k in "abc"})),
             WITHDRAWN | {"movement": FAIL}),
    Scenario("seeds swapped", swap_seeds, {"movement": WARNING},
             ("a, b, c lie at right angles to those of epoch 0",)),
    Scenario("noise of two seeds", noise_layers(2),
             WITHDRAWN | NOISE, seeds=(1, 2)),
    Scenario("30 layers of noise", noise_layers(30),
             WITHDRAWN | NOISE,
             ("no better than the best of 30 with the stimuli shuffled",)),

    # The stimuli.
    Scenario("shuffled", rows(lambda n: np.random.default_rng(3).permutation(n)),
             WITHDRAWN | {"stimuli": WARNING, "best-layer": FAIL},
             ("no layer follows the images in this order",)),
    Scenario("one file shuffled", one_file_changed(
        rows(lambda n: np.random.default_rng(3).permutation(n))),
             WITHDRAWN | {"stimuli": WARNING}, ("net-2-end",)),
    Scenario("shifted by one", rows(lambda n: np.roll(np.arange(n), 1)),
             WITHDRAWN | {"stimuli": FAIL}, ("shifted by -1",)),
    Scenario("reversed", rows(lambda n: np.arange(n)[::-1]),
             WITHDRAWN | {"stimuli": FAIL}, ("reversed",)),
    Scenario("named in order, yet shifted", both(
        rows(lambda n: np.roll(np.arange(n), 1)), lambda files, shown: each(
            lambda given: given.update(stimuli=shown.brain.stimuli))(files, shown)),
             WITHDRAWN | {"stimuli": FAIL}, ("although its stimuli are named",)),
    Scenario("two stimuli exchanged", rows(exchange(4, 44)), WITHDRAWN | {"stimuli": WARNING},
             ("exchanged: one may have been shown",)),
    Scenario("a stimulus shown twice", each(repeated_row), WITHDRAWN | {"stimuli": WARNING},
             ("have the same activity in every layer",)),

    # What else than learning.
    Scenario("the picture and noise", last_layer(picture),
             {"normalisation": UNKNOWN, "sign": UNKNOWN, "best-layer": WARNING},
             ("is left when all of them are taken out",)),
    Scenario("the silhouette", last_layer(silhouette),
             {"normalisation": UNKNOWN, "sign": UNKNOWN, "best-layer": WARNING},
             ("is left when all of them are taken out",)),
    Scenario("statistics do it all", both(
        made_otherwise("passes", passes=1.5), made_otherwise("end", moved=0.02, passes=1.5)),
             {"normalisation": WARNING, "sign": WARNING},
             ("at least half is not learning",)),
    Scenario("trained is random", made_otherwise("end", moved=3.0),
             {"normalisation": UNKNOWN, "sign": UNKNOWN}),
    Scenario("a last layer that never answers", each(
        lambda given: given["activations"].update(c=np.ones((60, 4), np.float32)) or
        given["alone"].update(c=np.ones((4, 4), np.float32))),
             {**WITHDRAWN, "low-level": UNKNOWN, "copies": PASS}, ("undefined",)),
]  # fmt: skip


@pytest.fixture(scope="module")
def shown():
    return planted.stimuli()


def said(scenario: Scenario, shown, folder) -> dict[str, object]:
    planted.write(folder, scenario.plant(honest(shown, scenario.seeds), shown))
    return {finding.id: finding for finding in audit_activations(folder, "demo", None).findings}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_audit_says_what_was_planted(scenario, shown, tmp_path):
    findings = said(scenario, shown, tmp_path)
    expected = HONEST | dict(scenario.verdicts)
    got = {name: finding.verdict for name, finding in findings.items()}
    words = "\n".join(finding.answer for finding in findings.values())
    assert got == expected, words
    for text in scenario.says:
        assert text in words
    for text in scenario.never:
        assert text not in words


def test_every_question_has_an_honest_verdict_and_every_dependence_a_question():
    ids = set(HONEST)
    assert len(QUESTIONS) == len(ids)
    for dependent, rests_on in WITHDRAWN_BY.items():
        assert {dependent, *rests_on} <= ids | {"published"}
        assert dependent not in rests_on
    planted_verdicts = {(name, verdict) for s in SCENARIOS for name, verdict in s.verdicts.items()}
    for name in ids - {"low-level"}:
        assert {(name, UNKNOWN), (name, WARNING), (name, FAIL)} & planted_verdicts, name
