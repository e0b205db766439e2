"""Names beside points, where they hide neither each other nor the points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

Points = Mapping[str, tuple[float, float]]
#: Of a name at 7.5 points: a letter's width, a line's height.
_LETTER_PT, _LINE_PT = 4.8, 9.0
#: Where a name may start from its point: sideways of it first, then around it, then further off.
_NEAR_PT, _FAR_PT = 6.0, (16.0, 26.0, 38.0, 52.0)
_AROUND = np.deg2rad([0, 180, 45, 135, -45, -135, 90, -90, 20, 160, -20, -160])
#: A name this far away is joined to its point.
_LED_PT = 12.0


def label_points(
    axes: Axes,
    points: Points,
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
    marks = [
        _Box.around(x, y, 3 * pt) for line in drawn for x, y in _along(line[0], line[1], 5 * pt)
    ]
    # Who comes first has the choice: of a few orders, the one in which least is hidden.
    orders = [sorted(points, key=key) for place in (0, 1) for key in _keys(points, place)]
    found = [_placed(points, order, marks, low, high, pt) for order in orders]
    _, boxes = min(found, key=lambda placed: placed[0])
    for name, box in boxes.items():
        (x, y), end = points[name], box.nearest(*points[name])
        if box.leader(x, y, pt):
            axes.plot([x, end[0]], [y, end[1]], lw=0.5, color="#999999", zorder=1.5,
                      gid=f"leader:{name}")  # fmt: skip
        axes.text(box.left, (box.down + box.up) / 2, name, va="center", fontsize=7.5,
                  color="#555555", zorder=9, gid=f"name:{name}")  # fmt: skip


def _keys(points: Points, place: int) -> list[Callable[[str], float]]:
    return [lambda name: points[name][place], lambda name: -points[name][place]]


def _placed(
    points: Points, order: list[str], marks: list[_Box], low: float, high: float, pt: float
) -> tuple[float, dict[str, _Box]]:
    """One name after the other, each where it hides least; returns how much all hide."""
    names: dict[str, _Box] = {}
    lines: list[_Box] = []
    total = 0.0
    for name in order:
        x, y = points[name]
        others = [_Box.around(a, b, 4 * pt) for n, (a, b) in points.items() if n != name]
        wide, tall = _LETTER_PT * len(name) * pt, _LINE_PT * pt
        boxes = [
            _Box.beside(x, y, far * pt, angle, wide, tall)
            for far in (_NEAR_PT, *_FAR_PT)
            for angle in _AROUND
        ]
        boxes = [box for box in boxes if box.within(low, high)] or boxes
        costs = []
        for box in boxes:
            leader = box.leader(x, y, pt)
            # Two names on each other cannot be read, nor one with a line through it, and a line
            # through another point leads astray; a name on a mark can be read, badly.
            lost = sum(part.meets(n) for n in names.values() for part in (box, *leader))
            lost += sum(part.meets(o) for o in others for part in (box, *leader))
            lost += sum(box.meets(line) for line in lines)
            far = len(leader) * 3 / _FAR_PT[-1]
            costs.append(10 * lost + sum(box.meets(mark) for mark in marks) + far)
        names[name] = boxes[costs.index(min(costs))]
        lines += names[name].leader(x, y, pt)
        total += min(costs)
    return total, names


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

    def leader(self, x: float, y: float, pt: float) -> list[_Box]:
        """The line to it from (x, y); none where it stands beside."""
        across, up = self.nearest(x, y)
        if np.hypot(across - x, up - y) <= _LED_PT * pt:
            return []
        return [_Box.around(a, b, 0.5 * pt) for a, b in _along((x, across), (y, up), 3 * pt)]

    def within(self, low: float, high: float) -> bool:
        return low < self.left and self.right < high and low < self.down and self.up < high

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.down < other.up
            and other.down < self.up
        )
