"""Builders of the published learners, put together from the parts of this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import final

from neurosim.models.catalogue import RULES, backprop, error_circuit_rule
from neurosim.models.network.graph import Network
from neurosim.models.published.channel_errors import (
    ChannelMeanPredictiveCoding,
    MeanTimesMean,
    RectifiedEuler,
    RelaxingNetwork,
)
from neurosim.models.published.first_spikes import (
    ChannelMeanSpikes,
    FirstSpikePairs,
    WeightsWithin,
)
from neurosim.models.published.gains import GainsAndReadout, WhereWeightsLearn
from neurosim.models.published.rectified import rectified
from neurosim.models.published.starts import xavier_normal
from neurosim.models.published.transport import RandomInConvolutions
from neurosim.models.published.windows import InvertedWindow, Window, inverted
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.rule import LearningRule
from neurosim.solvers import Direct, Ticks
from neurosim.spiking.timing.rules import AllPairs
from neurosim.training import Optimiser, Part

#: The readout of PC and STDP: no decay, no schedule, no clipping, and no dropout in its layers.
READOUT_OPTIMISER = Optimiser("adam", lr=1e-3, schedule="constant")
FA_OPTIMISER = Optimiser("sgd", lr=5e-4, momentum=0.9, weight_decay=1e-4, clip_norm=1.0)
PC_OPTIMISER = Optimiser("sgd", lr=1e-4, schedule="constant")
STDP_OPTIMISER = Optimiser("sgd", lr=5e-4, schedule="constant")
#: A+ = A- = .003, tau = 20 ticks; a pair of first spikes in one tick changes nothing.
WINDOW = AllPairs(0.003, 0.003, 20.0, 20.0, coincidence="both")


def _without_dropout(net: Network) -> Network:
    for layer in net.layers:
        layer.dropout = 0.0
    return net


def feedback_alignment(start: SharedStart) -> Learner:
    """Random feedback in the convolutions only, SGD with momentum."""
    net = start.network()
    feedback = RandomInConvolutions(xavier_normal(net, start.stream("feedback")))
    return Learner("fa", (Part(error_circuit_rule("fa", feedback), net, FA_OPTIMISER),))


def predictive_coding(start: SharedStart) -> Learner:
    """Channel-mean errors, and a readout of the relaxed activity."""
    net = _without_dropout(start.network())
    body = RelaxingNetwork(net.body(), start.stream("generative"))
    rule = LearningRule("pc", ChannelMeanPredictiveCoding(), RectifiedEuler(), MeanTimesMean())
    readout = Part(backprop(), net.readout(), READOUT_OPTIMISER)
    return Learner("pc", (Part(rule, body, PC_OPTIMISER), readout))


class AbstractStdpBody(ABC):
    """Where STDP happens, before its window and its readout are chosen."""

    @abstractmethod
    def learner(self, start: SharedStart, *, invert: bool, reach_gains: bool) -> Learner:
        """The learner on this body."""


@final
@dataclass(frozen=True)
class SpikingBody(AbstractStdpBody):
    """The reference's spiking network. It has no batch norm for a readout to reach."""

    def learner(self, start: SharedStart, *, invert: bool, reach_gains: bool) -> Learner:
        learner = RULES["stdp"](start)
        if not invert:
            return learner
        spiking, *rest = learner.parts
        rule = replace(spiking.rule, plasticity=inverted(spiking.rule.plasticity))
        return replace(learner, parts=(replace(spiking, rule=rule), *rest))


@final
@dataclass(frozen=True)
class ChannelMeanBody(AbstractStdpBody):
    """First spikes of channel means on the rectified, batch-normalised network."""

    def learner(self, start: SharedStart, *, invert: bool, reach_gains: bool) -> Learner:
        net = rectified(_without_dropout(start.network()))
        timing: Window = InvertedWindow.of(WINDOW) if invert else WINDOW
        dynamics = ChannelMeanSpikes(hand_on_image=reach_gains)
        plasticity = FirstSpikePairs(timing, dynamics.n_ticks_of_window)
        rule = LearningRule("stdp", dynamics, Ticks(), plasticity)
        if reach_gains:
            # The sweep of the second part sees the weights that the first has just changed.
            readout = LearningRule("bp", GainsAndReadout(), Direct(), WhereWeightsLearn())
            nets = net, net
        else:
            readout, nets = backprop(), (net.body(), net.readout())
        return Learner(
            "stdp",
            (
                Part(rule, nets[0], STDP_OPTIMISER, WeightsWithin()),
                Part(readout, nets[1], READOUT_OPTIMISER),
            ),
        )


@final
@dataclass(frozen=True)
class StdpBuilder:
    """A builder of STDP learners with three choices, each made by a switch of its own.

    body: where it happens. invert: causal pairs depress. reach_gains: the readout's
    cross-entropy reaches gamma and beta.
    """

    body: AbstractStdpBody = field(default_factory=SpikingBody)
    invert: bool = False
    reach_gains: bool = False

    def __call__(self, start: SharedStart) -> Learner:
        return self.body.learner(start, invert=self.invert, reach_gains=self.reach_gains)
