"""Cost of the STDP kernels as ratios in one run: ours against einsum, norse, snntorch and fused
weight-gradient calls.

    python tests/benchmarks/bench_stdp_kernels.py [--quick]

Every row is one presentation under all-pairs STDP; both sides of every ratio run in turn, and the
medians of processor time on one thread are compared. Dense-to-event conversion, the check for
0 and 1 and the choice of a kernel are part of our time. Peers sum over the batch as we do:

- einsum: exact traces, two einsum calls a tick (patches unfolded for a convolution);
- fused: exact traces, two weight-gradient calls a tick;  fused x 2: two such calls for all ticks
  at once, traces included;
- norse ``stdp_step_linear``, snntorch ``stdp_conv2d_single_step``: as shipped (their decays are
  Euler steps, so their numbers differ; their cost is what is compared).

The bound is the time that the memory traffic nobody can avoid would take: reading both spike
tensors once and writing the change once, at the bandwidth of a copy measured in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from norse.torch.functional.stdp import STDPParameters, STDPState, stdp_step_linear
from snntorch.functional.stdp_learner import stdp_conv2d_single_step
from torch import Tensor

from neurosim.spiking.timing.change import AbstractKernel, window_coefficients
from neurosim.spiking.timing.evolving import evolve
from neurosim.spiking.timing.rules import AllPairs, evolving
from neurosim.spiking.timing.traces import (
    ByDensity,
    EventKernel,
    FusedKernel,
    MeanOverBatch,
    SpikeWindow,
    SubsetKernel,
)
from neurosim.spiking.timing.weight_dependence import Guetig
from neurosim.synapses import AbstractSynapse, Conv2d, Dense

TIMING = AllPairs(0.01, 0.0105, 20.0, 20.0)
DT_MS = 1.0
Contenders = dict[str, Callable[[], Tensor]]


def tick_by_tick(
    correlate: Callable[[Tensor, Tensor], Tensor], pre: Tensor, post: Tensor
) -> Tensor:
    """Traces on both sides, two correlations a tick: the textbook implementation."""
    kp, km, ap, am, _ = window_coefficients(TIMING.rule, DT_MS)
    x, y = torch.zeros_like(pre[0]), torch.zeros_like(post[0])
    total: Tensor | float = 0.0
    for before, after in zip(pre, post, strict=True):
        total = total + ap * correlate(x, after) - am * correlate(before, y)
        x, y = kp * x + before, km * y + after
    assert isinstance(total, Tensor)
    return total


def all_at_once(synapse: AbstractSynapse, pre: Tensor, post: Tensor) -> Tensor:
    """Traces of both sides for all ticks, then two calls."""
    kp, km, ap, am, _ = window_coefficients(TIMING.rule, DT_MS)
    x, y = torch.empty_like(pre), torch.empty_like(post)
    before, after = torch.zeros_like(pre[0]), torch.zeros_like(post[0])
    for t in range(len(pre)):
        x[t], y[t] = before, after
        before, after = kp * before + pre[t], km * after + post[t]
    plus = synapse.correlate(x.flatten(0, 1), post.flatten(0, 1))[0]
    return ap * plus - am * synapse.correlate(pre.flatten(0, 1), y.flatten(0, 1))[0]


def unfolded(synapse: Conv2d) -> Callable[[Tensor, Tensor], Tensor]:
    """An einsum over patches."""

    def correlate(x: Tensor, y: Tensor) -> Tensor:
        patches = F.unfold(x, synapse.kernel, padding=synapse.padding)
        return torch.einsum("bop,bfp->of", y.flatten(2), patches).view(synapse.weight_shape)

    return correlate


def norse_linear(pre: Tensor, post: Tensor) -> Tensor:
    state = STDPState(torch.zeros_like(pre[0]), torch.zeros_like(post[0]))
    weight, parameters = torch.zeros(post.shape[2], pre.shape[2]), STDPParameters(hardbound=False)
    for before, after in zip(pre, post, strict=True):
        weight, state = stdp_step_linear(before, after, weight, state, parameters, DT_MS / 1000)
    return weight


def snntorch_conv(synapse: Conv2d, pre: Tensor, post: Tensor) -> Tensor:
    layer = torch.nn.Conv2d(synapse.n_in, synapse.n_out, synapse.kernel, padding=synapse.padding)
    x = y = None
    total = torch.zeros(synapse.weight_shape)
    for before, after in zip(pre, post, strict=True):
        x, y, change = stdp_conv2d_single_step(
            layer, before, after, x, y, 20.0, 20.0, lambda w: 1.0, lambda w: 1.0
        )
        total = total + change
    return total


def medians(contenders: Contenders, repeats: int) -> dict[str, float]:
    """Median processor time of each, run in turn."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for function in contenders.values():
        function()
    for _ in range(repeats):
        for name, function in contenders.items():
            started = time.process_time()
            function()
            times[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def copy_bytes_per_second() -> float:
    """Bytes read and written a second by a copy that fits no cache."""
    source, target = torch.zeros(1 << 26), torch.zeros(1 << 26)
    taken = medians({"copy": lambda: target.copy_(source)}, 3)["copy"]
    return 2 * source.numel() * 4 / taken


def row(
    label: str,
    synapse: AbstractSynapse,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
    density: float,
    peers: Callable[[Tensor, Tensor], Contenders],
    bandwidth: float,
    repeats: int,
) -> None:
    """Print how many times the time of the chosen kernel each contender takes."""
    g = torch.Generator().manual_seed(0)
    pre, post = ((torch.rand(s, generator=g) < density).float() for s in shapes)
    if pre.dim() == 5:  # the layout in which layers hand their spikes on
        pre, post = (
            t.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3) for t in (pre, post)
        )
    as_bytes = post.to(torch.uint8)

    def ours(kernel: AbstractKernel) -> Callable[[], Tensor]:
        def run() -> Tensor:
            spikes = SpikeWindow(pre, as_bytes)  # new each time: its counts are part of the cost
            return kernel.change(synapse, spikes, TIMING, DT_MS)

        return run

    contenders = {
        "ours": ours(ByDensity()),
        "events": ours(EventKernel()),
        "fused call": ours(FusedKernel()),
        **({"tables": ours(SubsetKernel())} if isinstance(synapse, Dense) else {}),
        **peers(pre, post),
    }
    expected = contenders["ours"]()
    for name, run in contenders.items():
        if name not in ("norse", "snntorch"):
            assert torch.allclose(run(), expected, atol=1e-3 * float(expected.abs().max())), name
    taken = medians(contenders, repeats)
    mine = taken.pop("ours")
    bound = (4 * pre.numel() + as_bytes.numel() + 4 * expected.numel()) / bandwidth
    chosen = type(ByDensity().choose(synapse, SpikeWindow(pre, as_bytes), TIMING)).__name__
    ratios = "  ".join(f"{name} {value / mine:.1f}x" for name, value in taken.items())
    print(
        f"{label} {density:.1%}: ours {1e3 * mine:.1f} ms ({chosen}, {mine / bound:.1f}x the "
        f"memory bound)  {ratios}",
        flush=True,
    )


def evolving_row(n_batch: int, n_ticks: int, density: float, repeats: int) -> None:
    """Print how many times the time of the compiled pass the frame-by-frame one takes, where the
    weight evolves within the presentation."""
    synapse, timing = Dense(784, 400), replace(TIMING, dependence=Guetig(mu=0.02))
    g = torch.Generator().manual_seed(0)
    sides = [(torch.rand((n_ticks, n_batch, n), generator=g) < density).float() for n in (784, 400)]
    weight = torch.rand(synapse.weight_shape, generator=g)
    args = (synapse, weight, SpikeWindow(*sides), timing, DT_MS, MeanOverBatch())
    assert torch.allclose(evolve(*args), evolving._anywhere(*args), atol=1e-4)
    taken = medians(
        {"ours": lambda: evolve(*args), "torch": lambda: evolving._anywhere(*args)}, repeats
    )
    mine = taken["ours"]
    print(
        f"evolving weights (Guetig) 784-400 batch {n_batch}, {n_ticks} ticks {density:.1%}: ours "
        f"{1e3 * mine:.1f} ms  frame by frame in torch {taken['torch'] / mine:.1f}x",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one repeat, batch 16 convolutions")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    repeats, batch, n_ticks = (1, 16, 4) if quick else (5, 128, 6)
    bandwidth = copy_bytes_per_second()
    print(f"copy bandwidth {bandwidth / 1e9:.1f} GB/s; every ratio is a peer's time over ours")
    dense = Dense(784, 400)

    def dense_peers(pre: Tensor, post: Tensor) -> Contenders:
        return {
            "einsum": lambda: tick_by_tick(lambda x, y: torch.einsum("bo,bi->oi", y, x), pre, post),
            "norse": lambda: norse_linear(pre, post),
        }

    for size, ticks in ((1, 250), (64, 25)):
        for density in (0.005, 0.02, 0.05, 0.2, 0.5):
            shapes = ((ticks, size, 784), (ticks, size, 400))
            label = f"dense 784-400 batch {size}, {ticks} ticks"
            row(label, dense, shapes, density, dense_peers, bandwidth, repeats)
    for size, ticks in ((1, 250), (64, 25)):
        for density in (0.005, 0.02, 0.05, 0.2):
            evolving_row(size, ticks, density, min(repeats, 3))
    conv = Conv2d(32, 64, 3, padding=1)

    def conv_peers(pre: Tensor, post: Tensor) -> Contenders:
        return {
            "fused": lambda: tick_by_tick(lambda x, y: conv.correlate(x, y)[0], pre, post),
            "fused x 2": lambda: all_at_once(conv, pre, post),
            "einsum": lambda: tick_by_tick(unfolded(conv), pre, post),
        }

    for density in (0.005, 0.02, 0.05, 0.1, 0.2, 0.5):
        shapes = ((n_ticks, batch, 32, 16, 16), (n_ticks, batch, 64, 16, 16))
        label = f"conv 32-64 3x3 16x16 batch {batch}, {n_ticks} ticks"
        row(label, conv, shapes, density, conv_peers, bandwidth, repeats)
    # One tick is enough where each of them costs the same.
    shapes = ((1, batch, 32, 16, 16), (1, batch, 64, 16, 16))

    def snntorch_peer(pre: Tensor, post: Tensor) -> Contenders:
        return {"snntorch": lambda: snntorch_conv(conv, pre, post)}

    for density in (0.02, 0.05):
        label = f"conv 32-64 3x3 16x16 batch {batch}, 1 tick"
        row(label, conv, shapes, density, snntorch_peer, bandwidth, repeats)


if __name__ == "__main__":
    main()
