"""Send every compiled kernel every wrong size; run by test_kernel_door in a process of its own.

Prints one line per kernel. Ends with an error where a wrong size is taken, or an index leaves its
array (told by numba under NUMBA_BOUNDSCHECK=1, by the allocator without).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from neurosim.rsa.kernels import distance, rank, resample, spike
from neurosim.spiking.kernels import (
    competition,
    event,
    evolving,
    simulate,
    subset,
    trace,
    voltage,
)

Arguments = list[Any]
T, B, I, O, N = 7, 3, 13, 11, 5  # noqa: E741


def real(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def spikes(*shape: int) -> np.ndarray:
    return np.ones(shape, np.uint8)


def double(*shape: int) -> np.ndarray:
    return np.ones(shape)


def single(n: int, value: float = 0.5) -> tuple[np.float32, ...]:
    return tuple(np.float32(value) for _ in range(n))


def numbers(n: int, kind: type = np.uint16) -> np.ndarray:
    return np.arange(n).astype(kind)


def whole(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.int64)


def network() -> Arguments:
    """5 neurons, two of them a group of their own, and 3 sources; each size another number."""
    n, n_all, depth, n_branches, n_synapses, n_sites = 5, 8, 6, 9, 11, 4
    groups = np.array([[0, 2, 0], [2, 5, 4]])
    start = np.minimum(np.arange(n_branches + 1), n_synapses)
    return [
        3, 7, (1, 0, 2), 2, groups, (double(n, 10), double(n)),
        (double(n), double(n, 3), whole(n)), double(n, 2), double(7, n), spikes(n),
        (whole(8), whole(10)), (whole(depth, n_all), whole(depth)),
        (np.array([0, 2]), whole(2 * n_all + 1)),
        (start, whole(n_branches) - 1, whole(n_branches)),
        (whole(n_synapses), whole(n_synapses), whole(n_synapses)), double(n_synapses),
        (whole(n + 1), whole(n_sites), whole(n_sites), whole(n_sites + 1), whole(13)),
        whole(2), (double(3, 40), double(3, 4, 12)),
        (double(n_branches, 4), whole(n_branches, 2)), (double(n_sites, 2), whole(n_sites, 2)),
        double(n_synapses), (double(n_synapses), whole(n_synapses)), (double(7, 3), double(3)),
        (double(2, 5), double(2, 14, 2)), (whole(n_branches), whole(1)),
        (whole(60, 2), whole(1)), whole(4, 2), double(3, 4),
    ]  # fmt: skip


def pairs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stimuli of the 10 pairs of 5, and the ends of their runs."""
    rows, columns = np.triu_indices(N, 1)
    return rows.astype(np.uint16), columns.astype(np.uint16), np.array([4, 5, 10], np.int32)


CASES: dict[str, Callable[[], Arguments]] = {
    "trace.filter_all": lambda: [real(T, 1, I), single(5), real(T, 1, I)],
    "trace.trace": lambda: [
        real(T, I), real(T, I), real(T), True, True, True, real(T, I),
    ],
    "trace.all_binary": lambda: [real(I)],
    "trace.count": lambda: [spikes(B, I), np.zeros(I, np.int64)],
    "trace.dense": lambda: [real(T, B, I), spikes(T, B, O), single(5), real(O, I)],
    "trace.conv2d": lambda: [
        real(T, B, 9, 7, 2), spikes(T, B, 5, 4, 16), spikes(T, B, 5, 4, 16).view(np.uint64),
        single(5), 2, 1, 1, real(16, 3, 3, 2),
    ],
    "event.dense": lambda: [
        real(T, B, I), spikes(T, B, 16), spikes(T, B, 16).view(np.uint64), (3, 1, 1, 0),
        single(4), real(3, T), np.arange(float(T)), (20.0, 20.0, 20.0), real(T, B), real(16, I),
    ],
    "subset.dense": lambda: [real(T, B, I), spikes(T, B, O), single(5), real(O, I)],
    "evolving.dense": lambda: [
        (real(T, B, I), real(T, B, O)), (real(T, B, I), real(T, B, O)),
        (real(2, I), real(2, O)), real(O), single(4), single(2), single(2), real(O, I),
    ],
    "simulate.run": network,
    "voltage.waveform": lambda: [
        spikes(T, I), 1.0, -70.6, 33.0, 2, -60.0, 9.0, 13.0, 40.0, double(T, I),
    ],
    "voltage.voltage_sides": lambda: [
        double(T, I), (0.5, 0.5), -70.0, 2, (-70.0, -45.0), (1.0, 1.0), real(T, I), real(T, I),
    ],
    "competition.winner_take_all": lambda: [
        2 * real(B, 5, 7, O), real(B, 5, 7, O), np.float32(0.5), real(1, O),
        spikes(B, 5, 7, O), real(B, 2, 3, O), np.zeros(O, np.int64), 2,
    ],
    "competition.one_winner": lambda: [
        real(B, I), tuple(real(B, I) for _ in range(5)), real(I), single(6),
        tuple(real(B, I) for _ in range(5)),
    ],
    "distance.one_minus": lambda: [
        double(N, N), double(N, 3), double(8, 4), 0.5, double(25), 0,
    ],
    "distance.squared_distance": lambda: [
        double(N, N), double(N, 3), double(8), double(8, 4), double(25), 0,
    ],
    "distance.mend_poisson_kl": lambda: [
        double(N, 4), double(N, 4), double(N, N), double(N, N),
    ],
    "rank.doubled_midranks": lambda: [
        double(I), np.arange(I), np.zeros(I, np.int32),
    ],
    "rank.pack_float32_bits": lambda: [
        np.zeros(I, np.int32), 4, np.zeros(I, np.uint64),
    ],
    "rank.pack_grid_values": lambda: [double(I), 1.0, 4, np.zeros(I, np.uint64)],
    "rank.radix_sorted": lambda: [
        np.arange(I).astype(np.uint64), np.zeros(I, np.uint64), 0, 4,
    ],
    "rank.packed_midranks": lambda: [
        np.arange(I).astype(np.uint64), 4, np.zeros(I, np.int32),
    ],
    "rank.centred_products": lambda: [
        np.ones((2, I), np.int32), np.ones((B, I), np.int32), 3, double(2, B),
    ],
    "rank.tied_pairs": lambda: [np.ones(I, bool)],
    "rank.inversions": lambda: [double(I), double(I)],
    "resample.run_ends": lambda: [
        double(I), np.arange(I).astype(np.uint32), np.zeros(I, np.int32),
    ],
    "resample.resampled_ranks": lambda: [
        np.ones((N, 4), np.int32), numbers(10, np.uint32), *pairs(),
        np.zeros((10, 4), np.int32), double(4),
    ],
    "resample.resampled_products": lambda: [
        np.ones((N, 4), np.int32), *pairs(), np.ones((10, 4), np.int32), np.ones(4, np.int32),
        double(4), double(4),
    ],
    "resample.pair_weights": lambda: [
        np.ones((N, 4), np.int32), *pairs()[:2], np.zeros(4, np.int64), double(4),
    ],
    "resample.relabelled_products": lambda: [
        double(N, N), double(2, 10), np.tile(numbers(N), (3, 1)), np.tile(numbers(N), (3, 1)),
        double(3, 2),
    ],
    "resample.relabelled_masked_ranks": lambda: [
        np.arange(N), np.ones((N, N), bool), *pairs(), 1.0, double(N, N),
    ],
    "spike.victor_purpura": lambda: [double(I), double(N), 0.1],
    "spike.van_rossum_squared": lambda: [double(I), double(N), 0.1],
}  # fmt: skip

#: Axes that nothing else depends on, ``(argument, within, axis)``: any size is right.
FREE: dict[str, set[tuple[int, int | None, int]]] = {
    "trace.all_binary": {(0, None, 0)},
    "trace.count": {(0, None, 0)},
    "rank.tied_pairs": {(0, None, 0)},
    # Events, plastic synapses, gaps looked up, ticks of filters, room for spikes.
    "simulate.run": {(10, 1, 0), (16, 4, 0), (18, 1, 2), (24, 1, 1), (26, 0, 0)},
    # The number of features.
    "distance.one_minus": {(2, None, 1)},
    "distance.squared_distance": {(3, None, 1)},
    "spike.victor_purpura": {(0, None, 0), (1, None, 0)},
    "spike.van_rossum_squared": {(0, None, 0), (1, None, 0)},
}
#: Room that may be larger than it is filled, and stimuli of which no pair is in use.
AT_LEAST = {
    ("distance.one_minus", 4), ("distance.squared_distance", 4),
    ("resample.resampled_ranks", 0), ("resample.resampled_products", 0),
    ("resample.pair_weights", 0),
}  # fmt: skip

MODULES = (
    competition, event, evolving, simulate, subset, trace, voltage, distance, rank, resample, spike,
)  # fmt: skip


def kernel_of(name: str) -> Any:
    home, function = name.split(".")
    module = next(m for m in MODULES if m.__name__.rsplit(".", 1)[-1] == home)
    return getattr(module, function)


def arrays_of(arguments: Arguments) -> Iterator[tuple[int, int | None, np.ndarray]]:
    for place, given in enumerate(arguments):
        if isinstance(given, np.ndarray):
            yield place, None, given
        elif isinstance(given, tuple):
            for within, each in enumerate(given):
                if isinstance(each, np.ndarray):
                    yield place, within, each


def replaced(arguments: Arguments, place: int, within: int | None, array: np.ndarray) -> Arguments:
    if within is None:
        return [*arguments[:place], array, *arguments[place + 1 :]]
    inner = list(arguments[place])
    inner[within] = array
    return [*arguments[:place], tuple(inner), *arguments[place + 1 :]]


def resized(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """An array of another size along one axis; its values stay good indices."""
    index = np.arange(size) % array.shape[axis]
    return np.ascontiguousarray(np.take(array, index, axis))


def refused(name: str, arguments: Arguments) -> bool:
    try:
        kernel_of(name)(*arguments)
    except (ValueError, TypeError):
        return True
    return False


def try_sizes(name: str) -> int:
    """Every axis of every array, shorter and longer; returns how many were refused."""
    kernel_of(name)(*CASES[name]())
    n_refused = 0
    for place, within, array in list(arrays_of(CASES[name]())):
        for axis, size in enumerate(array.shape):
            for other in (0, size - 1, size + 1, 3 * size + 2):
                given = replaced(CASES[name](), place, within, resized(array, axis, other))
                told = refused(name, given)
                free = (place, within, axis) in FREE.get(name, set())
                free |= (name, place) in AT_LEAST and other > size
                # A row more of an image may be one that no kernel reaches; a leak may be absent.
                free |= (name, place) == ("trace.conv2d", 0) and axis in (2, 3)
                free |= (name, place, axis, other) == (
                    "competition.winner_take_all", 1, 0, 0,
                )  # fmt: skip
                assert told or free, f"{name} took argument {place} ({within}) of {given}"
                n_refused += told
    return n_refused


def try_forms(name: str) -> None:
    """Another number of axes, another dtype, strided memory, no array: behind the door."""
    for place, within, array in list(arrays_of(CASES[name]())):
        strided = np.repeat(array, 2, axis=-1)[..., ::2]
        wrong = (array[None], array[0], array.astype(np.complex128), array.astype(np.int8), None)
        for given in wrong if array.shape[-1] < 2 else (*wrong, strided):
            assert refused(name, replaced(CASES[name](), place, within, given)), (name, place)


def try_integers() -> None:
    """Numbers that sizes depend on."""
    for name, place, bad in (
        ("trace.conv2d", 4, (0, -1, 1, 5)),
        ("trace.conv2d", 5, (-1, 0, 3)),
        ("trace.conv2d", 6, (0, -1, 2)),
        ("competition.winner_take_all", 7, (0, -1, 1, 3)),
        ("voltage.voltage_sides", 3, (-1,)),
        ("distance.one_minus", 5, (-1, 1)),
        ("distance.squared_distance", 5, (-1, 1)),
    ):
        for value in bad:
            given = replaced(CASES[name](), place, None, value)  # type: ignore[arg-type]
            assert refused(name, given), (name, place, value)


def main() -> None:
    from neurosim.spiking.kernels.door import KERNELS

    for name in CASES:
        print(name, try_sizes(name), flush=True)
        if name in KERNELS:
            try_forms(name)
    try_integers()


if __name__ == "__main__":
    main()
    sys.exit(0)
