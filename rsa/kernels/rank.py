"""numba kernels of rank statistics. Callers validate values; kernels check sizes and loop."""

from __future__ import annotations

import numpy as np
from numba import njit

_MOST_BITS = 14  # sorted by at a time: the counters stay in the cache, and 42 bits take 3 turns


@njit(cache=True, nogil=True)
def doubled_midranks(values: np.ndarray, order: np.ndarray, out: np.ndarray) -> float:
    """Write twice the midrank of each value to ``out``; returns the sum of their squares
    about their mean n + 1.

    ``order`` sorts ``values``. Twice a midrank is an integer, so ties cost no precision.
    """
    n = len(order)
    if len(values) != n or len(out) != n:
        raise ValueError("values, order and out must have one length")
    squares = 0.0
    first = 0
    while first < n:
        value = values[order[first]]
        last = first + 1
        while last < n and values[order[last]] == value:
            last += 1
        doubled = first + last + 1  # ranks first + 1 ... last
        for k in range(first, last):
            out[order[k]] = doubled
        deviation = float(doubled - (n + 1))
        squares += deviation * deviation * (last - first)
        first = last
    return squares


@njit(cache=True, nogil=True)
def pack_float32_bits(bits: np.ndarray, n_bits: int, out: np.ndarray) -> None:
    """Each float32, given by its bits, above its place, in an order that is theirs."""
    if len(bits) != len(out):
        raise ValueError("bits and out must have one length")
    for i in range(len(bits)):
        value = np.int64(bits[i])
        if value < 0:  # the bits of negative floats run backwards; -0 becomes 0
            value = -(value & 0x7FFFFFFF)
        out[i] = (np.uint64(value + 2**31) << np.uint64(n_bits)) | np.uint64(i)


@njit(cache=True, nogil=True)
def pack_grid_values(values: np.ndarray, scale: float, n_bits: int, out: np.ndarray) -> bool:
    """Each multiple of 1 / scale above its place; False if one is none, or does not fit."""
    if len(values) != len(out):
        raise ValueError("values and out must have one length")
    limit = 2.0 ** (64 - n_bits)
    for i in range(len(values)):
        scaled = values[i] * scale
        if not (0.0 <= scaled < limit):
            return False
        key = np.uint64(scaled)
        if float(key) != scaled:
            return False
        out[i] = (key << np.uint64(n_bits)) | np.uint64(i)
    return True


@njit(cache=True, nogil=True)
def radix_sorted(keys: np.ndarray, spare: np.ndarray, low: int, n_bits: int) -> np.ndarray:
    """``keys`` (uint64) in ascending order of the ``n_bits`` bits from bit ``low`` on; bits
    below keep their order. Both arrays are overwritten, one of them is returned.

    Least significant digit first. The time depends on nothing but the number of keys: numpy's
    sort is six times slower on processors whose vector sort is emulated.
    """
    if len(keys) != len(spare):
        raise ValueError("keys and spare must have one length")
    digits = (n_bits + _MOST_BITS - 1) // _MOST_BITS
    width = (n_bits + digits - 1) // digits
    counts = np.zeros((digits, 1 << width), dtype=np.uint32)
    mask = np.uint64((1 << width) - 1)
    for i in range(len(keys)):
        for d in range(digits):
            counts[d, (keys[i] >> np.uint64(low + d * width)) & mask] += np.uint32(1)
    for d in range(digits):
        shift = np.uint64(low + d * width)
        place = counts[d]
        start = np.uint32(0)
        for k in range(len(place)):
            held = place[k]
            place[k] = start
            start += held
        for i in range(len(keys)):
            digit = (keys[i] >> shift) & mask
            spare[place[digit]] = keys[i]
            place[digit] += np.uint32(1)
        keys, spare = spare, keys
    return keys


@njit(cache=True, nogil=True)
def packed_midranks(packed: np.ndarray, n_bits: int, out: np.ndarray) -> float:
    """``doubled_midranks`` of sorted integers that hold a value above ``n_bits`` of place."""
    n = len(packed)
    if len(out) != n:
        raise ValueError("packed and out must have one length")
    shift = np.uint64(n_bits)
    places = (np.uint64(1) << shift) - np.uint64(1)
    squares = 0.0
    first = 0
    while first < n:
        value = packed[first] >> shift
        last = first + 1
        while last < n and packed[last] >> shift == value:
            last += 1
        doubled = first + last + 1
        for k in range(first, last):
            out[packed[k] & places] = doubled
        deviation = float(doubled - (n + 1))
        squares += deviation * deviation * (last - first)
        first = last
    return squares


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def centred_products(a: np.ndarray, b: np.ndarray, mean: int, out: np.ndarray) -> None:
    """out[i, j] = sum_k (a_ik - mean)(b_jk - mean), without making float64 copies."""
    if a.shape[1] != b.shape[1] or out.shape != (len(a), len(b)):
        raise ValueError("a is (n, k), b is (m, k) and out (n, m)")
    for i in range(len(a)):
        for j in range(len(b)):
            total = 0.0
            for k in range(a.shape[1]):
                total += float(a[i, k] - mean) * float(b[j, k] - mean)
            out[i, j] = total


@njit(cache=True, nogil=True)
def tied_pairs(same_as_next: np.ndarray) -> int:
    """How many pairs are tied, from which sorted neighbours are equal."""
    total = 0
    run = 1
    for same in same_as_next:
        if same:
            run += 1
        else:
            total += run * (run - 1) // 2
            run = 1
    return total + run * (run - 1) // 2


@njit(cache=True, nogil=True)
def inversions(values: np.ndarray, buffer: np.ndarray) -> int:
    """The number of pairs in descending order; sorts ``values`` (bottom-up merge sort)."""
    n = len(values)
    if len(buffer) != n:
        raise ValueError("values and buffer must have one length")
    count = 0
    width = 1
    while width < n:
        for start in range(0, n, 2 * width):
            middle = min(start + width, n)
            stop = min(start + 2 * width, n)
            left, right = start, middle
            for k in range(start, stop):
                if left < middle and (right >= stop or values[left] <= values[right]):
                    buffer[k] = values[left]
                    left += 1
                else:
                    buffer[k] = values[right]
                    right += 1
                    count += middle - left
        values[:] = buffer
        width *= 2
    return count
