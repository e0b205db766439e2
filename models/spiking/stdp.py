"""STDP as a part of a learner: which weights it starts from, how it learns, where it may go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from neurosim.arrays.tensors import require_finite
from neurosim.models.network.graph import Network
from neurosim.models.network.layers import Layer
from neurosim.models.spiking.bounded_stdp import BoundedSTDP, weight_bound
from neurosim.models.spiking.dynamics import SpikingDynamics, SpikingLayer, SpikingNetwork
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.naming.choices import Choices
from neurosim.plasticity import AbstractPlasticity
from neurosim.rule import LearningRule
from neurosim.solvers import Ticks
from neurosim.spiking.cells.membrane import Millivolts
from neurosim.spiking.encoders.lgn import OPPONENT
from neurosim.spiking.timing.rules import (
    TIMINGS,
    AbstractTiming,
    AllPairs,
    AntiHebbian,
    Clopath,
    FirstSpike,
    NearestPair,
    Symmetric,
    Triplet,
)
from neurosim.spiking.timing.traces import MeanOverSpikes, TraceSTDP
from neurosim.spiking.timing.weight_dependence import ADDITIVE, AbstractWeightDependence, Additive
from neurosim.synapses import Conv2d, Dense
from neurosim.training import AbstractConstraint, Optimiser, Part

#: Depression 5 % stronger than potentiation (Song, Miller & Abbott 2000, 10.1038/78829). A pair
#: in one tick is causal: spikes reach every layer within the tick. Amplitudes are relative; the
#: learning rate scales them.
TIMING = AllPairs(
    a_plus=1.0, a_minus=1.05, tau_plus_ms=20.0, tau_minus_ms=20.0, coincidence="potentiate"
)

_PAIR: dict[str, Any] = {"a_plus": 1.0, "a_minus": 1.05, "coincidence": "potentiate"}


def _triplet(interaction: str) -> AbstractTiming:
    """The published amplitudes, scaled so that depression is that of the pair rules."""
    fit = Triplet.visual_cortex(interaction, coincidence="potentiate")
    scale = 1.05 / fit.a2_minus
    return replace(fit, a3_plus=scale * fit.a3_plus, a2_minus=1.05)


#: The same for the voltage: a presynaptic spike depresses by as much where the membrane has
#: been at its threshold.
_VOLTAGE_SCALE = 1.05 / (Clopath().a_ltd * (Millivolts().threshold - Clopath().theta_minus))

#: What ``--timing`` names. All leave the weight out, which ``--weight-dependence`` brings in.
RULE_TIMINGS: Choices[AbstractTiming] = Choices(
    "timing",
    {
        "all-pairs": TIMING,
        "nearest-pair": NearestPair(**_PAIR),
        "nearest-pair-centred": NearestPair(**_PAIR, scheme="presynaptic-centred"),
        "nearest-pair-reduced": NearestPair(**_PAIR, scheme="reduced"),
        "triplet": _triplet("all"),
        "triplet-nearest": _triplet("nearest"),
        "first-spike": FirstSpike(a_plus=1.0, a_minus=0.75, dependence=Additive()),
        "symmetric": Symmetric(a=1.0),
        "anti-hebbian": AntiHebbian(a_plus=1.0, a_minus=1.05),
        "clopath": Clopath(
            a_ltd=_VOLTAGE_SCALE * Clopath().a_ltd, a_ltp=_VOLTAGE_SCALE * Clopath().a_ltp
        ),
    },
    base=AbstractTiming,
    group=TIMINGS.group,
)

#: Spikes a neuron and tick of 5 ms that homeostasis aims at, from the first layer to the last.
TARGET_RATES = (0.02, 0.012, 0.007)
#: Of the one spike a place and tick that winner-take-all leaves to all maps together, the most that
#: a target asks for.
_MOST_OF_A_PLACE = 0.9


def target_rates(n_maps: Sequence[int]) -> tuple[float, ...]:
    """A rate for each layer of ``n_maps``: along ``TARGET_RATES`` by depth, and never more than
    .9 spikes a place and tick, which its maps share: beyond that no threshold would reach it."""
    depth = len(n_maps)
    along = np.linspace(0, 1, depth) if depth > 1 else np.zeros(1)
    rates = np.interp(along, np.linspace(0, 1, len(TARGET_RATES)), TARGET_RATES)
    return tuple(
        min(float(rate), _MOST_OF_A_PLACE / n) for rate, n in zip(rates, n_maps, strict=True)
    )


OPTIMISER = Optimiser(kind="sgd", lr=1.0, lr_end=0.1)


@final
class FilterNorm(AbstractConstraint):
    """Each filter keeps its initial mean and its initial spread, and no weight exceeds a bound.

        w <- m_0 + (w - m) |w_0 - m_0| / |w - m|;   |w| <= bound_factor / sqrt(fan_in)

    with m the mean of a filter over its inputs and taps. Additive STDP has no fixed point of its
    own: sum and spread of a filter's weights are what its synapses compete for (Miller & MacKay
    1994, 10.1162/neco.1994.6.1.100). Weights that have not moved stay as they are, to the bit.
    """

    def __init__(self, net: SpikingNetwork, bound_factor: float = 2.5) -> None:
        self.bound_factor = bound_factor
        self._initial = {}
        for layer in net.layers:
            mean = _filter_mean(layer.weight)
            self._initial[layer.name] = mean, _filter_norm(layer.weight - mean)

    @torch.no_grad()
    def apply(self, net: SpikingNetwork) -> None:
        for layer in net.layers:
            require_finite(f"layer {layer.name}: the weight", layer.weight)
        for layer in net.layers:
            mean, spread = self._initial[layer.name]
            weight = layer.weight
            rounding = 1e-6 * _filter_norm(weight)
            weight.sub_(_filter_mean(weight) - mean)
            deviation = weight - mean
            now = _filter_norm(deviation)
            # What is left of a filter of equal weights is rounding, no spread to blow up.
            spreads = now > rounding
            # Written as an addition that is exactly 0 where nothing moved.
            weight.add_(torch.where(spreads, spread / now - 1, torch.zeros_like(now)) * deviation)
            bound = weight_bound(layer.synapse, self.bound_factor, weight)
            weight.clamp_(-bound, bound)


def _filter_mean(weight: Tensor) -> Tensor:
    return weight.mean(tuple(range(1, weight.dim())), keepdim=True)


def _filter_norm(weight: Tensor) -> Tensor:
    return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.dim())), keepdim=True)


def opponent_weight(rgb: Tensor) -> Tensor:
    """The RGB filters as filters on six LGN channels: ``cat(V, -V)``, ``V = W M^-1``.

    ``M`` maps RGB to the opponent planes, so before rectification, blur and contrast gain the
    filter answers to an image as the RGB filter does. Each filter is scaled back to its own norm.
    """
    opponent = torch.linalg.inv(rgb.new_tensor(OPPONENT))
    plane = torch.einsum("oikl,ij->ojkl", rgb, opponent)
    weight = torch.cat([plane, -plane], 1)
    return _with_norm_of(rgb, weight)


def unit_weight(weight: Tensor, preferred: Sequence[float]) -> Tensor:
    """The filters on encoders of several units an input: each unit counts as much as the
    intensity it prefers, ``cat_k(mu_k W)``. Each filter is scaled back to its own norm.
    """
    if len(preferred) == 1:
        return weight
    units = torch.cat([mu * weight for mu in preferred], 1)
    return _with_norm_of(weight, units)


def _with_norm_of(weight: Tensor, rewritten: Tensor) -> Tensor:
    """Each filter of ``rewritten`` with its norm in ``weight``; a filter of zeros stays one."""
    now = _filter_norm(rewritten)
    return rewritten * torch.where(now > 0, _filter_norm(weight) / now, now)


def spiking_network(
    shared: Network,
    dynamics: SpikingDynamics,
    generator: torch.Generator,
    *,
    rates: Sequence[float] | None = None,
    calibration: Tensor | None = None,
    calibration_px: int = 32,
) -> SpikingNetwork:
    """The body of ``shared``, a chain of convolutions and dense layers, as spiking layers.

    What is shared with the other rules of a seed: the weights of every layer above the
    first are copied as they are; those of the first are rewritten from RGB to the six channels
    of the LGN (``opponent_weight``), and from those to the units of the encoder
    (``unit_weight``). Biases and batch norm have no counterpart.

    Args:
        generator: source of the images that thresholds start from.
        rates: one target a layer; None: ``target_rates``.
        calibration: images to start the thresholds from, CIFAR-normalised; by default images of
            1/f noise, so that a network that has seen no data is well defined.

    Raises:
        ValueError: the body is not such a chain, or there is not one rate for each of its layers.
    """
    body = shared.body()
    chain = [(layer, _spiking_geometry(layer)) for layer in body.layers]
    if not body.is_chain:
        raise ValueError(
            "spikes pass from layer to layer and have no shortcut to add to a current: STDP runs "
            "on a chain of convolutions and dense layers, such as conv3, vgg or mlp"
        )
    if rates is None:
        rates = target_rates([geometry.n_out for _, geometry in chain])
    if len(chain) != len(rates):
        raise ValueError(
            f"the network has {len(chain)} layers to spike but {len(rates)} target rates: give "
            "one a layer"
        )
    layers = []
    for i, ((layer, geometry), rate) in enumerate(zip(chain, rates, strict=True)):
        weight = layer.weight.detach()
        if i == 0:
            weight = _on_encoder_units(layer.name, weight, geometry, dynamics)
            geometry = replace(geometry, n_in=weight.shape[1])
        layers.append(SpikingLayer(layer.name, geometry, weight, pool=layer.pool, target_rate=rate))
    net = SpikingNetwork(layers, dynamics, roles=shared.roles)
    if calibration is None:
        double = torch.empty((), dtype=torch.float64)
        calibration = pink_noise(_N_CALIBRATION, calibration_px, generator, double)
    net.calibrate(calibration)
    return net


def _spiking_geometry(layer: Layer) -> Conv2d | Dense:
    """The synapse of ``layer``, if spikes can pass through it."""
    synapse = layer.synapse
    if not isinstance(synapse, Conv2d | Dense):
        raise ValueError(
            f"layer {layer.name} has the synapse {synapse!r}: STDP runs on a chain of convolutions "
            "and dense layers, such as conv3, vgg or mlp"
        )
    return synapse


def _on_encoder_units(
    name: str, weight: Tensor, geometry: Conv2d | Dense, dynamics: SpikingDynamics
) -> Tensor:
    """The weight of the first layer on the units that code the LGN's channels."""
    dense = isinstance(geometry, Dense)
    side = math.isqrt(geometry.n_in // len(OPPONENT))
    if geometry.n_in != len(OPPONENT) * (side**2 if dense else 1):
        raise ValueError(
            f"layer {name} reads {geometry.n_in} {'pixels' if dense else 'channels'}, and the LGN "
            "before it takes square RGB images: build the network with n_channels=3"
        )
    planes = weight.unflatten(1, (len(OPPONENT), side, side)) if dense else weight
    on_units = unit_weight(opponent_weight(planes), dynamics.encoder.preferred)
    return on_units.flatten(1) if dense else on_units


_N_CALIBRATION = 32


def stdp_part(
    shared: Network,
    generator: torch.Generator,
    *,
    dynamics: SpikingDynamics | None = None,
    timing: AbstractTiming = TIMING,
    dependence: AbstractWeightDependence = ADDITIVE,
    optimiser: Optimiser = OPTIMISER,
    calibration: Tensor | None = None,
    calibration_px: int = 32,
) -> Part:
    """The spiking body under STDP: rule, network, optimiser, constraint.

    Its output is the spike counts of the last layer after pooling, ``(batch, 128, 4, 4)`` for
    conv3 at 32 px: a later part reads them as they are (mean near .3, standard deviation near .6).

    Args:
        shared: the network all rules of a seed start from; its weights are copied.
        generator: for the threshold's start (see ``spiking_network``); nothing else is drawn.
        dynamics: cells, encoder, competition. A timing that reads voltages gets those of the
            cells as ``Millivolts()`` where the dynamics name no scale of their own.
        dependence: of the change on the weight, its bounds replaced by those of each layer
            (``BoundedSTDP``); under ``Additive`` the timing keeps the dependence it has.
    """
    dynamics = SpikingDynamics() if dynamics is None else dynamics
    if timing.reads_voltage and dynamics.membrane is None:
        dynamics = replace(dynamics, membrane=Millivolts())
    net = spiking_network(
        shared, dynamics, generator, calibration=calibration, calibration_px=calibration_px
    )
    plasticity: AbstractPlasticity
    if dependence.constant:
        plasticity = TraceSTDP(timing, MeanOverSpikes())
    else:
        stdp = TraceSTDP(timing.under(dependence), MeanOverSpikes())
        plasticity = BoundedSTDP(stdp)
    rule = LearningRule("stdp", dynamics, Ticks(), plasticity)
    return Part(rule, net, optimiser, FilterNorm(net))
