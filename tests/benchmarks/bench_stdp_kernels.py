"""Cost of the STDP kernels as ratios in one run: events against fused calls and einsum.

    python tests/benchmarks/bench_stdp_kernels.py

For a convolution the yardstick is two fused weight-gradient calls a tick over the traces (what a
trace-by-trace implementation costs); for a dense layer it is one einsum for each half of the
window. Every contender sees the same spikes and gives the same numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from neurosim.spiking.kernels import window_coefficients
from neurosim.spiking.timing import AllPairs
from neurosim.spiking.traces import (
    ByDensity,
    EventKernel,
    FusedKernel,
    SpikeWindow,
)
from neurosim.synapses import AbstractSynapse, Conv2d, Dense

TIMING = AllPairs(0.01, 0.0105, 20.0, 20.0)
DT_MS = 5.0


def tick_by_tick(correlate: Callable[[Tensor, Tensor], Tensor], spikes: SpikeWindow) -> Tensor:
    """Traces on both sides, two correlations a tick: the textbook implementation."""
    kp, km, ap, am, _ = window_coefficients(TIMING.rule, DT_MS)
    x, y = torch.zeros_like(spikes.pre[0]), torch.zeros_like(spikes.post[0])
    total: Tensor | float = 0.0
    for pre, post in zip(spikes.pre, spikes.post, strict=True):
        total = total + ap * correlate(x, post) - am * correlate(pre, y)
        x, y = kp * x + pre, km * y + post
    assert isinstance(total, Tensor)
    return total


def seconds(function: Callable[[], Tensor], repeats: int = 3) -> float:
    """Best processor time of a call."""
    function()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        function()
        times.append(time.process_time() - started)
    return min(times)


def compare(
    label: str,
    synapse: AbstractSynapse,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    density: float,
    correlate: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """Print one row: the yardstick's time, and how many times faster each kernel is."""
    g = torch.Generator().manual_seed(0)
    pre, post = ((torch.rand(s, generator=g) < density).float() for s in shapes)
    if pre.dim() == 5:
        pre, post = (
            t.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3) for t in (pre, post)
        )
    bytes_of_post = post.to(torch.uint8)

    def run(kernel: EventKernel | FusedKernel | ByDensity) -> Callable[[], Tensor]:
        # A new window each time: the count of spikes is part of the cost.
        return lambda: kernel.change(synapse, SpikeWindow(pre, bytes_of_post), TIMING, DT_MS)

    def yardstick() -> Tensor:
        return tick_by_tick(correlate, SpikeWindow(pre, post))

    expected = yardstick()
    base = seconds(yardstick)
    ratios = []
    for kernel in (EventKernel(), FusedKernel(), ByDensity()):
        change = run(kernel)()
        assert torch.allclose(change, expected, atol=1e-3 * float(expected.abs().max())), label
        ratios.append(base / seconds(run(kernel)))
    chosen = type(ByDensity().choose(synapse, SpikeWindow(pre, bytes_of_post), TIMING)).__name__
    columns = " ".join(f"{r:7.1f}x" for r in ratios)
    print(f"{label:26s} {density:6.1%} {1e3 * base:9.1f} ms {columns}  {chosen}", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'':26s} {'post':>6s} {'yardstick':>12s} {'events':>8s} {'fused':>8s} {'chosen':>8s}")
    conv = Conv2d(32, 64, 3, padding=1)
    for density in (0.005, 0.02, 0.05, 0.2, 0.5):
        compare(
            "conv 32-64 16x16 batch 32",
            conv,
            ((6, 32, 32, 16, 16), (6, 32, 64, 16, 16)),
            density,
            lambda x, y: conv.correlate(x, y)[0],
        )
    for batch, n_ticks in ((1, 250), (64, 25)):
        for density in (0.02, 0.05, 0.2):
            compare(
                f"dense 784-400 batch {batch}",
                Dense(784, 400),
                ((n_ticks, batch, 784), (n_ticks, batch, 400)),
                density,
                lambda x, y: torch.einsum("bo,bi->oi", y, x),
            )


if __name__ == "__main__":
    main()
