"""What was published of weights and accuracy. Light: ``--help`` imports this and nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

#: Rule -> what arXiv 2605.30556 and its checks give after 40 epochs: percent that Conv1 to Conv3
#: moved (relative Frobenius; None: not given), and training accuracy.
PUBLISHED: Mapping[str, tuple[tuple[float | None, ...], float]] = {
    "bp": ((29.0, 90.0, 119.0), 0.80),
    "fa": ((None, None, None), 0.37),
    "pc": ((2.1, 7.2, 0.0), 0.60),
    "stdp": ((0.1, 0.1, 0.1), 0.63),
}
#: For STDP the published figure is a bound.
BOUNDED = ("stdp",)
LAYERS = ("Conv1", "Conv2", "Conv3")
