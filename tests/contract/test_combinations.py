"""Every combination of dynamics, plasticity, solver and network either learns or is refused.

Refused means a TypeError or ValueError with a sentence while the rule is built or joined to its
network; what has been built and joined runs a batch and leaves finite changes.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch

import neurosim.models
from neurosim.arrays.undo import statistics_of
from neurosim.convergence import Horizon
from neurosim.dynamics import AbstractClocked, AbstractDynamics
from neurosim.models.network.builders import convolutional_network, dense_network
from neurosim.models.published.channel_errors import (
    ChannelMeanPredictiveCoding,
    MeanTimesMean,
    RectifiedEuler,
    RelaxingNetwork,
)
from neurosim.models.published.first_spikes import ChannelMeanSpikes, FirstSpikePairs
from neurosim.models.published.gains import GainsAndReadout, WhereWeightsLearn
from neurosim.models.published.windows import SumOf
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.feedback import (
    DirectFeedback,
    KolenPollack,
    RandomFixed,
    SignSymmetric,
    Transpose,
)
from neurosim.models.rules.losses import SquaredError
from neurosim.models.rules.pc_hybrid import HybridPredictiveCoding
from neurosim.models.rules.predictive_coding import PredictiveCoding
from neurosim.models.rules.zero_divergence import ZeroDivergence
from neurosim.models.spiking.bounded_stdp import BoundedSTDP
from neurosim.models.spiking.competitive import Competition, CompetitiveLayer, CompetitiveNetwork
from neurosim.models.spiking.dynamics import SpikingDynamics, SpikingLayer, SpikingNetwork
from neurosim.plasticity import AbstractPlasticity, ErrorTimesPre, Frozen
from neurosim.rule import LearningRule, represent, run_batch
from neurosim.solvers import RK4, AbstractSolver, AdaptiveHeun, Direct, Euler, Heun, Ticks
from neurosim.spiking import (
    TIMINGS,
    AllPairs,
    AveragePooling,
    Clopath,
    Millivolts,
    Poisson,
    Rewarded,
    SnntorchLIF,
)
from neurosim.spiking.timing.traces import TraceSTDP
from neurosim.spiking.timing.weight_dependence import HardBounds
from neurosim.synapses import Conv2d
from neurosim.training import Part
from neurosim.types import Drive, LocalSignal

N, PX, CLASSES = 3, 16, 4


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


class Hebb(AbstractPlasticity):
    """A user's own rule, written as docs/concepts.md shows: it declares nothing."""

    def begin(self, layer):
        return {}

    def observe(self, layer, memory, signal):
        return {"weight": layer.synapse.correlate(signal.pre, signal.post)[0]}

    def delta(self, layer, memory):
        return memory


def convolutional(n_conv: int = 3, **options) -> Any:
    return convolutional_network(
        generator=draws(), channels=(3, 4, 6, 5)[: n_conv + 1], image_px=PX, n_hidden=7,
        n_classes=CLASSES, **options,
    )  # fmt: skip


def spiking(dt_ms: float = 5.0, **options) -> SpikingDynamics:
    return SpikingDynamics(cell=SnntorchLIF(dt_ms=dt_ms), duration_ms=20.0, **options)


def spiking_network(dynamics: SpikingDynamics, **options) -> SpikingNetwork:
    synapse = Conv2d(6, 4, 3, padding=1)
    weight = torch.rand(synapse.weight_shape, generator=draws())
    return SpikingNetwork([SpikingLayer("Conv1", synapse, weight, target_rate=0.1, **options)],
                          dynamics)  # fmt: skip


FULL, OTHER = convolutional(), convolutional(2)
HEADLESS = FULL.body()
COMPETITION = Competition(encoder=Poisson(max_rate_hz=60.0), duration_ms=30.0)

#: Image networks take (N, 3, PX, PX); the rest is flattened by whoever wants it flat.
NETWORKS: dict[str, Callable[[], Any]] = {
    "convolutions": convolutional,
    "fewer convolutions": lambda: convolutional(2),
    "no head": lambda: convolutional().body(),
    "dense": lambda: dense_network((3 * PX * PX, 5, CLASSES), generator=draws()),
    "relaxing": lambda: RelaxingNetwork(convolutional().body(), draws()),
    "spiking": lambda: spiking_network(spiking()),
    "spiking, pooled between": lambda: spiking_network(spiking(), between=AveragePooling()),
    "spiking in 1 ms": lambda: spiking_network(spiking(1.0)),
    "competitive": lambda: CompetitiveNetwork(
        CompetitiveLayer("cells", 3 * PX * PX, 5, generator=draws()), COMPETITION
    ),
    "no network": lambda: None,
}

DYNAMICS: dict[str, AbstractDynamics] = {
    "feed-forward": FeedForward(),
    "bp": ErrorCircuit(Transpose()),
    "bp squared": ErrorCircuit(Transpose(), SquaredError()),
    "fa": ErrorCircuit(RandomFixed.like(FULL, draws())),
    "dfa": ErrorCircuit(DirectFeedback.like(FULL, draws(), (3, PX, PX))),
    "sign": ErrorCircuit(SignSymmetric.like(FULL, draws())),
    "kolen-pollack": ErrorCircuit(KolenPollack.like(FULL, draws())),
    "pc": PredictiveCoding(),
    "pc with precisions": PredictiveCoding(precisions=(1.0,) * 4),
    "hybrid": HybridPredictiveCoding.like(HEADLESS, draws()),
    "z-il": ZeroDivergence(),
    "gains": GainsAndReadout(),
    "channel means": ChannelMeanPredictiveCoding(),
    "channel spikes": ChannelMeanSpikes(),
    "spikes": spiking(),
    "membranes": spiking(membrane=Millivolts()),
    "spikes of 1 ms": spiking(1.0),
    "competition": COMPETITION,
}

PLASTICITIES: dict[str, AbstractPlasticity] = {
    "frozen": Frozen(),
    "own": Hebb(),
    "error x pre": ErrorTimesPre(),
    "where weights learn": WhereWeightsLearn(),
    "mean x mean": MeanTimesMean(),
    "first spikes": FirstSpikePairs(AllPairs()),
    "rewarded": TraceSTDP(Rewarded(AllPairs())),
    "rewarded clopath": TraceSTDP(Rewarded(Clopath())),
    "bounded": BoundedSTDP(TraceSTDP(AllPairs(dependence=HardBounds()))),
    "sum": SumOf((TraceSTDP(AllPairs()), TraceSTDP(AllPairs(-0.1, 0.1)))),
    **{name: TraceSTDP(TIMINGS[name]()) for name in TIMINGS
       if TIMINGS[name]().dependence.constant},
}  # fmt: skip

SOLVERS: dict[str, AbstractSolver] = {
    "direct": Direct(), "ticks": Ticks(), "euler": Euler(), "heun": Heun(), "rk4": RK4(),
    "adaptive": AdaptiveHeun(), "rectified": RectifiedEuler(),
}  # fmt: skip


def drive(dynamics: AbstractDynamics, net: Any) -> Drive:
    x = torch.rand(N, 3, PX, PX, generator=draws())
    squared = isinstance(getattr(dynamics, "loss", None), SquaredError)
    return Drive(x, torch.zeros_like(net(x)) if squared else torch.arange(N), draws())


def attempt(dynamics: str, plasticity: str, solver: str, network: str) -> str:
    """What became of a combination: "refused: ..." or "learned"."""
    try:
        rule = LearningRule("tried", DYNAMICS[dynamics], SOLVERS[solver], PLASTICITIES[plasticity])
        net = NETWORKS[network]()
        Part(rule, net)
    except (TypeError, ValueError) as error:
        return f"refused: {error}"
    outcome = run_batch(rule, net, drive(rule.dynamics, net))
    assert all(bool(change.isfinite().all()) for change in outcome.changes.values())
    for name, tensor in rule.parameters(net).items():
        assert outcome.changes.get(name, tensor).shape == tensor.shape, name
    return "learned"


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("plasticity", PLASTICITIES)
def test_every_combination_learns_or_is_refused_when_it_is_built(dynamics, plasticity):
    for solver, network in product(SOLVERS, NETWORKS):
        became = attempt(dynamics, plasticity, solver, network)
        assert became == "learned" or len(became.split()) > 8, (solver, network, became)


#: What has to work, so that refusing everything would not pass.
WORKS = [
    ("bp", "error x pre", "direct", "convolutions"),
    ("bp", "error x pre", "heun", "dense"),
    ("bp squared", "error x pre", "direct", "dense"),
    ("fa", "error x pre", "direct", "convolutions"),
    ("kolen-pollack", "error x pre", "direct", "convolutions"),
    ("pc", "error x pre", "rk4", "fewer convolutions"),
    ("hybrid", "error x pre", "euler", "no head"),
    ("z-il", "error x pre", "ticks", "dense"),
    ("gains", "where weights learn", "direct", "convolutions"),
    ("channel means", "mean x mean", "rectified", "relaxing"),
    ("channel spikes", "first spikes", "ticks", "convolutions"),
    ("spikes", "all-pairs", "ticks", "spiking"),
    ("spikes", "triplet", "ticks", "spiking, pooled between"),
    ("membranes", "clopath", "ticks", "spiking"),
    ("feed-forward", "own", "direct", "convolutions"),
    ("feed-forward", "own", "adaptive", "convolutions"),
    ("feed-forward", "frozen", "direct", "no head"),
    ("channel means", "frozen", "rectified", "relaxing"),
    ("channel spikes", "frozen", "ticks", "convolutions"),
    ("spikes", "own", "ticks", "spiking"),
    ("competition", "all-pairs", "ticks", "competitive"),
]


@pytest.mark.parametrize("combination", WORKS, ids=" + ".join)
def test_what_belongs_together_works(combination):
    assert attempt(*combination) == "learned"


@pytest.mark.parametrize(
    ("combination", "words"),
    [
        (("spikes", "clopath", "ticks", "spiking"), "needs voltage.*membrane=Millivolts"),
        (("spikes", "error x pre", "ticks", "spiking"), "needs error.*take dynamics of errors"),
        (("spikes", "rewarded", "ticks", "spiking"), "needs reward.*carry a reward"),
        (("bp", "error x pre", "direct", "spiking"), "runs on a Network, got a SpikingNetwork"),
        (("spikes", "all-pairs", "ticks", "convolutions"), "runs on a SpikingNetwork"),
        (("spikes of 1 ms", "all-pairs", "ticks", "spiking"), "other dynamics than the rule"),
        (("membranes", "clopath", "ticks", "spiking, pooled between"), "no membrane of its own"),
        (("bp", "all-pairs", "direct", "convolutions"), "needs dt and spikes"),
        (("fa", "error x pre", "direct", "fewer convolutions"), r"RandomFixed.like\(net"),
        (("dfa", "error x pre", "direct", "fewer convolutions"), r"DirectFeedback.like\(net"),
        (("hybrid", "error x pre", "euler", "convolutions"), r"Coding.like\(net"),
        (("bp", "error x pre", "direct", "no head"), "end it with a dense layer"),
        (("pc with precisions", "error x pre", "euler", "dense"), "one a hidden layer"),
    ],
    ids=lambda value: " + ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_remedy(combination, words):
    became = attempt(*combination)
    assert became.startswith("refused")
    assert re.search(words, became), became


@cache
def concrete(kind: type) -> set[type]:
    """Every class of a kind in the package that is not abstract, base classes left out."""
    for module in pkgutil.walk_packages(neurosim.models.__path__, "neurosim.models."):
        importlib.import_module(module.name)

    def below(cls: type) -> set[type]:
        found = {cls} if not getattr(cls, "__abstractmethods__", None) else set()
        return found.union(*map(below, cls.__subclasses__()))

    own = (cls for cls in below(kind) if cls.__module__.startswith("neurosim."))
    return {cls for cls in own if not cls.__name__.startswith("_")}


def test_no_dynamics_plasticity_or_solver_is_left_out():
    for kind, tried in (
        (AbstractDynamics, DYNAMICS),
        (AbstractPlasticity, PLASTICITIES),
        (AbstractSolver, SOLVERS),
    ):
        assert concrete(kind) - {type(each) for each in tried.values()} == set()


class WithReward(Hebb):
    """A plasticity that says what it needs, and dynamics of a user's own that offer it."""

    @property
    def needs(self):
        return frozenset({"pre", "post", "reward"})


def test_what_dynamics_of_ones_own_offer_is_taken():
    class Rewarding(FeedForward.__bases__[0]):  # type: ignore[name-defined,misc]
        offers = frozenset({"pre", "post", "reward"})
        operating_point = initial_state = flow = equilibrium = local_signals = output = None

    assert LearningRule("own", Rewarding(), Direct(), WithReward()).plasticity
    with pytest.raises(TypeError, match="WithReward needs reward; FeedForward offers post and pre"):
        LearningRule("own", FeedForward(), Direct(), WithReward())


@torch.no_grad()
@pytest.mark.parametrize("dynamics", list(DYNAMICS))
def test_signals_carry_what_the_dynamics_offer_and_nothing_else(dynamics):
    """A word in ``offers`` that is no key would let a plasticity through that finds nothing."""
    offering = DYNAMICS[dynamics]
    seen = 0
    for network in NETWORKS.values():
        net = network()
        try:
            offering.check_network(net)
        except (TypeError, ValueError):
            continue
        point = offering.operating_point(net, drive(offering, net))
        solver = Ticks() if isinstance(offering, AbstractClocked) else Euler(until=Horizon(1))
        state = solver.end(offering, point).state
        for signal in offering.local_signals(point, state):
            assert set(signal.offered) == offering.offers - {"pre", "post"}
            assert signal.offered.get("dt", 1.0) == getattr(offering, "dt_ms", 1.0)
            seen += 1
    assert seen


def test_what_was_not_offered_is_named_where_it_is_read():
    signal = LocalSignal(torch.zeros(1, 2), torch.zeros(1, 2), {"dt": 1.0})
    with pytest.raises(LookupError, match="offers pre, post, dt and no reward: name it in needs"):
        signal["reward"]


def test_ticks_of_a_presentation_have_one_length():
    """dt has one owner, the dynamics: no plasticity keeps a second one."""
    for kind in concrete(AbstractPlasticity):
        assert "dt_ms" not in {f.name for f in fields(kind)}
    layer = NETWORKS["spiking"]().layers[0]
    stdp, zeros = TraceSTDP(AllPairs()), torch.zeros(1, 2)
    memory = stdp.observe(layer, stdp.begin(layer), LocalSignal(zeros, zeros, {"dt": 1.0}))
    with pytest.raises(ValueError, match=r"a tick of 2\.0 ms follows ticks of 1\.0 ms"):
        stdp.observe(layer, memory, LocalSignal(zeros, zeros, {"dt": 2.0}))


@pytest.mark.parametrize("dynamics", list(DYNAMICS))
def test_what_is_represented_is_what_settles_without_learning(dynamics):
    """One way to represent: settle at evaluation, read the activity. The last layer's is what the
    dynamics hand on, and no second forward of the network says otherwise."""
    settling = DYNAMICS[dynamics]
    solver = next(s for s in SOLVERS.values() if fits(s, settling))
    rule = LearningRule("evaluated", settling, solver, Frozen())
    seen = 0
    for network in NETWORKS.values():
        net = network()
        try:
            settling.check_network(net)
        except (TypeError, ValueError):
            continue
        x = drive(settling, net).x
        before = [tensor.clone() for tensor in statistics_of(net)]
        activity = represent(rule, net, x)
        assert all(map(torch.equal, before, statistics_of(net)))
        assert list(activity) == [layer.name for layer in net.layers]
        passive = rule.passive()
        outcome = run_batch(passive, net, Drive(x, learning=False))
        assert torch.equal(outcome.output, list(activity.values())[-1])
        if hasattr(net, "represent"):
            own = net.represent(x)
            assert all(torch.equal(own[name], each) for name, each in activity.items())
        seen += 1
    assert seen


def fits(solver: AbstractSolver, dynamics: AbstractDynamics) -> bool:
    try:
        solver.check(dynamics)
    except TypeError:
        return False
    return not (isinstance(dynamics, ChannelMeanPredictiveCoding) and solver != RectifiedEuler())
