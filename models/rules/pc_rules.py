"""Predictive coding as ready rules, with the settings that were measured to work."""

from __future__ import annotations

import math

import torch

from neurosim.convergence import Horizon
from neurosim.models.network.graph import Network
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feedback import Transpose
from neurosim.models.rules.pc_hybrid import HybridPredictiveCoding
from neurosim.models.rules.predictive_coding import PredictiveCoding
from neurosim.models.rules.zero_divergence import ZeroDivergence
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule
from neurosim.solvers import AbstractSolver, Euler, Ticks
from neurosim.training import Optimiser

#: As backpropagation's but without decay, which would shrink weights that no change reaches.
SUPERVISED_OPTIMISER = Optimiser("adam", lr=1e-3, clip_norm=1.0)
#: Recognition moves slowly behind generation, whose gain of 20 makes its rate 3e-3.
HYBRID_OPTIMISER = Optimiser("adam", lr=1.5e-4)


#: Of backpropagation's change, the share that truncated predictive coding lets reach every layer;
#: an optimiser of steps of a fixed size makes up for the rest.
LEAST_SHARE = 1e-4


def steps_to_reach(n_levels: int, dt: float = 0.1, share: float = LEAST_SHARE) -> int:
    """Euler steps until ``share`` of an error has come ``n_levels`` layers down from the output.

    To lowest order it is ``C(T, k) dt^k (1 - dt)^(T - k)`` after T steps, k layers down. In the
    four levels of conv3 four steps of .1 are enough, in the seven of a resnet of depth 8 it takes
    14.
    """
    n_steps = n_levels
    while math.comb(n_steps, n_levels) * dt**n_levels * (1 - dt) ** (n_steps - n_levels) < share:
        n_steps += 1
    return n_steps


def predictive_coding_supervised_rule(
    *, n_steps: int = 4, dt: float = 0.1, output_precision: float = 1.0
) -> LearningRule:
    """Truncated supervised predictive coding: image and label clamped, a few Euler steps.

    Not the equilibrium of Whittington & Bogacz 2017 (doi:10.1162/NECO_a_00949). From the sweep, the
    error of the layer k below the output starts as ``dt^k`` times backpropagation's. With four
    steps of .1 on the network of the comparison, Conv1's change is 1e-4 of backpropagation's in
    size with a cosine of 1.000, which Adam rescales; with 40 steps they are .14 and .94 to .95.
    A step above .3 loses the early layers, and a step of 1 diverges. ``steps_to_reach`` says how
    many steps a deeper network takes.
    """
    return LearningRule(
        "pc-supervised",
        PredictiveCoding(output_precision=output_precision),
        Euler(dt, until=Horizon(n_steps)),
        ErrorTimesPre(),
    )


def predictive_coding_hybrid_rule(
    net: Network, generator: torch.Generator, *, solver: AbstractSolver | None = None, **options
) -> LearningRule:
    """Image clamped, no label; generative synapses drawn from ``generator``.

    A variant of our own: prior, lateral inhibition, high-pass image metric and gain are in none of
    the papers cited in ``pc_hybrid``. The feed-forward sweep is scored, not the relaxed activity.

    Args:
        net: the pooled convolutions, ``network.body()``.
        solver: any explicit solver; None: 10 Euler steps of .1. Half as many of .2 cost half
            and settle alike.
        options: of ``HybridPredictiveCoding``.
    """
    dynamics = HybridPredictiveCoding.like(net, generator, **options)
    return LearningRule("pc", dynamics, solver or Euler(0.1, until=Horizon(10)), ErrorTimesPre())


def fixed_prediction_rule(*, n_steps: int, gamma: float = 1.0) -> LearningRule:
    """Predictive coding with predictions and their slopes held at the sweep.

    ``e_l += gamma (-e_l + W^T D^T e_(l+1))`` is the error circuit of backpropagation under
    Euler: it equals backpropagation for ``gamma = 1`` and ``n_steps >= L - 1``, and in the limit
    of many steps for any stable gamma (Millidge, Tschantz & Buckley 2022,
    doi:10.1162/neco_a_01497).
    """
    return LearningRule(
        "pc-fixed-prediction",
        ErrorCircuit(Transpose()),
        Euler(gamma, until=Horizon(n_steps)),
        ErrorTimesPre(),
    )


def zero_divergence_rule(*, gamma: float = 1.0) -> LearningRule:
    """Z-IL: equals backpropagation for ``gamma = 1``, after as many ticks as layers."""
    return LearningRule("pc-z-il", ZeroDivergence(gamma=gamma), Ticks(), ErrorTimesPre())
