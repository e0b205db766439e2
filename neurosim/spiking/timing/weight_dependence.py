"""Weight dependence: how much of a change a synapse of a given weight takes.

A change of size d at a synapse of weight w is carried out as ``d f_plus(w)`` where it
potentiates and ``d f_minus(w)`` where it depresses, and the result is clipped to the bounds.
With ``u = (w - w_min) / (w_max - w_min)`` every dependence of the literature is a product of
powers,

    f_plus = u^p (1 - u)^q,    f_minus = u^r (1 - u)^s,

so that one kernel runs them all.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, final

from neurosim.naming.choices import Choices
from neurosim.naming.settings import KnownSettings


@dataclass(frozen=True)
class Held:
    """A dependence in the dtype of a weight: where it is clipped, and ``u = (w - origin) / scale``,
    unit being ``(origin, scale)``."""

    w_min: float
    w_max: float
    unit: tuple[float, float]


def _in_dtype_of(w: Any, value: float) -> float:
    """The nearest number that the dtype of an array or tensor holds."""
    if hasattr(w, "is_floating_point"):  # a tensor; torch is not needed to declare a dependence
        import torch

        return float(torch.tensor(value, dtype=w.dtype)) if w.is_floating_point() else value
    kind = getattr(w, "dtype", None)
    return float(kind.type(value)) if kind is not None and kind.kind == "f" else value


class AbstractWeightDependence(KnownSettings, ABC):
    """The gains of potentiation and depression, and the bounds."""

    w_min: float
    w_max: float

    @property
    @abstractmethod
    def exponents(self) -> tuple[float, float, float, float]:
        """``(p, q, r, s)``."""

    @property
    def unit(self) -> tuple[float, float]:
        """``(origin, scale)`` of ``u = (w - origin) / scale``."""
        return self.w_min, self.w_max - self.w_min

    @property
    def constant(self) -> bool:
        """Whether the weight plays no part at all: no gain and no bound."""
        return False

    def plus(self, w: Any) -> Any:
        """``f_plus`` of an array or tensor of weights inside the bounds."""
        p, q, _, _ = self.exponents
        return self._power(w, p, q)

    def minus(self, w: Any) -> Any:
        """``f_minus`` of an array or tensor of weights inside the bounds."""
        _, _, r, s = self.exponents
        return self._power(w, r, s)

    def _power(self, w: Any, below: float, above: float) -> Any:
        origin, scale = self.held(w).unit
        u = (w - origin) / scale
        gain = w * 0 + 1
        if below:
            gain = gain * u**below
        if above:
            gain = gain * (1 - u) ** above
        return gain

    def held(self, w: Any) -> Held:
        """Bounds and unit as the dtype of ``w`` holds them.

        A weight stops at what its own dtype makes of a bound, .1 in float32 at .100000001, and
        there u is 0 or 1 to the bit: a gain that vanishes at a bound does vanish.

        Raises:
            ValueError: bounds that coincide in that dtype, or that it cannot hold.
        """
        low, high, origin = (_in_dtype_of(w, x) for x in (self.w_min, self.w_max, self.unit[0]))
        bounded = math.isfinite(self.w_max)
        scale = _in_dtype_of(w, high - low if bounded else self.unit[1])
        overflows = bounded and not math.isfinite(high)
        if not low < high or overflows or not (0 < scale < math.inf):
            raise ValueError(
                f"{self!r} has no place in {getattr(w, 'dtype', float)}: its bounds coincide "
                "there or are too large; use float64 or other bounds"
            )
        return Held(low, high, (origin, scale))

    def check(self, w: Any) -> None:
        """Refuse weights that are not finite or outside the bounds; none at all pass."""
        if 0 in w.shape:
            return
        low, high, held = float(w.min()), float(w.max()), self.held(w)
        # Written so that NaN fails it.
        if not (low >= held.w_min and high <= held.w_max and math.isfinite(high - low)):
            raise ValueError(
                f"weights from {low:g} to {high:g} do not fit {self!r}: it takes finite weights "
                f"from {self.w_min:g} to {self.w_max:g}; clip them or change the bounds"
            )

    def __post_init__(self) -> None:
        if not self.w_min < self.w_max or not math.isfinite(self.unit[0] * self.unit[1]):
            raise ValueError(f"w_min must be finite and below w_max, got {self!r}")
        if any(not (math.isfinite(e) and e >= 0) for e in self.exponents):
            raise ValueError(f"exponents must be finite and not negative, got {self!r}")


@final
@dataclass(frozen=True)
class Additive(AbstractWeightDependence):
    """``f_plus = f_minus = 1`` without bounds: the change does not depend on the weight."""

    w_min: float = field(default=-math.inf, init=False)
    w_max: float = field(default=math.inf, init=False)

    @property
    def exponents(self) -> tuple[float, float, float, float]:
        return 0.0, 0.0, 0.0, 0.0

    @property
    def unit(self) -> tuple[float, float]:
        return 0.0, 1.0

    @property
    def constant(self) -> bool:
        return True


@final
@dataclass(frozen=True)
class HardBounds(AbstractWeightDependence):
    """``f_plus = f_minus = 1`` between bounds at which the weight stops.

    Song, Miller & Abbott 2000 (10.1038/78829).
    """

    w_min: float = 0.0
    w_max: float = 1.0

    @property
    def exponents(self) -> tuple[float, float, float, float]:
        return 0.0, 0.0, 0.0, 0.0


@final
@dataclass(frozen=True)
class SoftBounds(AbstractWeightDependence):
    """``f_plus = (1 - u)^mu_plus``, ``f_minus = u^mu_minus``.

    Gerstner & Kistler 2002 (10.1017/CBO9780511815706), section 10.2.1.
    """

    mu_plus: float = 1.0
    mu_minus: float = 1.0
    w_min: float = 0.0
    w_max: float = 1.0

    @property
    def exponents(self) -> tuple[float, float, float, float]:
        return 0.0, self.mu_plus, self.mu_minus, 0.0


@final
@dataclass(frozen=True)
class Multiplicative(AbstractWeightDependence):
    """``f_plus = 1 - u``, ``f_minus = u``: soft bounds with exponent 1.

    Rubin, Lee & Sompolinsky 2001 (10.1103/PhysRevLett.86.364).
    """

    w_min: float = 0.0
    w_max: float = 1.0

    @property
    def exponents(self) -> tuple[float, float, float, float]:
        return 0.0, 1.0, 1.0, 0.0


@final
@dataclass(frozen=True)
class VanRossum(AbstractWeightDependence):
    """``f_plus = 1``, ``f_minus = u``: only depression scales with the weight.

    Van Rossum, Bi & Turrigiano 2000 (10.1523/JNEUROSCI.20-23-08812.2000). Theirs has no upper
    bound; here potentiation stops at ``w_max``.
    """

    w_min: float = 0.0
    w_max: float = 1.0

    @property
    def exponents(self) -> tuple[float, float, float, float]:
        return 0.0, 0.0, 1.0, 0.0


@final
@dataclass(frozen=True)
class Guetig(AbstractWeightDependence):
    """``f_plus = (1 - u)^mu``, ``f_minus = u^mu``: from additive (0) to multiplicative (1).

    Guetig, Aharonov, Rotter & Sompolinsky 2003 (10.1523/JNEUROSCI.23-09-03697.2003).
    """

    mu: float = 0.02
    w_min: float = 0.0
    w_max: float = 1.0

    @property
    def exponents(self) -> tuple[float, float, float, float]:
        return 0.0, self.mu, self.mu, 0.0


@final
@dataclass(frozen=True)
class PowerLaw(AbstractWeightDependence):
    """``f_plus = (w / w_reference)^mu``, ``f_minus = w / w_reference``; w from 0 up, no maximum.

    Morrison, Aertsen & Diesmann 2007 (10.1162/neco.2007.19.6.1437), fitted to Bi & Poo 1998.
    """

    mu: float = 0.4
    w_reference: float = 1.0
    w_min: float = field(default=0.0, init=False)
    w_max: float = field(default=math.inf, init=False)

    @property
    def exponents(self) -> tuple[float, float, float, float]:
        return self.mu, 0.0, 1.0, 0.0

    @property
    def unit(self) -> tuple[float, float]:
        return 0.0, self.w_reference

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.w_reference) and self.w_reference > 0):
            raise ValueError(f"w_reference must be finite and positive, got {self.w_reference}")


@final
@dataclass(frozen=True)
class Logistic(AbstractWeightDependence):
    """``f_plus = f_minus = u (1 - u)``: binary weights are stable.

    Masquelier & Thorpe 2007 (10.1371/journal.pcbi.0030031); Kheradpisheh et al. 2018
    (10.1016/j.neunet.2017.12.005).
    """

    w_min: float = 0.0
    w_max: float = 1.0

    @property
    def exponents(self) -> tuple[float, float, float, float]:
        return 1.0, 1.0, 1.0, 1.0


#: The default of every timing.
ADDITIVE = Additive()

#: Weight dependences by name, each a class whose defaults are those of its source.
WEIGHT_DEPENDENCES: Choices[type[AbstractWeightDependence]] = Choices(
    "weight dependence",
    {
        "additive": Additive,
        "hard-bounds": HardBounds,
        "soft-bounds": SoftBounds,
        "multiplicative": Multiplicative,
        "van-rossum": VanRossum,
        "guetig": Guetig,
        "power": PowerLaw,
        "logistic": Logistic,
    },
    base=AbstractWeightDependence,
    group="neurosim.weight_dependences",
)
