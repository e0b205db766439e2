"""The learning rules by name, each an instance of the one abstraction.

A *rule* is dynamics + solver + plasticity; a *learner* is a chain of parts, each a rule on a
stretch of layers with its optimiser. ``RULES`` (``rule_table``) maps names to the builders below,
whose keyword arguments are a rule's settings; the first functions return bare rules for use in
one's own code.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial
from typing import Annotated

from neurosim.models.network.graph import Network
from neurosim.models.rule_table import RULES
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feed_forward import FeedForward
from neurosim.models.rules.feedback import (
    AbstractFeedback,
    DirectFeedback,
    KolenPollack,
    RandomFixed,
    SignSymmetric,
    Transpose,
)
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.models.rules.pc_rules import (
    HYBRID_OPTIMISER,
    SUPERVISED_OPTIMISER,
    predictive_coding_hybrid_rule,
    predictive_coding_supervised_rule,
    steps_to_reach,
)
from neurosim.models.spiking.bounded_stdp import RULE_DEPENDENCES
from neurosim.models.spiking.dynamics import Homeostasis, SpikingDynamics
from neurosim.models.spiking.stdp import OPTIMISER as STDP_OPTIMISER
from neurosim.models.spiking.stdp import RULE_TIMINGS, stdp_part
from neurosim.naming.choices import Choices
from neurosim.naming.made import made
from neurosim.plasticity import ErrorTimesPre, Frozen
from neurosim.rule import LearningRule
from neurosim.solvers import Direct
from neurosim.spiking.cells.registry import CELLS, AbstractCell
from neurosim.spiking.encoders.lgn import LGN, AbstractFrontEnd
from neurosim.spiking.encoders.registry import ENCODERS, AbstractEncoder
from neurosim.spiking.population.competition import AbstractCompetition, WinnerTakeAll
from neurosim.spiking.timing.abstract_timing import AbstractTiming
from neurosim.spiking.timing.weight_dependence import AbstractWeightDependence, Additive
from neurosim.training import Optimiser, Part, without_learning

__all__ = [
    "BP_OPTIMISER", "CONTROL_OF", "FA_OPTIMISER", "RULES", "RULE_CELLS", "backprop",
    "error_circuit_rule", "feedback_alignment", "readout_part", "untrained", "with_frozen_body",
]  # fmt: skip

#: As in Leutenegger 2026 (arXiv 2605.30556): coupled decay, cosine to 0, changes clipped to norm 1.
BP_OPTIMISER = Optimiser("adam", lr=1e-3, weight_decay=1e-4, clip_norm=1.0)
#: Tuned on its own for feedback alignment: no decay, which would only shrink what aligns.
FA_OPTIMISER = Optimiser("adam", lr=1e-3, clip_norm=1.0)
#: Cells as the rules take them, in ticks of 5 ms.
RULE_CELLS: Choices[partial[AbstractCell]] = Choices(
    "cell",
    {name: partial(kind, dt_ms=5.0) for name, kind in CELLS.built_in.items()},
    base=AbstractCell,
    group=CELLS.group,
    adapt=lambda kind: partial(kind, dt_ms=5.0),
)


def error_circuit_rule(name: str, feedback: AbstractFeedback) -> LearningRule:
    """An error circuit settled at once."""
    return LearningRule(name, ErrorCircuit(feedback), Direct(), ErrorTimesPre())


def backprop() -> LearningRule:
    """Backpropagation: errors return through ``W^T``."""
    return error_circuit_rule("bp", Transpose())


def feedback_alignment(net: Network, generator) -> LearningRule:
    """Feedback alignment: errors return through fixed random weights in every layer."""
    return error_circuit_rule("fa", RandomFixed.like(net, generator))


def untrained(name: str = "untrained") -> LearningRule:
    """Feed-forward activity, every synapse frozen."""
    return LearningRule(name, FeedForward(), Direct(), Frozen())


def _whole(rule: LearningRule, net: Network, optimiser: Optimiser) -> Learner:
    return Learner(rule.name, (Part(rule, net, optimiser),))


def readout_part(net: Network) -> Part:
    """The readout trained by backpropagation: the same for every local rule."""
    return Part(backprop(), net.readout(), BP_OPTIMISER)


def untrained_learner(start: SharedStart) -> Learner:
    """Nothing learns."""
    return _whole(untrained(), start.network(), BP_OPTIMISER)


def bp(start: SharedStart, *, optimiser: Optimiser = BP_OPTIMISER) -> Learner:
    """Backpropagation in every layer."""
    return _whole(backprop(), start.network(), optimiser)


def fa(start: SharedStart, *, optimiser: Optimiser = FA_OPTIMISER) -> Learner:
    """Feedback alignment in every layer."""
    net = start.network()
    return _whole(feedback_alignment(net, start.stream("feedback")), net, optimiser)


def dfa(start: SharedStart, *, optimiser: Optimiser = FA_OPTIMISER) -> Learner:
    """Direct feedback alignment: the output's error reaches every layer by weights of its own."""
    net = start.network()
    shape = (start.n_channels, start.image_px, start.image_px)
    feedback = DirectFeedback.like(net, start.stream("feedback"), shape)
    return _whole(error_circuit_rule("dfa", feedback), net, optimiser)


def sign_symmetric(start: SharedStart, *, optimiser: Optimiser = FA_OPTIMISER) -> Learner:
    """Errors return through random weights with the signs of ``W^T``."""
    net = start.network()
    feedback = SignSymmetric.like(net, start.stream("feedback"))
    return _whole(error_circuit_rule("sign-symmetric", feedback), net, optimiser)


#: Decay must be decoupled: coupled decay would enter Adam's moments of W and B differently.
#: 1e-3 a step at the start: B and W meet within the few hundred steps of a short training.
KOLEN_POLLACK_OPTIMISER = replace(FA_OPTIMISER, kind="adamw", weight_decay=1.0)


def kolen_pollack(start: SharedStart, *, optimiser: Optimiser = KOLEN_POLLACK_OPTIMISER) -> Learner:
    """Feedback weights that learn as the forward ones do."""
    net = start.network()
    feedback = KolenPollack.like(net, start.stream("feedback"))
    return _whole(error_circuit_rule("kolen-pollack", feedback), net, optimiser)


def pc(start: SharedStart, *, optimiser: Optimiser = HYBRID_OPTIMISER) -> Learner:
    """Hybrid predictive coding in the convolutions, and a readout."""
    net = start.network()
    body = net.body()
    rule = predictive_coding_hybrid_rule(body, start.stream("generative"))
    return Learner("pc", (Part(rule, body, optimiser), readout_part(net)))


def pc_supervised(start: SharedStart, *, optimiser: Optimiser = SUPERVISED_OPTIMISER) -> Learner:
    """Supervised predictive coding in every layer."""
    net = start.network()
    rule = predictive_coding_supervised_rule(n_steps=steps_to_reach(max(net.levels())))
    return _whole(rule, net, optimiser)


def stdp(
    start: SharedStart,
    *,
    timing: Annotated[AbstractTiming | None, RULE_TIMINGS] = None,
    weight_dependence: Annotated[AbstractWeightDependence | None, RULE_DEPENDENCES] = None,
    encoder: AbstractEncoder | None = None,
    cell: Annotated[AbstractCell | None, RULE_CELLS] = None,
    front_end: AbstractFrontEnd = LGN(),  # noqa: B008
    competition: AbstractCompetition = WinnerTakeAll(),  # noqa: B008
    homeostasis: Homeostasis = Homeostasis(),  # noqa: B008
    duration_ms: float = 60.0,
    optimiser: Optimiser = STDP_OPTIMISER,
) -> Learner:
    """STDP in spiking convolutions, and a readout.

    Args:
        timing, weight_dependence, encoder, cell: None: those of the start. A weight dependence
            that the timing brings along counts where none is given for the rule.

    Raises:
        ValueError: bounds of a weight dependence, which are those of each layer here; or two
            dependences.
    """
    net = start.network()
    timing = made(RULE_TIMINGS, start.timing) if timing is None else timing
    if weight_dependence is None:
        weight_dependence = made(RULE_DEPENDENCES, start.weight_dependence)
    timing, weight_dependence = _one_dependence(timing, weight_dependence)
    dynamics = SpikingDynamics(
        cell=made(RULE_CELLS, start.cell) if cell is None else cell,
        encoder=made(ENCODERS, start.encoder) if encoder is None else encoder,
        front_end=front_end,
        competition=competition,
        homeostasis=homeostasis,
        duration_ms=duration_ms,
    )
    part = stdp_part(
        net,
        start.stream("thresholds"),
        dynamics=dynamics,
        timing=timing,
        dependence=weight_dependence,
        optimiser=optimiser,
        calibration_px=start.image_px,
    )
    return Learner("stdp", (part, readout_part(net)))


def _one_dependence(
    timing: AbstractTiming, dependence: AbstractWeightDependence
) -> tuple[AbstractTiming, AbstractWeightDependence]:
    """A dependence stands beside the timing or inside it, with the bounds of each layer."""
    if not timing.dependence.constant:
        if not dependence.constant:
            raise ValueError(
                f"two weight dependences, {timing.dependence!r} of the timing and {dependence!r} "
                "of the rule: keep one"
            )
        timing, dependence = timing.under(Additive()), timing.dependence
    plain = type(dependence)()
    moved = [
        field.name for field in fields(dependence)  # type: ignore[arg-type]
        if field.name in ("w_min", "w_max")
        and getattr(dependence, field.name) != getattr(plain, field.name)
    ]  # fmt: skip
    if moved:
        raise ValueError(
            f"{' and '.join(moved)} of {dependence!r} would have no effect: the bounds of weights "
            "are those of each layer; leave them out"
        )
    return timing, dependence


def frozen_conv(start: SharedStart) -> Learner:
    """The control of every accuracy: an untrained body under the same trained readout."""
    net = start.network()
    body = Part(untrained("frozen-conv"), net.body())
    return Learner("frozen-conv", (body, readout_part(net)))


#: Control -> the rule that it is the control of, whose start and random streams it shares.
CONTROL_OF = {name: rule.control_of for name, rule in RULES.built_in.items() if rule.control_of}


def with_frozen_body(name: str, learner: Learner) -> Learner:
    """The control of ``learner``: the change of weights of its first part is absent, and nothing
    else. Homeostasis adapts thresholds as in statistics-only passes; the readout trains."""
    body, *readout = learner.parts
    body = without_learning(body)
    body = replace(body, rule=replace(body.rule, name=name))
    return replace(learner, name=name, parts=(body, *readout))


def frozen_stdp(
    start: SharedStart,
    *,
    encoder: AbstractEncoder | None = None,
    cell: Annotated[AbstractCell | None, RULE_CELLS] = None,
    front_end: AbstractFrontEnd = LGN(),  # noqa: B008
    competition: AbstractCompetition = WinnerTakeAll(),  # noqa: B008
    homeostasis: Homeostasis = Homeostasis(),  # noqa: B008
    duration_ms: float = 60.0,
) -> Learner:
    """The control of STDP's accuracy and alignment: its network without its learning."""
    learner = stdp(
        start,
        encoder=encoder,
        cell=cell,
        front_end=front_end,
        competition=competition,
        homeostasis=homeostasis,
        duration_ms=duration_ms,
    )
    return with_frozen_body("frozen-stdp", learner)
