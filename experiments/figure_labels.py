"""Names beside points, where they hide neither each other nor the points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

#: Of a name at 7.5 points: a letter's width, a line's height.
_LETTER_PT, _LINE_PT = 4.3, 9.0
#: Where a name may start from its point: sideways of it first, then around it, then further off.
_NEAR_PT, _FAR_PT = 6.0, (16.0, 26.0, 38.0, 52.0)
_AROUND = np.deg2rad([0, 180, 45, 135, -45, -135, 90, -90, 20, 160, -20, -160])


def label_points(
    axes: Axes,
    points: Mapping[str, tuple[float, float]],
    *,
    width_in: float,
    drawn: Iterable[tuple[ArrayLike, ArrayLike]] = (),
) -> None:
    """Name points beside them, each name where it hides neither another nor anything drawn.

    A name that stands away from its point is joined to it by a thin line (gid ``leader:<name>``).

    Args:
        width_in: of the axes, whose aspect is equal.
        drawn: ``(x, y)`` of other lines and marks that names have to keep off.
    """
    low, high = axes.get_xlim()
    pt = (high - low) / (72 * width_in)  # data units a typographic point
    marks = [_Box.around(x, y, 4 * pt) for x, y in points.values()]
    for across, up in drawn:
        marks += [_Box.around(x, y, 3 * pt) for x, y in _along(across, up, 5 * pt)]
    names: list[_Box] = []
    for name, (x, y) in points.items():
        wide, tall = _LETTER_PT * len(name) * pt, _LINE_PT * pt
        boxes = [
            _Box.beside(x, y, far * pt, angle, wide, tall)
            for far in (_NEAR_PT, *_FAR_PT)
            for angle in _AROUND
        ]
        inside = [box for box in boxes if box.within(low, high)] or boxes

        hidden = [_hidden(box, _leader(box, x, y, pt), names, marks) for box in inside]
        box = inside[hidden.index(min(hidden))]
        names.append(box)
        end = box.nearest(x, y)
        if np.hypot(end[0] - x, end[1] - y) > 12 * pt:
            axes.plot([x, end[0]], [y, end[1]], lw=0.5, color="#999999", zorder=1.5,
                      gid=f"leader:{name}")  # fmt: skip
            marks += _leader(box, x, y, pt)
        axes.text(box.left, (box.down + box.up) / 2, name, va="center", fontsize=7.5,
                  color="#555555", zorder=9, gid=f"name:{name}")  # fmt: skip


def _hidden(box: _Box, leader: list[_Box], names: list[_Box], marks: list[_Box]) -> int:
    """How much of what is there a name and its leader would hide.

    Two names on each other cannot be read, nor one with a line through it; a name on a mark can,
    badly.
    """
    through = sum(any(part.meets(name) for part in (box, *leader)) for name in names)
    return 10 * through + sum(box.meets(mark) for mark in marks)


def _leader(box: _Box, x: float, y: float, pt: float) -> list[_Box]:
    """The line from a point to its name."""
    across, up = box.nearest(x, y)
    return [_Box.around(a, b, 0.5 * pt) for a, b in _along((x, across), (y, up), 3 * pt)]


def _along(x: ArrayLike, y: ArrayLike, step: float) -> NDArray[np.float64]:
    """Points at most ``step`` apart along a line; what is not finite is left out."""
    line = np.column_stack([np.ravel(x), np.ravel(y)]).astype(float)
    line = line[np.isfinite(line).all(1)]
    pieces = [line[:1]]
    for start, end in pairwise(line):
        n = max(1, int(np.ceil(np.hypot(*(end - start)) / step)))
        pieces.append(start + (end - start) * np.linspace(0, 1, n + 1)[1:, None])
    return np.concatenate(pieces)


@dataclass(frozen=True)
class _Box:
    left: float
    right: float
    down: float
    up: float

    @classmethod
    def around(cls, x: float, y: float, reach: float) -> _Box:
        """A mark and what surrounds it."""
        return cls(x - reach, x + reach, y - reach, y + reach)

    @classmethod
    def beside(cls, x: float, y: float, far: float, angle: float, wide: float, tall: float) -> _Box:
        """A name whose nearest edge is ``far`` from a point, in this direction."""
        across, up = np.cos(angle), np.sin(angle)
        # 1 to the right, 0 to the left, .5 above and below.
        start = x + far * across - wide * (1 - across) / 2
        middle = y + (far + tall / 2 * (abs(across) < 0.5)) * up
        return cls(start, start + wide, middle - tall / 2, middle + tall / 2)

    def nearest(self, x: float, y: float) -> tuple[float, float]:
        """Its point that is nearest to (x, y)."""
        return float(np.clip(x, self.left, self.right)), float(np.clip(y, self.down, self.up))

    def within(self, low: float, high: float) -> bool:
        return low < self.left and self.right < high and low < self.down and self.up < high

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.down < other.up
            and other.down < self.up
        )
