"""The learning rules by name, each an instance of the one abstraction.

A *rule* is dynamics + solver + plasticity; a *learner* is a chain of parts, each a rule on a
stretch of layers with its optimiser. ``RULES`` maps the names of the command line to builders
of learners; the functions below it return bare rules for use in one's own code.
"""

from __future__ import annotations

from dataclasses import replace

from neurosim.choices import Choices
from neurosim.models.network.layers import Network
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
from neurosim.models.rules.learner import Learner, LearnerBuilder, SharedStart
from neurosim.models.rules.pc_rules import (
    HYBRID_OPTIMISER,
    SUPERVISED_OPTIMISER,
    predictive_coding_hybrid_rule,
    predictive_coding_supervised_rule,
)
from neurosim.models.spiking.bounded_stdp import RULE_DEPENDENCES
from neurosim.models.spiking.dynamics import SpikingDynamics
from neurosim.models.spiking.stdp import RULE_TIMINGS, stdp_part
from neurosim.plasticity import ErrorTimesPre, Frozen
from neurosim.rule import LearningRule
from neurosim.solvers import Direct
from neurosim.spiking.cells.registry import CELLS
from neurosim.spiking.encoders.registry import ENCODERS
from neurosim.training import Optimiser, Part, without_learning

#: As in Leutenegger 2026 (arXiv 2605.30556): coupled decay, cosine to 0, changes clipped to norm 1.
BP_OPTIMISER = Optimiser("adam", lr=1e-3, weight_decay=1e-4, clip_norm=1.0)
#: Tuned on its own for feedback alignment: no decay, which would only shrink what aligns.
FA_OPTIMISER = Optimiser("adam", lr=1e-3, clip_norm=1.0)
#: The number of convolution layers that PC and STDP learn; the layers after them are read out.
N_CONV = 3


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
    """FC1 and head trained by backpropagation: the same readout for every local rule."""
    return Part(backprop(), net.part(N_CONV, None), BP_OPTIMISER)


def _bp(start: SharedStart) -> Learner:
    return _whole(backprop(), start.network(), BP_OPTIMISER)


def _fa(start: SharedStart) -> Learner:
    net = start.network()
    return _whole(feedback_alignment(net, start.stream("feedback")), net, FA_OPTIMISER)


def _dfa(start: SharedStart) -> Learner:
    net = start.network()
    shape = (3, start.image_px, start.image_px)
    feedback = DirectFeedback.like(net, start.stream("feedback"), shape)
    return _whole(error_circuit_rule("dfa", feedback), net, FA_OPTIMISER)


def _sign_symmetric(start: SharedStart) -> Learner:
    net = start.network()
    feedback = SignSymmetric.like(net, start.stream("feedback"))
    return _whole(error_circuit_rule("sign-symmetric", feedback), net, FA_OPTIMISER)


def _kolen_pollack(start: SharedStart) -> Learner:
    net = start.network()
    feedback = KolenPollack.like(net, start.stream("feedback"))
    # Decay must be decoupled: coupled decay would enter Adam's moments of W and B differently.
    # 1e-3 a step at the start: B and W meet within the few hundred steps of a short training.
    optimiser = replace(FA_OPTIMISER, kind="adamw", weight_decay=1.0)
    return _whole(error_circuit_rule("kolen-pollack", feedback), net, optimiser)


def _pc(start: SharedStart) -> Learner:
    net = start.network()
    body = net.part(0, N_CONV)
    rule = predictive_coding_hybrid_rule(body, start.stream("generative"))
    return Learner("pc", (Part(rule, body, HYBRID_OPTIMISER), readout_part(net)))


def _pc_supervised(start: SharedStart) -> Learner:
    return _whole(predictive_coding_supervised_rule(), start.network(), SUPERVISED_OPTIMISER)


def _stdp(start: SharedStart) -> Learner:
    net = start.network()
    dynamics = SpikingDynamics(cell=CELLS[start.cell](dt_ms=5.0), encoder=ENCODERS[start.encoder]())
    part = stdp_part(
        net,
        start.stream("thresholds"),
        dynamics=dynamics,
        timing=RULE_TIMINGS[start.timing],
        dependence=RULE_DEPENDENCES[start.weight_dependence],
        calibration_px=start.image_px,
    )
    return Learner("stdp", (part, readout_part(net)))


def _untrained(start: SharedStart) -> Learner:
    return _whole(untrained(), start.network(), BP_OPTIMISER)


def _frozen_conv(start: SharedStart) -> Learner:
    """The control of every accuracy: untrained convolutions under the same trained readout."""
    net = start.network()
    body = Part(untrained("frozen-conv"), net.part(0, N_CONV))
    return Learner("frozen-conv", (body, readout_part(net)))


#: Control -> the rule that it is the control of, whose start and random streams it shares.
CONTROL_OF = {"frozen-stdp": "stdp"}


def with_frozen_body(name: str, learner: Learner) -> Learner:
    """The control of ``learner``: the change of weights of its first part is absent, and nothing
    else. Homeostasis adapts thresholds as in statistics-only passes; the readout trains."""
    body, *readout = learner.parts
    body = without_learning(body)
    body = replace(body, rule=replace(body.rule, name=name))
    return replace(learner, name=name, parts=(body, *readout))


def _frozen_stdp(start: SharedStart) -> Learner:
    """The control of STDP's accuracy and alignment: its network without its learning."""
    return with_frozen_body("frozen-stdp", _stdp(start))


RULES: Choices[LearnerBuilder] = Choices(
    "learning rule",
    {
        "untrained": _untrained,
        "bp": _bp,
        "fa": _fa,
        "dfa": _dfa,
        "sign-symmetric": _sign_symmetric,
        "kolen-pollack": _kolen_pollack,
        "pc": _pc,
        "pc-supervised": _pc_supervised,
        "stdp": _stdp,
        "frozen-conv": _frozen_conv,
        "frozen-stdp": _frozen_stdp,
    },
)
