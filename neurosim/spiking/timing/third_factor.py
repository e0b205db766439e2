"""The third factor: spikes mark a synapse, a reward that may come later changes it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

from neurosim.spiking.timing.abstract_timing import AbstractTiming, require_positive_times
from neurosim.spiking.timing.weight_dependence import AbstractWeightDependence

if TYPE_CHECKING:  # torch is not needed to declare a timing
    from torch import Tensor

    from neurosim.spiking.timing.factors import AbstractCausal, Factor
    from neurosim.spiking.timing.spike_window import Clock, SpikeWindow


@final
@dataclass(frozen=True)
class Rewarded(AbstractTiming):
    """STDP through an eligibility trace.

        dc/dt = -c / tau_eligibility + (changes of ``timing``),     dw/dt = d(t) c(t)

    d is the reward: impulses as given (``tau_reward_ms`` 0; Florian 2007,
    10.1162/neco.2007.19.6.1468, whose trace is c / tau), or their low-pass filter of the same
    area, ``tau_reward dd/dt = -d + reward`` (dopamine; Izhikevich 2007, 10.1093/cercor/bhl152:
    1,000 and 200 ms). What c and d still hold at the end of a window acts after it.

    The reward of each tick and image comes with the spikes, ``SpikeWindow.reward`` or
    the ``reward`` of a ``LocalSignal``.

    Args:
        timing: what marks the synapse; its weight dependence scales the marks as they are set.
        tau_eligibility_ms: decay of the marks.
        tau_reward_ms: decay of the reward signal; 0 for impulses.
    """

    timing: AbstractTiming
    tau_eligibility_ms: float = 1000.0
    tau_reward_ms: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.timing, AbstractTiming) or isinstance(self.timing, Rewarded):
            raise TypeError(
                f"Rewarded takes one timing such as AllPairs() or Triplet(), got {self.timing!r}"
            )
        require_positive_times(self)
        if not (math.isfinite(self.tau_eligibility_ms) and self.tau_eligibility_ms > 0):
            raise ValueError(
                f"tau_eligibility_ms must be finite and positive, got {self.tau_eligibility_ms}"
            )
        if not (math.isfinite(self.tau_reward_ms) and self.tau_reward_ms >= 0):
            raise ValueError(
                f"tau_reward_ms must be finite and not negative, got {self.tau_reward_ms}"
            )

    @property
    def reads_voltage(self) -> bool:  # type: ignore[override]
        """As the timing that marks."""
        return self.timing.reads_voltage

    @property
    def tail_ms(self) -> float:
        """As the timing that marks: what marks are worth later is part of each mark."""
        return self.timing.tail_ms

    @property
    def dependence(self) -> AbstractWeightDependence:  # type: ignore[override]
        return self.timing.dependence

    def under(self, dependence: AbstractWeightDependence) -> Rewarded:
        return replace(self, timing=self.timing.under(dependence))

    @property
    def tau_joint_ms(self) -> float:
        """Decay of the product of eligibility and reward signal; 0 for impulses."""
        if self.tau_reward_ms == 0:
            return 0.0
        return 1 / (1 / self.tau_eligibility_ms + 1 / self.tau_reward_ms)

    def reward_of(self, spikes: SpikeWindow) -> Tensor:
        """The reward of a window, checked."""
        if spikes.reward is None:
            raise ValueError(
                "Rewarded needs a reward, one number per image and tick: give "
                "SpikeWindow(reward=...) or LocalSignal(pre, post, {'reward': ...})"
            )
        if not bool(spikes.reward.isfinite().all()):
            raise ValueError("the reward holds values that are not finite")
        return spikes.reward

    def worth(self, reward: Tensor, clock: Clock) -> Tensor:
        """What a change marked at each frame will have been worth, ``(time, batch)``: the
        integral of reward times eligibility over all times, known once the window is over."""
        from neurosim.spiking.timing.factors import trace

        ahead = clock.keep(self.tau_eligibility_ms).tolist()
        if self.tau_reward_ms == 0:
            return trace(reward, ahead, own=True, back=True)
        behind = clock.keep(self.tau_reward_ms).tolist()
        both = trace(reward, ahead, own=True, back=True) + trace(reward, behind)
        return both * (self.tau_joint_ms / self.tau_reward_ms)

    def whole_window(
        self, spikes: SpikeWindow, dt_ms: float, gain: Tensor | None = None
    ) -> Iterator[Factor]:
        worth = self.worth(self.reward_of(spikes).to(spikes.pre), spikes.clock(dt_ms))
        return self.timing.whole_window(spikes, dt_ms, worth if gain is None else worth * gain)

    def causal(self, spikes: SpikeWindow, dt_ms: float) -> AbstractCausal:
        return self.timing.causal(spikes, dt_ms)
