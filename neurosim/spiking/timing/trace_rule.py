"""What the trace kernels run: the one form that every spike-driven timing is lowered to.

    at a postsynaptic spike:  w += x1 (a_plus  + a3_plus  y2)
    at a presynaptic spike:   w -= y1 (a_minus + a3_minus x2) + offset a_minus

x1, x2 are exponential traces of the presynaptic spikes, y1, y2 of the postsynaptic ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurosim.naming.choices import Choices

#: What a pair of spikes in the same tick does: nothing; potentiate (the presynaptic spike of a
#: tick acts on the neuron in that tick, so it counts as causal); or both changes at once;
#: "acausal" counts it as post before pre.
COINCIDENCE: Choices[tuple[int, int]] = Choices(
    "coincidence policy",
    {"none": (0, 0), "potentiate": (1, 0), "both": (1, 1), "acausal": (0, 1)},
)

#: Which spikes a spike pairs with: all; the nearest before; see ``timing.NearestPair`` for
#: "centred" and "reduced"; "first": the first of each neuron.
PAIRINGS: Choices[str] = Choices(
    "pairing", {name: name for name in ("all", "nearest", "centred", "reduced", "first")}
)


@dataclass(frozen=True)
class TraceRule:
    """Amplitudes, time constants and the pairing of one timing.

    a3_plus, a3_minus: triplet amplitudes; 0 for pair rules.
    tau_x_ms, tau_y_ms: decay of the second trace of each side.
    offset: what every presynaptic spike finds besides the trace y1 (``Inhibitory``).
    """

    a_plus: float
    a_minus: float
    tau_plus_ms: float
    tau_minus_ms: float
    coincidence: str = "none"
    pairing: str = "all"
    a3_plus: float = 0.0
    a3_minus: float = 0.0
    tau_x_ms: float = 1.0
    tau_y_ms: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        pairing = PAIRINGS[self.pairing]
        for name in ("tau_plus_ms", "tau_minus_ms", "tau_x_ms", "tau_y_ms"):
            value = getattr(self, name)
            # An all-to-all sum without decay would grow without end.
            endless = pairing == "first" and value == math.inf
            if not (value > 0 and (math.isfinite(value) or endless)):
                raise ValueError(f"{name} must be finite and positive (ms), got {value}")
        for name in ("a_plus", "a_minus", "a3_plus", "a3_minus", "offset"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}")
        if (self.a3_plus or self.a3_minus) and pairing not in ("all", "nearest"):
            raise ValueError(f"triplet terms go with pairing all or nearest, not {pairing!r}")
        triplets = self.a3_plus or self.a3_minus
        if self.offset and (pairing != "all" or triplets):
            raise ValueError(
                f"an offset goes with pairing all and without triplet terms, got {self!r}"
            )
        _ = COINCIDENCE[self.coincidence]

    @property
    def is_pair_sum(self) -> bool:
        """Whether the change is the sum of one window over all pairs."""
        triplets = self.a3_plus != 0 or self.a3_minus != 0
        return self.pairing == "all" and not triplets and self.offset == 0
