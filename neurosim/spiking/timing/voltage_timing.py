"""Voltage-based plasticity: the membrane, not the spike, is the postsynaptic side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from neurosim.naming.settings import KnownSettings, require_time, unmasked
from neurosim.spiking.timing.abstract_timing import AbstractTiming
from neurosim.spiking.timing.weight_dependence import ADDITIVE, AbstractWeightDependence

if TYPE_CHECKING:  # torch is not needed to declare a timing
    from torch import Tensor

    from neurosim.spiking.timing.factors import AbstractCausal, Factor
    from neurosim.spiking.timing.spike_window import SpikeWindow


@final
@dataclass(frozen=True)
class SpikeVoltage(KnownSettings):
    """The membrane of a neuron of which only the spikes are known (mV, ms).

    A spike holds the voltage at ``peak`` for ``width``; then it falls to ``reset`` and relaxes
    under a depolarising afterpotential, ``tau_membrane du/dt = rest - u + z``,
    ``tau_after dz/dt = -z``, z set to ``after`` at the spike. Values as in the model of Clopath
    et al. 2010 (33 mV for 2 ms; 281 pF / 30 nS; 400 pA / 30 nS decaying over 40 ms).
    """

    rest: float = -70.6
    peak: float = 33.0
    width_ms: float = 2.0
    reset: float = -60.0
    tau_membrane_ms: float = 281.0 / 30.0
    after: float = 400.0 / 30.0
    tau_after_ms: float = 40.0

    def __post_init__(self) -> None:
        for name in ("width_ms", "tau_membrane_ms", "tau_after_ms"):
            require_time(name, getattr(self, name))
        for name in ("rest", "peak", "reset", "after"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}")

    def of(self, post: np.ndarray, dt_ms: float) -> np.ndarray:
        """The voltage (mV) at each tick of spikes ``(time, n)``, float64.

        Raises:
            ValueError: spikes of another shape, or that are not 0 and 1.
        """
        from neurosim.spiking.kernels.voltage import waveform

        require_time("dt_ms", dt_ms)
        post = unmasked("post", post)
        if post.ndim != 2:
            raise ValueError(f"spikes must be (time, n), got the shape {post.shape}")
        if not ((post == 0) | (post == 1)).all():
            raise ValueError("spikes are 0 or 1, but post holds other values: give spikes")
        out = np.empty(post.shape)
        waveform(
            np.ascontiguousarray(post != 0).view(np.uint8),
            dt_ms,
            self.rest,
            self.peak,
            max(1, round(self.width_ms / dt_ms)),
            self.reset,
            self.tau_membrane_ms,
            self.after,
            self.tau_after_ms,
            out,
        )
        return out


@final
@dataclass(frozen=True)
class Clopath(AbstractTiming):
    """Voltage-based STDP.

        dw/dt = - a_ltd X(t) [u_minus - theta_minus]_+
                + a_ltp x_bar [u - theta_plus]_+ [u_plus - theta_minus]_+

    X the presynaptic spikes, x_bar their low-pass filter of ``tau_x``, u the membrane, u_minus
    and u_plus its low-pass filters of ``tau_minus`` and ``tau_plus``, both read ``delay_ms`` late,
    so that a spike does not see itself. The membrane is ``spikes.voltage`` where given (in a
    network the cells' own, see ``Millivolts``), else what ``voltage`` makes of the postsynaptic
    spikes. Filters start at rest, of a given membrane at theta_minus. The weight goes on changing
    after the last spike while x_bar decays: ``weight_change`` waits for it, a network's
    presentation ends when it ends.

    Clopath, Buesing, Vasilaki & Gerstner 2010 (10.1038/nn.2479), parameters of visual cortex;
    the delay is that of NEST's implementation (5 ms).

    Args:
        a_ltd: per mV. a_ltp: per mV^2. theta_minus, theta_plus: mV.
    """

    reads_voltage: ClassVar[bool] = True

    a_ltd: float = 14e-5
    a_ltp: float = 8e-5
    theta_minus: float = -70.6
    theta_plus: float = -45.3
    tau_x_ms: float = 15.0
    tau_minus_ms: float = 10.0
    tau_plus_ms: float = 7.0
    delay_ms: float = 5.0
    voltage: SpikeVoltage = SpikeVoltage()
    dependence: AbstractWeightDependence = ADDITIVE

    @property
    def tail_ms(self) -> float:
        """Nothing potentiates once x_bar is gone, and nothing depresses between spikes."""
        return 40 * self.tau_x_ms

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("tau_x_ms", "tau_minus_ms", "tau_plus_ms"):
            require_time(name, getattr(self, name))
        for name in ("a_ltd", "a_ltp", "theta_minus", "theta_plus", "delay_ms"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}")
        if self.delay_ms < 0:
            raise ValueError(f"delay_ms must not be negative, got {self.delay_ms}")

    def sides(self, spikes: SpikeWindow, dt_ms: float) -> tuple[Factor, Factor]:
        """``(x_bar, potentiating side), (X, depressing side)``, each with its time step."""
        import torch

        from neurosim.spiking.kernels.voltage import voltage_sides
        from neurosim.spiking.timing.factors import trace

        if spikes.ticks is not None:
            raise ValueError("Clopath follows the membrane at every tick: leave ticks None")
        pre, post = spikes.pre, spikes.post
        shape = (len(post), -1)
        # The membrane is a recursion over ticks: it runs on the host for every device.
        if spikes.voltage is None:
            u = self.voltage.of(post.reshape(shape).cpu().numpy(), dt_ms)
            rest = self.voltage.rest
        else:
            u = spikes.voltage.reshape(shape).cpu().contiguous().numpy()
            rest = self.theta_minus
        if not np.isfinite(u).all():
            raise ValueError("the voltage holds values that are not finite")
        kind = np.float32 if pre.dtype == torch.float32 else np.float64
        ltp, ltd = (np.empty(u.shape, kind) for _ in range(2))
        voltage_sides(
            u,
            (math.exp(-dt_ms / self.tau_plus_ms), math.exp(-dt_ms / self.tau_minus_ms)),
            rest,
            round(min(self.delay_ms / dt_ms, len(post))),
            (self.theta_plus, self.theta_minus),
            (self.a_ltp * dt_ms, self.a_ltd),
            ltp,
            ltd,
        )
        keep = spikes.clock(dt_ms).keep(self.tau_x_ms).tolist()
        x_bar = trace(pre / self.tau_x_ms, keep, own=True)
        plus, minus = (torch.from_numpy(s).to(pre).reshape(post.shape) for s in (ltp, ltd))
        return (x_bar, plus), (pre, minus)

    def whole_window(
        self, spikes: SpikeWindow, dt_ms: float, gain: Tensor | None = None
    ) -> Iterator[Factor]:
        from neurosim.spiking.timing.factors import along_time

        (x_bar, ltp), (pre, ltd) = self.sides(spikes, dt_ms)
        if gain is not None:
            ltp, ltd = ltp * along_time(gain, ltp), ltd * along_time(gain, ltd)
        yield x_bar, ltp
        yield pre, -ltd

    def causal(self, spikes: SpikeWindow, dt_ms: float) -> AbstractCausal:
        from neurosim.spiking.timing.factors import Listed

        plus, minus = self.sides(spikes, dt_ms)
        return Listed(plus, minus)
