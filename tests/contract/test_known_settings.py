"""An unknown setting of anything that has a name is answered with the known ones."""

from __future__ import annotations

import copy
import pickle

import pytest

from neurosim.models.spiking.bounded_stdp import RULE_DEPENDENCES
from neurosim.models.spiking.stdp import RULE_TIMINGS
from neurosim.spiking import (
    CELLS,
    ENCODERS,
    LGN,
    TIMINGS,
    WEIGHT_DEPENDENCES,
    AllPairs,
    Millivolts,
    Rewarded,
    SpikeVoltage,
    Triplet,
)

REGISTRIES = {"timing": TIMINGS, "cell": CELLS, "encoder": ENCODERS, "w": WEIGHT_DEPENDENCES}
NAMED = [(kind, name) for kind, registry in REGISTRIES.items() for name in registry]


@pytest.mark.parametrize(
    "registry", [RULE_TIMINGS, RULE_DEPENDENCES, TIMINGS, WEIGHT_DEPENDENCES, CELLS, ENCODERS]
)
def test_two_names_are_two_things(registry):
    """What is built differs, in kind or in a parameter: a name is no alias by mistake."""
    built = {name: entry() if callable(entry) else entry for name, entry in registry.items()}
    told = {name: f"{type(entry).__qualname__} {entry!r}" for name, entry in built.items()}
    assert len(set(told.values())) == len(told)


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_every_named_object_answers_an_unknown_setting(kind, name):
    with pytest.raises(TypeError, match=r"^\w+ has no setting 'nonsense': it takes \w+"):
        REGISTRIES[kind][name](nonsense=1.0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AllPairs(a_pluss=1.0), "AllPairs has no setting 'a_pluss' .did you mean 'a_plus'"),
        (lambda: AllPairs(tau_plus=10.0), "did you mean 'tau_plus_ms'"),
        (lambda: AllPairs(TAU_MINUS=10.0), "did you mean 'tau_minus_ms'"),
        (lambda: TIMINGS["triplet"](tau_x=1.0), "did you mean 'tau_x_ms'"),
        (lambda: Triplet.hippocampus("all", dependance=1), "did you mean 'dependence'"),
        (lambda: ENCODERS["poisson"](max_rate=1.0), "did you mean 'max_rate_hz'"),
        (lambda: WEIGHT_DEPENDENCES["guetig"](wmax=1.0), "did you mean 'w_max'"),
        (lambda: Rewarded(AllPairs(), tau_ms=1.0), "Rewarded has no setting 'tau_ms'"),
        (lambda: TIMINGS["clopath"](voltage=3), "voltage must be a SpikeVoltage"),
        (lambda: SpikeVoltage(resting=1.0), "did you mean 'rest'"),
        (lambda: Millivolts(treshold=1.0), "did you mean 'threshold'"),
        (lambda: LGN(sigma=1.0), "LGN has no setting 'sigma'"),
        # A field that is no setting of its constructor.
        (lambda: WEIGHT_DEPENDENCES["additive"](w_min=0.0), "it takes none"),
    ],
)
def test_the_nearest_known_one_is_named(build, message):
    with pytest.raises(TypeError, match=message):
        build()


def test_settings_by_name_stand_in_place_of_the_published_ones():
    """A registry's entry takes every field, and equals the object built from the class."""
    assert TIMINGS["triplet"](a2_minus=0.5) == Triplet.visual_cortex(a2_minus=0.5)
    assert TIMINGS["triplet-nearest"]().interaction == "nearest"
    assert TIMINGS["nearest-pair-centred"](a_plus=0.5).scheme == "presynaptic-centred"
    fit = Triplet.visual_cortex(coincidence="both")
    assert fit == Triplet(0.0, 6.5e-3, 7.1e-3, 0.0, tau_y_ms=114.0, coincidence="both")


def test_a_name_and_its_class_are_one_rule():
    """A class built without arguments equals the entry of the registry that has its plain name, the
    shortest of those that build the class."""
    for registry in REGISTRIES.values():
        built = {name: entry() for name, entry in registry.items()}
        for kind in {type(each) for each in built.values()}:
            plain = min((n for n, each in built.items() if type(each) is kind), key=len)
            assert built[plain] == kind()


def test_declared_objects_pickle_and_copy():
    for _, name in NAMED[: len(TIMINGS)]:
        timing = TIMINGS[name]()
        assert pickle.loads(pickle.dumps(timing)) == copy.deepcopy(timing) == timing
