"""Spike timing: how the spikes of two neurons change the synapse between them.

lag = t_post - t_pre in ms: positive where the presynaptic spike came first (causal). A timing
is declarative; the kernels carry it out, and its ``window`` is the closed form that they must
meet for an isolated pair. Every timing takes a ``dependence`` (see ``weight_dependence``), for
example ``NearestPair(a_plus=0.005, dependence=Guetig(mu=0.02))``.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.naming.choices import Choices
from neurosim.naming.settings import unmasked
from neurosim.spiking.timing.abstract_timing import AbstractTiming
from neurosim.spiking.timing.third_factor import Rewarded
from neurosim.spiking.timing.trace_rule import COINCIDENCE, TraceRule
from neurosim.spiking.timing.voltage_timing import Clopath
from neurosim.spiking.timing.weight_dependence import ADDITIVE, AbstractWeightDependence, Logistic

if TYPE_CHECKING:  # torch is not needed to declare a timing
    from torch import Tensor

    from neurosim.spiking.timing.factors import AbstractCausal, Factor
    from neurosim.spiking.timing.spike_window import SpikeWindow

__all__ = [
    "COINCIDENCE", "TIMINGS", "AbstractTiming", "AbstractTraceTiming", "AllPairs", "AntiHebbian",
    "Clopath", "FirstSpike", "Inhibitory", "NearestPair", "Rewarded", "Symmetric", "Triplet",
]  # fmt: skip

_LOGISTIC = Logistic()


class AbstractTraceTiming(AbstractTiming):
    """A timing that is exponential traces of spikes, read at spikes."""

    @property
    @abstractmethod
    def rule(self) -> TraceRule:
        """The traces that the kernels run."""

    def window(self, lag_ms: ArrayLike) -> NDArray[np.float64]:
        """Change by one isolated pair at each lag, in units of weight, the gains of weight
        dependence at 1; NaN where the lag is NaN."""
        rule = self.rule
        plus, minus = COINCIDENCE[rule.coincidence]
        lag = unmasked("lag_ms", lag_ms).astype(np.float64)
        causal = rule.a_plus * np.exp(-np.abs(lag) / rule.tau_plus_ms)
        acausal = -rule.a_minus * np.exp(-np.abs(lag) / rule.tau_minus_ms)
        tie = plus * rule.a_plus - minus * rule.a_minus
        known = np.where(lag > 0, causal, np.where(lag < 0, acausal, tie))
        known = known - rule.a_minus * rule.offset
        return np.where(np.isnan(lag), lag, known)

    def whole_window(
        self, spikes: SpikeWindow, dt_ms: float, gain: Tensor | None = None
    ) -> Iterator[Factor]:
        from neurosim.spiking.timing.factors import whole_window

        return whole_window(self.rule, spikes.pre, spikes.post, spikes.clock(dt_ms), gain)

    def causal(self, spikes: SpikeWindow, dt_ms: float) -> AbstractCausal:
        from neurosim.spiking.timing.factors import Causal

        return Causal(self.rule, spikes.pre, spikes.post, spikes.clock(dt_ms))

    @property
    def tail_ms(self) -> float:
        """0: traces are read at spikes."""
        return 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.rule


@final
@dataclass(frozen=True)
class AllPairs(AbstractTraceTiming):
    """Every pair counts.

        W(lag) = +a_plus  exp(-lag / tau_plus)     lag > 0   (pre before post: potentiation)
                 -a_minus exp(+lag / tau_minus)    lag < 0   (post before pre: depression)

    and at lag 0 by ``coincidence``: "none" 0; "potentiate" a_plus; "both" a_plus - a_minus;
    "acausal" -a_minus.

    Song, Miller & Abbott 2000 (10.1038/78829); Bi & Poo 1998
    (10.1523/JNEUROSCI.18-24-10464.1998); Morrison, Diesmann & Gerstner 2008
    (10.1007/s00422-008-0233-1) for the naming of schemes.

    Args:
        a_plus, a_minus: amplitudes. A negative one turns its side round.
        tau_plus_ms, tau_minus_ms: decay times, positive.
        coincidence: what happens at lag 0.
        dependence: gains and bounds by the weight.
    """

    a_plus: float = 0.01
    a_minus: float = 0.01
    tau_plus_ms: float = 20.0
    tau_minus_ms: float = 20.0
    coincidence: str = "none"
    dependence: AbstractWeightDependence = ADDITIVE

    @property
    def at_coincidence(self) -> float:
        """The change by a pair at lag 0."""
        return float(self.window(0.0))

    @property
    def rule(self) -> TraceRule:
        return TraceRule(
            self.a_plus, self.a_minus, self.tau_plus_ms, self.tau_minus_ms, self.coincidence
        )


#: Which neighbours pair (Morrison, Diesmann & Gerstner 2008, figure 7).
SCHEMES: Choices[str] = Choices(
    "nearest-neighbour scheme",
    {"symmetric": "nearest", "presynaptic-centred": "centred", "reduced": "reduced"},
)


@final
@dataclass(frozen=True)
class NearestPair(AbstractTraceTiming):
    """Only neighbouring spikes pair, under the window of ``AllPairs``.

    - ``symmetric``: a postsynaptic spike with the last presynaptic one before it, a presynaptic
      spike with the last postsynaptic one before it
    - ``presynaptic-centred``: a presynaptic spike with the last postsynaptic one before it and the
      next one after it
    - ``reduced``: both of the above at once: only spikes with no other of the two neurons between
      them

    "Before" and "after" include the same tick where ``coincidence`` lets that side see it;
    a spike that the policy hides pairs with the one before.

    Morrison, Diesmann & Gerstner 2008 (10.1007/s00422-008-0233-1).
    """

    a_plus: float = 0.01
    a_minus: float = 0.01
    tau_plus_ms: float = 20.0
    tau_minus_ms: float = 20.0
    scheme: str = "symmetric"
    coincidence: str = "none"
    dependence: AbstractWeightDependence = ADDITIVE

    @property
    def rule(self) -> TraceRule:
        return TraceRule(
            self.a_plus,
            self.a_minus,
            self.tau_plus_ms,
            self.tau_minus_ms,
            self.coincidence,
            SCHEMES[self.scheme],
        )


@final
@dataclass(frozen=True)
class Triplet(AbstractTraceTiming):
    """Two traces on each side; the second is read just before its own spike enters it.

        pre:   w -= o1 (a2_minus + a3_minus r2)        post:  w += r1 (a2_plus + a3_plus o2)

    with r1, r2 presynaptic traces of tau_plus and tau_x, o1, o2 postsynaptic ones of tau_minus
    and tau_y. ``interaction`` "all" adds 1 to a trace at each spike, "nearest" sets it to 1.

    Pfister & Gerstner 2006 (10.1523/JNEUROSCI.1425-06.2006). The defaults are their visual
    cortex, all-to-all, minimal, as ``TIMINGS["triplet"]``; ``visual_cortex`` and ``hippocampus``
    give every published set.
    """

    a2_plus: float = 0.0
    a3_plus: float = 6.5e-3
    a2_minus: float = 7.1e-3
    a3_minus: float = 0.0
    tau_plus_ms: float = 16.8
    tau_minus_ms: float = 33.7
    tau_x_ms: float = 101.0
    tau_y_ms: float = 114.0
    interaction: str = "all"
    coincidence: str = "none"
    dependence: AbstractWeightDependence = ADDITIVE

    @property
    def rule(self) -> TraceRule:
        return TraceRule(
            self.a2_plus,
            self.a2_minus,
            self.tau_plus_ms,
            self.tau_minus_ms,
            self.coincidence,
            INTERACTIONS[self.interaction],
            self.a3_plus,
            self.a3_minus,
            self.tau_x_ms,
            self.tau_y_ms,
        )

    @classmethod
    def visual_cortex(
        cls,
        interaction: str = "all",
        terms: str = "minimal",
        **settings: Any,
    ) -> Triplet:
        """Their fit of Sjostrom, Turrigiano & Nelson 2001 (10.1016/S0896-6273(01)00542-6).

        settings: any other field, in place of the published one.
        """
        return cls._published(_VISUAL_CORTEX, interaction, terms, settings)

    @classmethod
    def hippocampus(
        cls,
        interaction: str = "all",
        terms: str = "minimal",
        **settings: Any,
    ) -> Triplet:
        """Their fit of Wang, Gerkin, Nauen & Bi 2005 (10.1038/nn1387).

        settings: any other field, in place of the published one.
        """
        return cls._published(_HIPPOCAMPUS, interaction, terms, settings)

    @classmethod
    def _published(
        cls,
        table: Choices[_Set],
        interaction: str,
        terms: str,
        settings: dict[str, Any],
    ) -> Triplet:
        _ = INTERACTIONS[interaction], TERMS[terms]
        published = dict(zip(_OF_A_SET, table[f"{interaction}-{terms}"], strict=True))
        return cls(**{**published, "interaction": interaction, **settings})


INTERACTIONS: Choices[str] = Choices("interaction", {"all": "all", "nearest": "nearest"})
TERMS: Choices[str] = Choices("terms", {"full": "full", "minimal": "minimal"})

_Set = tuple[float, float, float, float, float, float]
_OF_A_SET = ("a2_plus", "a3_plus", "a2_minus", "a3_minus", "tau_x_ms", "tau_y_ms")

# Pfister & Gerstner 2006, table 4: A2+, A3+, A2-, A3-, tau_x, tau_y. Where a term is absent its
# time constant has no effect; it is set to that of the full model.
_VISUAL_CORTEX: Choices[_Set] = Choices(
    "parameter set",
    {
        "all-full": (5e-10, 6.2e-3, 7e-3, 2.3e-4, 101.0, 125.0),
        "all-minimal": (0.0, 6.5e-3, 7.1e-3, 0.0, 101.0, 114.0),
        "nearest-full": (8.8e-11, 5.3e-2, 6.6e-3, 3.1e-3, 714.0, 40.0),
        "nearest-minimal": (0.0, 5e-2, 8e-3, 0.0, 714.0, 40.0),
    },
)
_HIPPOCAMPUS: Choices[_Set] = Choices(
    "parameter set",
    {
        "all-full": (6.1e-3, 6.7e-3, 1.6e-3, 1.4e-3, 946.0, 27.0),
        "all-minimal": (5.3e-3, 8e-3, 3.5e-3, 0.0, 946.0, 40.0),
        "nearest-full": (4.6e-3, 9.1e-3, 3e-3, 7.5e-9, 575.0, 47.0),
        "nearest-minimal": (4.6e-3, 9.1e-3, 3e-3, 0.0, 575.0, 48.0),
    },
)


@final
@dataclass(frozen=True)
class FirstSpike(AbstractTraceTiming):
    """Only the first spike of each neuron in a presentation counts.

        dw = +a_plus f_plus(w)     t_pre <= t_post
             -a_minus f_minus(w)   t_pre > t_post, and where the presynaptic neuron is silent

    Masquelier & Thorpe 2007 (10.1371/journal.pcbi.0030031); Kheradpisheh et al. 2018
    (10.1016/j.neunet.2017.12.005) with these amplitudes. A finite tau makes its side decay
    with the lag as in ``AllPairs``; a silent neuron, whose spike is infinitely far away, then
    changes nothing.
    """

    a_plus: float = 0.004
    a_minus: float = 0.003
    tau_plus_ms: float = math.inf
    tau_minus_ms: float = math.inf
    coincidence: str = "potentiate"
    dependence: AbstractWeightDependence = _LOGISTIC

    @property
    def rule(self) -> TraceRule:
        return TraceRule(
            self.a_plus,
            self.a_minus,
            self.tau_plus_ms,
            self.tau_minus_ms,
            self.coincidence,
            "first",
        )


@final
@dataclass(frozen=True)
class Symmetric(AbstractTraceTiming):
    """``W(lag) = a exp(-|lag| / tau)``, lag 0 included: the order does not matter.

    Negative ``a`` depresses whatever fires together. Hippocampal CA3: Mishra, Kim, Guzman &
    Jonas 2016 (10.1038/ncomms11552).
    """

    a: float = 0.01
    tau_ms: float = 20.0
    dependence: AbstractWeightDependence = ADDITIVE

    @property
    def rule(self) -> TraceRule:
        return TraceRule(self.a, -self.a, self.tau_ms, self.tau_ms, "potentiate")


@final
@dataclass(frozen=True)
class AntiHebbian(AbstractTraceTiming):
    """The window of ``AllPairs`` turned round: causal pairs depress, acausal ones potentiate.

        W(lag) = -a_minus exp(-lag / tau_minus)    lag > 0
                 +a_plus  exp(+lag / tau_plus)     lag < 0

    Bell, Han, Sugawara & Grant 1997 (10.1038/387278a0). At lag 0 "potentiate" and
    "acausal", the same here, give a_plus, "both" a_plus - a_minus.
    """

    a_plus: float = 0.01
    a_minus: float = 0.01
    tau_plus_ms: float = 20.0
    tau_minus_ms: float = 20.0
    coincidence: str = "none"
    dependence: AbstractWeightDependence = ADDITIVE

    @property
    def rule(self) -> TraceRule:
        flipped = {"none": "none", "potentiate": "acausal", "both": "both"}
        _ = COINCIDENCE[self.coincidence]
        return TraceRule(
            -self.a_minus,
            -self.a_plus,
            self.tau_minus_ms,
            self.tau_plus_ms,
            flipped.get(self.coincidence, self.coincidence),
        )


@final
@dataclass(frozen=True)
class Inhibitory(AbstractTraceTiming):
    """Plasticity of inhibition that holds the postsynaptic rate at a target.

        at a presynaptic spike:   w += eta (y - 2 target tau)
        at a postsynaptic spike:  w += eta x

    with x and y traces of ``tau_ms``: spikes close in time strengthen, a presynaptic spike alone
    weakens. Under independent spikes the drift, ``2 eta tau pre_hz (post_hz - target_hz)``,
    vanishes where the neuron fires at ``target_hz``. A pair in one tick counts once, as causal.

    Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011 (10.1126/science.1211095).

    Args:
        eta: learning rate, in units of the weight.
        tau_ms: decay of both traces.
        target_hz: the rate at which excitation and inhibition balance.
    """

    eta: float = 0.01
    tau_ms: float = 20.0
    target_hz: float = 3.0
    dependence: AbstractWeightDependence = ADDITIVE

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.target_hz) and self.target_hz >= 0):
            raise ValueError(f"target_hz must be finite and not negative, got {self.target_hz}")

    @property
    def rule(self) -> TraceRule:
        alpha = 2 * self.target_hz * self.tau_ms / 1000
        return TraceRule(self.eta, -self.eta, self.tau_ms, self.tau_ms, "potentiate", offset=-alpha)


#: Timing variants by name: each entry called without arguments gives the variant of its source;
#: fields given by keyword stand in place of its own.
TIMINGS: Choices[Callable[..., AbstractTiming]] = Choices(
    "timing",
    {
        "all-pairs": AllPairs,
        "nearest-pair": NearestPair,
        "nearest-pair-centred": partial(NearestPair, scheme="presynaptic-centred"),
        "nearest-pair-reduced": partial(NearestPair, scheme="reduced"),
        "triplet": Triplet.visual_cortex,
        "triplet-full": partial(Triplet.visual_cortex, "all", "full"),
        "triplet-nearest": partial(Triplet.visual_cortex, "nearest", "minimal"),
        "triplet-nearest-full": partial(Triplet.visual_cortex, "nearest", "full"),
        "triplet-hippocampus": Triplet.hippocampus,
        "triplet-hippocampus-full": partial(Triplet.hippocampus, "all", "full"),
        "triplet-hippocampus-nearest": partial(Triplet.hippocampus, "nearest", "minimal"),
        "triplet-hippocampus-nearest-full": partial(Triplet.hippocampus, "nearest", "full"),
        "first-spike": FirstSpike,
        "symmetric": Symmetric,
        "anti-hebbian": AntiHebbian,
        "inhibitory": Inhibitory,
        "clopath": Clopath,
    },
    base=AbstractTiming,
    group="neurosim.timings",
)
