"""Shapes and textures of the demo's objects, as functions of a point (u, v) of the object.

The object's radius is 1, v grows downwards. A shape is an implicit function: negative
inside, zero on the outline, and near it about the distance to the outline. A texture gives
the share, 0 to 1, of the object's second colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


def disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(u, v) - 0.88


def flower(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(u, v) - (0.74 + 0.24 * np.cos(5 * np.arctan2(u, -v)))


def leaf(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    half_width = 0.52
    radius = (1 + half_width**2) / (2 * half_width)  # two arcs meeting at (0, -1) and (0, 1)
    return np.hypot(np.abs(u) + radius - half_width, v) - radius


def drop(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    ball = np.hypot(u, v - 0.32) - 0.66
    cone = np.where(v < 0.0, 0.897 * np.abs(u) - 0.442 * (v + 1.17), np.inf)
    return np.minimum(ball, cone)


def heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    x, y = np.abs(u), 0.05 - v
    lobe = np.hypot(x - 0.40, y - 0.30) - 0.50
    # the straight side starts at the point (0, -0.95) and touches the lobe
    beside, along = 0.764 * x - 0.645 * (y + 0.95), 0.645 * x + 0.764 * (y + 0.95)
    return np.minimum(lobe, np.maximum(beside, along - 1.18))


def square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(u), np.abs(v)) - 0.76


def frame(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.maximum(np.abs(u), np.abs(v)) - 0.62) - 0.23


def triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.maximum(0.866 * np.abs(u) - 0.5 * v, v) - 0.50


def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    longer, shorter = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
    return np.maximum(longer - 0.92, shorter - 0.32)


def star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    tip, notch = 1.0, 0.42
    angle = np.arctan2(np.abs(u), -v)  # 0 at the upper tip
    sector = np.abs((angle + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
    radius = np.hypot(u, v)
    along, across = radius * np.cos(sector), radius * np.sin(sector)
    # the edge runs from the tip (tip, 0) to the notch at 36 degrees
    notch_along, notch_across = notch * np.cos(np.pi / 5), notch * np.sin(np.pi / 5)
    length = np.hypot(tip - notch_along, notch_across)
    return (notch_across * (along - tip) + (tip - notch_along) * across) / length


def plain(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.12 + 0.10 * v


def striped(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _edge(np.sin(2 * np.pi * 1.6 * u))


def checked(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _edge(np.sin(2 * np.pi * 1.15 * u) * np.sin(2 * np.pi * 1.15 * v) * 1.6)


def dotted(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    # from the nearest node of a square lattice
    return _edge(5 * (0.30 - np.hypot((1.6 * u + 0.5) % 1 - 0.5, (1.6 * v + 0.5) % 1 - 0.5)))


def ringed(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _edge(np.cos(2 * np.pi * 1.7 * np.hypot(u, v)))


def _edge(wave: np.ndarray) -> np.ndarray:
    """A wave about 0 turned into a share of colour with soft borders."""
    return np.clip(0.5 + 1.5 * wave, 0, 1)


SHAPES: Mapping[str, Field] = MappingProxyType(
    {f.__name__: f for f in (disc, flower, leaf, drop, heart, square, frame, triangle, cross, star)}
)
TEXTURES: Mapping[str, Field] = MappingProxyType(
    {f.__name__: f for f in (plain, striped, checked, dotted, ringed)}
)
