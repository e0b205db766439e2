"""Names beside points, where they hide neither each other nor the points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes


def label_points(axes: Axes, points: Mapping[str, tuple[float, float]], *, width_in: float) -> None:
    """Name points beside them, each name where it hides neither another nor a point.

    Args:
        width_in: of the axes, whose aspect is equal.
    """
    low, high = axes.get_xlim()
    pt = (high - low) / (72 * width_in)  # data units a typographic point
    taken = [_Box(x - 4 * pt, x + 4 * pt, y - 4 * pt, y + 4 * pt) for x, y in points.values()]
    for name, (x, y) in points.items():
        wide, tall = 4.6 * len(name) * pt, 9 * pt
        places = [
            (x + sideways - wide * (sideways < 0), y + up - tall / 2)
            for up in (0.0, 9 * pt, -9 * pt, 18 * pt, -18 * pt)
            for sideways in (-6 * pt, 6 * pt)
        ]
        boxes = [_Box(left, left + wide, down, down + tall) for left, down in places]
        free = [box for box in boxes if low < box.left and box.right < high
                and not any(box.meets(other) for other in taken)]  # fmt: skip
        box = (free or boxes)[0]
        taken.append(box)
        axes.text(box.left, box.down + tall / 2, name, va="center", fontsize=7.5, color="#555555",
                  zorder=9, gid=f"name:{name}")  # fmt: skip


@dataclass(frozen=True)
class _Box:
    left: float
    right: float
    down: float
    up: float

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.down < other.up
            and other.down < self.up
        )
