"""Objects, names and text are one thing: the laws over every registry that takes settings."""

from __future__ import annotations

import dataclasses
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from neurosim.experiments.job.measures import COMPARATORS, DISSIMILARITIES
from neurosim.experiments.settings.config import NAMED_SETTINGS
from neurosim.experiments.settings.texts import REGISTRIES, text_of
from neurosim.models.catalogue import RULE_CELLS, RULES
from neurosim.models.network.builders import NETWORKS
from neurosim.models.network.normalisation import NORMS
from neurosim.models.network.policies import POLICIES
from neurosim.models.network.readouts import READOUTS
from neurosim.models.rule_table import label_of, rule_of, variant
from neurosim.models.spiking.bounded_stdp import RULE_DEPENDENCES
from neurosim.models.spiking.stdp import RULE_TIMINGS
from neurosim.naming import own
from neurosim.naming.choices import Choices
from neurosim.naming.made import bound, canonical, made, settings_of
from neurosim.naming.text import Call
from neurosim.spiking import (
    CELLS,
    ENCODERS,
    TIMINGS,
    WEIGHT_DEPENDENCES,
    AllPairs,
    Poisson,
    ResetBySubtraction,
    Rewarded,
    SnntorchLIF,
    Triplet,
)
from neurosim.training import OPTIMISER_SETTINGS, Optimiser

OBJECTS = {
    "timing": TIMINGS, "timing of a rule": RULE_TIMINGS, "dependence": WEIGHT_DEPENDENCES,
    "dependence of a rule": RULE_DEPENDENCES, "encoder": ENCODERS, "cell": CELLS,
    "cell of a rule": RULE_CELLS, "optimiser": OPTIMISER_SETTINGS,
}  # fmt: skip
NAMED = [(kind, name) for kind, registry in OBJECTS.items() for name in registry]


def value_for(setting):
    """Values of a setting's kind; None where it has none that can be drawn."""
    if setting.registry is not None:
        return st.sampled_from(list(setting.registry))
    if setting.kind is float:
        near = setting.default if isinstance(setting.default, float) else 1.0
        return st.floats(0.25, 4).map(lambda factor: (near or 1.0) * factor)
    if setting.kind is int:
        return st.integers(1, 9)
    return None


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_text_makes_the_object_again(kind, name, data):
    """``made(canonical(x)) == x``, with settings drawn; the text of its own text is itself; and
    whatever the settings, the text of an equal object is equal."""
    registry = OBJECTS[kind]
    strategies = {n: value_for(s) for n, s in settings_of(registry[name]).items()}
    drawn = data.draw(
        st.fixed_dictionaries({}, optional={n: s for n, s in strategies.items() if s is not None})
    )
    try:
        thing = made(registry, Call(name, drawn))
    except ValueError:
        assume(False)  # a combination that the object itself refuses
    text = canonical(registry, thing)
    assert made(registry, text) == thing
    assert canonical(registry, text) == text == canonical(registry, Call(name, drawn))
    assert canonical(registry, dataclasses.replace(thing)) == text


@pytest.mark.parametrize(("kind", "name"), [*NAMED, *(("rule", name) for name in RULES)])
def test_a_plain_name_is_its_own_text(kind, name):
    """What run folders of before are called by."""
    assert canonical(OBJECTS.get(kind, RULES), name) == name


#: Registries whose entries are called with something besides their settings, so that their texts
#: are held to each other: there is no object to compare.
CALLED = {
    "rule": RULES, "network": NETWORKS, "norm": NORMS, "policy": POLICIES, "readout": READOUTS,
}  # fmt: skip
MEASURES = {"dissimilarity": DISSIMILARITIES, "comparator": COMPARATORS}


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
@pytest.mark.parametrize(
    ("kind", "name"), [(k, name) for k, registry in CALLED.items() for name in registry]
)
def test_text_names_the_entry_and_its_settings_again(kind, name, data):
    """The entry and the settings of ``bound(canonical(x))`` are those of x, as is its text; a
    partial of the entry has that text too."""
    registry = CALLED[kind]
    known = settings_of(registry[name])
    strategies = {n: value_for(s) for n, s in known.items()}
    drawn = data.draw(
        st.fixed_dictionaries({}, optional={n: s for n, s in strategies.items() if s is not None})
    )
    text = canonical(registry, Call(name, drawn))
    found, again = bound(registry, Call(name, drawn)), bound(registry, text)
    assert canonical(registry, text) == text
    assert again.entry is found.entry is registry[name]
    told = {n: value for n, value in found.settings.items() if value != known[n].default}
    assert again.settings == told
    if not drawn:
        assert text == name == canonical(registry, registry[name])


@pytest.mark.parametrize(
    ("kind", "name"), [(k, name) for k, registry in MEASURES.items() for name in registry]
)
def test_a_measure_is_its_name_its_object_and_its_text(kind, name):
    registry = MEASURES[kind]
    thing = made(registry, name)
    assert canonical(registry, name) == name == canonical(registry, thing)
    assert made(registry, canonical(registry, dataclasses.replace(thing))) == thing


@pytest.mark.parametrize("setting", REGISTRIES)
def test_every_named_setting_answers_a_misspelt_name_with_the_nearest(setting):
    """Before any work, whatever the registry: one letter too many, one setting too many."""
    known = NAMED_SETTINGS[setting]
    registry = own.located(REGISTRIES[setting][0])
    assert set(known) == set(registry.built_in)
    for name in known:
        wrong = name[:-1] + "xx"
        with pytest.raises(ValueError, match=f"unknown .*'{wrong}'.* known ones are"):
            text_of(setting, wrong, known)
        with pytest.raises(ValueError, match=f"{name} has no setting 'nosuch'"):
            text_of(setting, f"{name}(nosuch=1)", known)
        # A setting of one letter is near to nothing.
        for near in (each for each in settings_of(registry[name]) if len(each) > 2):
            with pytest.raises(ValueError, match=f"did you mean '{near}'"):
                text_of(setting, f"{name}({near}x=1)", known)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_with_its_defaults_written_out_is_its_name(name):
    defaults = {n: s.default for n, s in settings_of(RULES[name]).items()}
    assert canonical(RULES, Call(name, defaults)) == name


@pytest.mark.parametrize(
    ("registry", "thing", "text"),
    [
        (TIMINGS, AllPairs(tau_plus_ms=10.0), "all-pairs(tau_plus_ms=10)"),
        (TIMINGS, AllPairs, "all-pairs"),
        (TIMINGS, partial(AllPairs, a_plus=0.5), "all-pairs(a_plus=0.5)"),
        (TIMINGS, Triplet.visual_cortex("nearest"), "triplet-nearest"),
        (TIMINGS, Rewarded(AllPairs()), "neurosim.spiking.timing.third_factor:Rewarded("
         "timing=all-pairs)"),
        (RULE_CELLS, SnntorchLIF(), "snntorch-lif(dt_ms=1)"),
        (RULE_CELLS, "snntorch-lif(dt_ms=5)", "snntorch-lif"),
        (CELLS, SnntorchLIF(reset=ResetBySubtraction()),
         "snntorch-lif(reset=reset-by-subtraction)"),
        (TIMINGS, "clopath(voltage=spike-voltage(rest=-70))",
         "clopath(voltage=spike-voltage(rest=-70))"),
        (OPTIMISER_SETTINGS, Optimiser("sgd", lr=0.1), "sgd(lr=0.1)"),
        (RULES, variant("stdp", encoder=Poisson(50.0), timing=AllPairs(1.0, 1.05, coincidence=
         "potentiate", tau_plus_ms=5.0), label="fast"),
         "stdp(timing=all-pairs(tau_plus_ms=5), encoder=poisson(max_rate_hz=50), label=fast)"),
        (RULES, "bp(optimiser=adam(lr=0.001, weight_decay=0.0001, clip_norm=1))", "bp"),
    ],
)  # fmt: skip
def test_the_one_text(registry, thing, text):
    assert canonical(registry, thing) == text == canonical(registry, text)


@pytest.mark.parametrize(
    ("registry", "text", "message"),
    [
        (RULES, "stpd", r"unknown learning rule 'stpd' \(did you mean 'stdp'\?\)"),
        (RULES, "stdp(timings=triplet)", r"no setting 'timings' \(did you mean 'timing'\?\)"),
        (RULES, "stdp(timing=tripelt)", r"unknown timing 'tripelt' \(did you mean 'triplet'\?\)"),
        (RULES, "stdp(timing=all-pairs(tau_plus=1))", "did you mean 'tau_plus_ms'"),
        (
            RULES,
            "stdp(timing=all-pairs(tau_plus_ms=fast))",
            "tau_plus_ms of all-pairs must be a number, got fast",
        ),
        (RULES, "stdp(timing=all-pairs(tau_plus_ms=-1))", "tau_plus_ms must be finite and pos"),
        (RULES, "stdp(timing=3)", "3 is not a timing: give a name"),
        (RULES, "stdp(timing=neurosim.spiking:Poisson)", r"Poisson\(.*\) is not a timing"),
        (RULES, "stdp(duration_ms=true)", "duration_ms of stdp must be a number, got true"),
        (RULES, "stdp(optimiser=sgd(kind=[a]))", r"kind of sgd must be a word, got .*a"),
        (RULES, "bp(label=x, optimizer=sgd)", "did you mean 'optimiser'"),
        (ENCODERS, "poisson(label=x)", "poisson has no setting 'label'"),
        (TIMINGS, "neurosim.spiking:Rewarded", "needs timing: write timing="),
        (TIMINGS, "neurosim.spiking:AlPairs", "no object 'AlPairs' .did you mean 'AllPairs'"),
        (TIMINGS, "neurosim.spikes:AllPairs", "there is no module 'neurosim.spikes'"),
        (TIMINGS, "./nowhere.py:x", "nowhere.py cannot be read"),
        (TIMINGS, "nowhere.py", "does not say which object is meant"),
    ],
)
def test_a_mistake_is_answered_before_any_work(registry, text, message):
    with pytest.raises(ValueError, match=message):
        canonical(registry, text)


MINE = """
from dataclasses import dataclass
from neurosim.spiking import AbstractEncoder, AllPairs, SnntorchLIF
from neurosim.models import rule

fast = AllPairs(tau_plus_ms=5.0)

@dataclass(frozen=True)
class Silent(AbstractEncoder):
    depth: int = 2
    def _encode(self, x, n_ticks, dt_ms, generator):
        return x.new_zeros((n_ticks, *x.shape))

@rule("{name}", label="Oja's")
def oja(start, *, lr: float = 0.1, encoder: AbstractEncoder = Silent()):
    return lr, encoder

def plain(start, *, lr=0.1):
    return lr
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "my lab.py"
    path.write_text(MINE.replace("{name}", f"oja-{abs(hash(str(tmp_path)))}"))
    return path


def test_things_of_ones_own_need_no_registration(mine, monkeypatch):
    monkeypatch.chdir(mine.parent)
    at = f"'{mine}:"
    assert canonical(TIMINGS, "'./my lab.py:fast'") == "all-pairs(tau_plus_ms=5)"
    encoder = made(ENCODERS, "'./my lab.py:Silent'(depth=3)")
    assert (type(encoder).__name__, encoder.depth) == ("Silent", 3)
    text = canonical(ENCODERS, encoder)
    assert text == f"{at}Silent'(depth=3)"
    assert made(ENCODERS, text) == encoder
    rule = f"{at}oja'(lr=0.5, encoder={at}Silent'(depth=3))"
    assert (
        canonical(RULES, "'./my lab.py:oja'(encoder='./my lab.py:Silent'(depth=3), lr=.5)") == rule
    )
    assert bound(RULES, rule).build(None) == (0.5, encoder)
    assert rule_of(rule).label == "Oja's" == label_of(f"{at}oja'")
    # Registered as a name too, which another process does not know: its text says where it stands.
    name = rule_of(rule).name
    assert canonical(RULES, name) == f"{at}oja'"
    module = SimpleNamespace(plain=own.located(f"{mine}:plain"))
    assert canonical(RULES, partial(module.plain, lr=2)) == f"{at}plain'(lr=2)"
    assert rule_of(f"{at}plain'").name == "plain"


def test_sources_are_told_by_content(mine):
    ((place, digest),) = own.sources([f"{mine}:oja", f"{mine}:Silent"]).items()
    assert place == str(mine)
    assert canonical(TIMINGS, f"'{mine}:fast'") == "all-pairs(tau_plus_ms=5)"
    mine.write_text(mine.read_text() + "\nfast = AllPairs(tau_plus_ms=6.0)\n")
    assert own.sources([f"{mine}:oja"]) != {place: digest}
    assert canonical(TIMINGS, f"'{mine}:fast'") == "all-pairs(tau_plus_ms=6)"


def test_what_no_process_finds_again_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"is defined inside a function.*top of a file"):
        canonical(RULES, lambda start: None)
    with pytest.raises(ValueError, match="holds arguments without a name"):
        canonical(TIMINGS, partial(AllPairs, 0.5))
    elsewhere = type("Elsewhere", (), {"__module__": "__main__", "__qualname__": "Elsewhere"})
    with pytest.raises(ValueError, match=r"defined in the program that runs.*mine.py"):
        canonical(RULES, elsewhere)


def test_a_registry_takes_entries_of_ones_own():
    registry = Choices("timing", {"a": AllPairs})
    registry.add("mine", Triplet)
    assert made(registry, "mine") == Triplet()
    registry.add("mine", AllPairs)
    assert made(registry, "mine") == AllPairs(), "a file that was edited registers anew"
    with pytest.raises(ValueError, match="there is a timing 'a' already"):
        registry.add("a", Triplet)
    with pytest.raises(ValueError, match="cannot be the name of a timing"):
        registry.add("My own", AllPairs)


def test_an_installed_package_adds_entries(monkeypatch):
    """An entry point is loaded when it is asked for, and its text says where it stands."""
    registry = Choices("timing", {"a": AllPairs})
    point = SimpleNamespace(name="theirs", load=lambda: Triplet)
    monkeypatch.setattr(registry, "_installed", {"theirs": point}, raising=False)
    registry.__dict__["_installed"] = {"theirs": point}
    assert list(registry) == ["a", "theirs"]
    assert canonical(registry, "theirs") == "neurosim.spiking.timing.rules:Triplet"
