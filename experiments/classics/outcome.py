"""What a classic gives: measured numbers, the criterion they have to meet, curves to draw."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Outcome:
    """name: of the classic. source: the paper, with its DOI. criterion: what has to hold, in
    words. numbers: what was measured. passed: whether the criterion holds. curves: what is drawn,
    by name."""

    name: str
    source: str
    criterion: str
    numbers: dict[str, float]
    passed: bool
    curves: dict[str, np.ndarray] = field(repr=False)

    def __str__(self) -> str:
        told = ", ".join(f"{key} {value:.4g}" for key, value in self.numbers.items())
        verdict = "holds" if self.passed else "FAILS"
        return f"{self.name}: {told}. {self.criterion}: {verdict} ({self.source})"
