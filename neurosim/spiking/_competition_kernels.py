"""The winner-take-all of a layer in one pass over its membranes."""

from __future__ import annotations

import numba
import numpy as np


# Membranes are finite (inputs are checked): without NaN the maximum may run in vector registers.
@numba.njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def winner_take_all(
    voltage: np.ndarray,
    inverse_threshold: np.ndarray,
    spikes: np.ndarray,
    pooled: np.ndarray,
    n_spikes: np.ndarray,
    pool: int,
) -> None:
    """Mark the winner of each place, its pooled place and its count; reset that place.

    Args:
        voltage: ``(batch, height, width, maps)``; fired places are set to 0.
        inverse_threshold: ``(maps,)``.
        spikes: zeros of the shape of voltage, uint8.
        pooled: zeros, ``(batch, height // pool, width // pool, maps)``.
        n_spikes: ``(maps,)`` int64, added to.
        pool: side of the pooling window; an incomplete window at the border is dropped.
    """
    n_batch, height, width, n_maps = voltage.shape
    one = inverse_threshold.dtype.type(1)
    for b in range(n_batch):
        for y in range(height):
            for x in range(width):
                place = voltage[b, y, x]
                strongest = place[0] * inverse_threshold[0]
                for m in range(1, n_maps):
                    strength = place[m] * inverse_threshold[m]
                    strongest = strength if strength > strongest else strongest
                if strongest <= one:
                    continue
                for m in range(n_maps):
                    if place[m] * inverse_threshold[m] == strongest:
                        spikes[b, y, x, m] = 1
                        n_spikes[m] += 1
                        if y // pool < pooled.shape[1] and x // pool < pooled.shape[2]:
                            pooled[b, y // pool, x // pool, m] = one
                        break
                place[:] = 0


@numba.njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def winner_take_all_each(
    voltage: np.ndarray,
    threshold: np.ndarray,
    spikes: np.ndarray,
    pooled: np.ndarray,
    n_spikes: np.ndarray,
    pool: int,
) -> None:
    """``winner_take_all`` with a threshold for each neuron, of the shape of voltage."""
    n_batch, height, width, n_maps = voltage.shape
    one = threshold.dtype.type(1)
    strength = np.empty(n_maps, voltage.dtype)
    for b in range(n_batch):
        for y in range(height):
            for x in range(width):
                place, theta = voltage[b, y, x], threshold[b, y, x]
                for m in range(n_maps):
                    strength[m] = place[m] * (one / theta[m])
                strongest = strength[0]
                for m in range(1, n_maps):
                    strongest = strength[m] if strength[m] > strongest else strongest
                if strongest <= one:
                    continue
                for m in range(n_maps):
                    if strength[m] == strongest:
                        spikes[b, y, x, m] = 1
                        n_spikes[m] += 1
                        if y // pool < pooled.shape[1] and x // pool < pooled.shape[2]:
                            pooled[b, y // pool, x // pool, m] = one
                        break
                place[:] = 0
