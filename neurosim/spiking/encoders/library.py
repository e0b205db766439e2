"""The encoders of snntorch and norse that keep the laws of an encoder, behind the same call.

Left out, and why (docs/encoders.md has the numbers): snntorch's logarithmic latency and norse's
population code depend on the rest of the batch; snntorch's delta never sees a slow ramp; norse's
latency code is silent for every input that does not reach its threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from neurosim.spiking.encoders.base import (
    AbstractEncoder,
    RateEncoder,
    frames,
    require_positive,
)


@final
@dataclass(frozen=True)
class SnntorchRate(RateEncoder):
    """``snntorch.spikegen.rate``: each tick spikes with ``p = x max_rate dt``, independently.

    snntorch draws from PyTorch's global generator; it is seeded from ours for the call and put
    back as it was.
    """

    @property
    def stochastic(self) -> bool:
        return True

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        from snntorch import spikegen

        p = x * self.per_tick(dt_ms)
        with _global_generator_of(generator):
            return _in_layout_of(x, spikegen.rate(p.cpu(), num_steps=n_ticks))


@final
@dataclass(frozen=True)
class SnntorchLatency(AbstractEncoder):
    """``snntorch.spikegen.latency`` in its linear form: tick ``round((1 - x)(n_ticks - 1))``.

    With the smallest threshold there is, so that 0 alone is silent.
    """

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        from snntorch import spikegen

        if not x.numel():  # snntorch asks for the largest of its input
            return frames(x, n_ticks)
        spikes = spikegen.latency(
            x,
            num_steps=n_ticks,
            threshold=torch.finfo(x.dtype).tiny,
            linear=True,
            normalize=True,
            clip=True,
        )
        return _in_layout_of(x, spikes)


@final
@dataclass(frozen=True)
class NorsePoisson(RateEncoder):
    """``norse.torch.functional.poisson_encode``: ``p = x max_rate dt`` a tick, independently.

    Despite its name a Bernoulli process: rate and law are those of ``Bernoulli``.
    """

    @property
    def stochastic(self) -> bool:
        return True

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        from norse.torch.functional.encode import poisson_encode

        self.per_tick(dt_ms)
        # norse's dt is in seconds.
        spikes = poisson_encode(x.cpu(), n_ticks, self.max_rate_hz, dt_ms / 1000, generator)
        return _in_layout_of(x, spikes)


@final
@dataclass(frozen=True)
class NorseCurrent(AbstractEncoder):
    """``norse.torch.functional.constant_current_lif_encode``: a leaky integrate-and-fire neuron
    for each input under a constant current ``gain x``, threshold 1, reset to 0.

        v <- v + (dt / tau)(gain x - v)

    An input of at most ``1 / gain`` never reaches the threshold; a larger one spikes earlier
    and more often.
    """

    tau_mem_ms: float = 10.0
    gain: float = 4.0

    def __post_init__(self) -> None:
        require_positive(self, "tau_mem_ms", "gain")
        if self.gain <= 1:
            raise ValueError(
                f"gain={self.gain} leaves even intensity 1 below the threshold: use gain > 1"
            )

    def _encode(
        self, x: Tensor, n_ticks: int, dt_ms: float, generator: torch.Generator | None
    ) -> Tensor:
        from norse.torch.functional.encode import constant_current_lif_encode
        from norse.torch.functional.lif import LIFParameters

        if dt_ms >= self.tau_mem_ms:
            raise ValueError(
                f"norse integrates by Euler steps and needs dt_ms < tau_mem_ms, got {dt_ms} and "
                f"{self.tau_mem_ms}: use a shorter tick or a longer tau_mem_ms"
            )
        parameters = LIFParameters(tau_mem_inv=1 / self.tau_mem_ms, method="heaviside")
        spikes = constant_current_lif_encode(self.gain * x, n_ticks, parameters, dt_ms)
        return _in_layout_of(x, spikes)


def _in_layout_of(x: Tensor, spikes: Tensor) -> Tensor:
    """The library's spikes in the dtype of x, each frame in its memory layout."""
    return frames(x, len(spikes)).copy_(spikes)


@contextmanager
def _global_generator_of(generator: torch.Generator | None) -> Iterator[None]:
    """PyTorch's generator of the CPU, on which all draws are made: the same on every device."""
    assert generator is not None
    seed = int(torch.randint(1 << 62, (), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
