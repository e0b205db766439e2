"""The laws of encoders, cells and timings as one call each, for a test suite of one's own.

    def test_my_encoder():
        check_encoder(MyEncoder(depth=3))

``neurosim.models.testing`` adds ``check_rule``. neurosim's own tests call the same functions over
the registries.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurosim.naming.choices import Choices
from neurosim.naming.made import canonical, made
from neurosim.spiking.cells.base import AbstractCell
from neurosim.spiking.cells.registry import CELLS
from neurosim.spiking.encoders.base import AbstractEncoder
from neurosim.spiking.encoders.registry import ENCODERS
from neurosim.spiking.timing.change import FusedKernel
from neurosim.spiking.timing.rules import TIMINGS, AbstractTiming, AbstractTraceTiming
from neurosim.spiking.timing.single_synapse import weight_change
from neurosim.spiking.timing.spike_window import SpikeWindow
from neurosim.spiking.timing.weight_dependence import Additive
from neurosim.synapses import Dense

__all__ = ["ContractError", "check_cell", "check_encoder", "check_timing", "require"]


class ContractError(AssertionError):
    """A law that something of one's own does not keep, in a sentence."""


def require(holds: bool | Tensor, thing: Any, law: str) -> None:
    """Raise ``ContractError`` where a law does not hold."""
    if not bool(holds):
        raise ContractError(f"{type(thing).__name__}: {law}")


def check_encoder(
    encoder: AbstractEncoder, *, n_ticks: int = 12, dt_ms: float = 5.0, seed: int = 0
) -> None:
    """Spikes are 0 and 1, time first, reproducible, and of each image alone.

    Args:
        n_ticks, dt_ms: a presentation that the encoder can code.
        seed: of the intensities shown.

    Raises:
        ContractError: naming the law that does not hold.
    """
    for dtype in (torch.float32, torch.float64):
        _check_spikes(encoder, _intensities(seed).to(dtype), n_ticks, dt_ms)
    x = _intensities(seed)

    def coded(images: Tensor) -> Tensor:
        return encoder.encode(images, n_ticks, dt_ms, _generator(seed))

    others = torch.cat([x[:1], 1 - x[1:]])
    first, second = coded(x), coded(others)
    require(
        torch.equal(first[:, 0], second[:, 0]), encoder,
        "an image is coded otherwise where the rest of its batch differs",
    )  # fmt: skip
    require(
        not torch.equal(first[:, 1:], second[:, 1:]), encoder, "other images give the same spikes"
    )
    require(
        torch.equal(coded(x), first), encoder,
        "the same generator gives other spikes: draw from the generator given and no other",
    )  # fmt: skip
    strided = coded(x.contiguous(memory_format=torch.channels_last))
    require(torch.equal(strided, first), encoder, "another memory layout gives other spikes")
    with _global_generator_untouched(encoder):
        coded(x)
    for shape in ((0, 2, 4, 5), (0, 0)):
        empty = encoder.encode(torch.zeros(shape), n_ticks, dt_ms, _generator(seed))
        require(empty.shape[1] == 0, encoder, "a batch of no images gives spikes")
    _check_declared(encoder, ENCODERS)


def _check_spikes(encoder: AbstractEncoder, x: Tensor, n_ticks: int, dt_ms: float) -> None:
    x[:, 0, 0] = 0
    before, n_units = x.clone(), len(encoder.preferred)
    spikes = encoder.encode(x, n_ticks, dt_ms, _generator(0))
    require(torch.equal(x, before), encoder, "the intensities are overwritten")
    wanted = (n_ticks, len(x), n_units * x.shape[1], *x.shape[2:])
    require(
        tuple(spikes.shape) == wanted, encoder,
        f"spikes are {tuple(spikes.shape)}, not (time, batch, units x channels, ...) = {wanted}",
    )  # fmt: skip
    require(spikes.dtype == x.dtype, encoder, f"spikes of {x.dtype} intensities are {spikes.dtype}")
    require(((spikes == 0) | (spikes == 1)).all(), encoder, "spikes are not all 0 or 1")
    require(spikes.any(), encoder, f"no intensity spikes in {n_ticks} ticks of {dt_ms} ms")
    if n_units == 1:
        require(not spikes[:, :, 0, 0].any(), encoder, "an intensity of 0 spikes")


def check_cell(cell: AbstractCell, *, n_ticks: int = 40, seed: int = 0) -> None:
    """A tick is a pure function of input and state, each neuron is on its own, rest is rest, and an
    input of 1 raises a cell at rest by 1.

    Raises:
        ContractError: naming the law that does not hold.
    """
    draws = torch.randn(n_ticks, 3, 2, 4, generator=_generator(seed), dtype=torch.float64)
    for dtype in (torch.float32, torch.float64):
        _check_ticks(cell, draws.to(dtype) * 1.2)
    spikes, voltages = _driven(cell, draws)
    alone = _driven(cell, draws[:, 1:2])
    require(
        torch.equal(spikes[:, 1:2], alone[0]) and torch.equal(voltages[:, 1:2], alone[1]), cell,
        "what a neuron does depends on the others",
    )  # fmt: skip
    require(0 < spikes.mean() < 1, cell, "noise of twice the threshold fires it always or never")
    silent, resting = _driven(cell, torch.zeros(200, 1, 2))
    require(not silent.any(), cell, "it fires without input")
    require(resting.abs().max() < 0.1, cell, "its voltage leaves rest without input")
    free, membrane = _driven(cell, draws.abs(), math.inf)
    require(not free.any(), cell, "it fires at an infinite threshold")
    require(membrane.isfinite().all(), cell, "its voltage is not finite at an infinite threshold")
    # A synapse in between may hand a current on a tick later; 1e-5: the foot of an exponential
    # cell's upswing at a threshold of 10.
    one = torch.zeros(2, 1, 1, dtype=torch.float64)
    one[0] = 1
    raised = _driven(cell, one, 10.0)[1].flatten()
    require(
        bool(((raised - 1).abs() < 1e-5).any()), cell,
        f"an input of 1 raises its voltage at rest to {raised[0]:.4g}, not 1: currents are in "
        "units of voltage",
    )  # fmt: skip
    _check_declared(cell, CELLS)


def _check_ticks(cell: AbstractCell, currents: Tensor) -> None:
    state = cell.rest(currents[0])
    require(len(state) == 1 + len(cell.memory_names), cell, "rest() and memory_names differ")
    for current in currents:
        given = tuple(tensor.clone() for tensor in (current, *state))
        spikes, after = cell.tick(current, state)
        untouched = all(map(torch.equal, given, (current, *state)))
        require(untouched, cell, "a tick overwrites its input or state")
        require(((spikes == 0) | (spikes == 1)).all(), cell, "spikes are not all 0 or 1")
        for tensor in (spikes, *after):
            alike = tensor.shape == current.shape and tensor.dtype == current.dtype
            require(alike, cell, "spikes and state are not of the shape and dtype of the input")
            require(tensor.isfinite().all(), cell, "its state is not finite")
        state = after


def check_timing(timing: AbstractTiming, *, dt_ms: float = 1.0) -> None:
    """Synapses and images add up, an isolated pair gives ``window``, and silence changes nothing.

    Raises:
        ContractError: naming the law that does not hold.
    """
    plain = timing.under(Additive())
    if isinstance(plain, AbstractTraceTiming):
        for lag in (-50.0, -10.0, 0.0, 10.0, 50.0):
            change = weight_change(plain, [100.0], [100.0 + lag])
            window = float(plain.window(lag))
            require(
                abs(change - window) <= 1e-12 * max(1.0, abs(window)), timing,
                f"a pair at a lag of {lag:g} ms changes the weight by {change:.6g}, its window "
                f"says {window:.6g}",
            )  # fmt: skip
    draws = torch.rand(2, 17, 3, 4, generator=_generator(1))
    pre, post = (draws < 0.25).double()

    def change_of(images: slice, sources: slice) -> np.ndarray:
        shown = SpikeWindow(pre[:, images, sources], post[:, images])
        found = FusedKernel().change(Dense(shown.pre.shape[-1], 4), shown, plain, dt_ms)
        return found.numpy()

    everything = slice(None)
    whole = change_of(everything, everything)
    # Float64, a few hundred terms of the size of the whole.
    tolerance = 1e-10 * max(1.0, float(np.abs(whole).max()))
    apart = sum(change_of(slice(i, i + 1), everything) for i in range(3))
    require(np.abs(whole - apart).max() <= tolerance, timing, "the changes of images do not add up")
    alone = change_of(everything, slice(2, 3))
    require(
        np.abs(whole[:, 2:3] - alone).max() <= tolerance, timing,
        "what one synapse does depends on the others",
    )  # fmt: skip
    silence = FusedKernel().change(Dense(4, 4), SpikeWindow(0 * pre, 0 * post), plain, dt_ms)
    first_spikes = not silence.any() or getattr(timing, "rule", None) is not None
    require(first_spikes, timing, "the weight changes where nothing fires")
    _check_declared(timing, TIMINGS)


def _check_declared(thing: Any, registry: Choices[Any]) -> None:
    """It is a value: frozen, comparable, and a text stands for it."""
    require(dataclasses.is_dataclass(thing), thing, "it is not a frozen dataclass")
    require(pickle.loads(pickle.dumps(thing)) == thing, thing, "it is another one when pickled")
    text = canonical(registry, thing)
    require(made(registry, text) == thing, thing, f"its text, {text}, makes another one")


def _driven(cell: AbstractCell, currents: Tensor, threshold: float = 1.0) -> tuple[Tensor, Tensor]:
    """Spikes and voltages, (time, ...), from rest."""
    state, spikes, voltages = cell.rest(currents[0]), [], []
    for current in currents:
        fired, state = cell.tick(current, state, threshold)
        spikes.append(fired)
        voltages.append(state[0])
    return torch.stack(spikes), torch.stack(voltages)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _intensities(seed: int) -> Tensor:
    return torch.rand((3, 2, 4, 5), generator=_generator(seed))


@contextmanager
def _global_generator_untouched(thing: Any) -> Iterator[None]:
    before = torch.get_rng_state()
    yield
    require(
        torch.equal(torch.get_rng_state(), before), thing,
        "it draws from PyTorch's global generator: draw from the generator given",
    )  # fmt: skip
