"""What every timing is to the kernels."""

from __future__ import annotations

import dataclasses
import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

from neurosim.naming.settings import KnownSettings
from neurosim.spiking.timing.weight_dependence import AbstractWeightDependence

if TYPE_CHECKING:  # torch is not needed to declare a timing
    from torch import Tensor

    from neurosim.spiking.timing.factors import AbstractCausal, Factor
    from neurosim.spiking.timing.spike_window import SpikeWindow


class AbstractTiming(KnownSettings, ABC):
    """How spikes change a synapse, ``dependence`` its weight's part in it.

    Kernels read a timing as sums of products of a presynaptic and a postsynaptic side, see
    ``_factors``.
    """

    #: Whether it reads the postsynaptic membrane, ``SpikeWindow.voltage``, beside the spikes.
    reads_voltage: ClassVar[bool] = False

    dependence: AbstractWeightDependence

    @abstractmethod
    def whole_window(
        self, spikes: SpikeWindow, dt_ms: float, gain: Tensor | None = None
    ) -> Iterator[Factor]:
        """The change of a whole window where the weight plays no part, signs included.

        gain: what a change at each frame of each image counts, ``(time, batch)``.
        """

    @abstractmethod
    def causal(self, spikes: SpikeWindow, dt_ms: float) -> AbstractCausal:
        """The changes of one frame after the other, before the gains of the weight."""

    @property
    def tail_ms(self) -> float:
        """How long after the last spike the weight may still change; 0 where it changes at spikes
        alone, so that silent ticks can be left out.

        By default 40 times all of the timing's times (fields that end in ``_ms``) together:
        ``exp(-40)`` is far below rounding. A timing that knows better says so.
        """
        return _DECAYED * sum(_times_ms(self))

    def under(self, dependence: AbstractWeightDependence) -> Self:
        """The same timing under another weight dependence."""
        return dataclasses.replace(self, dependence=dependence)  # type: ignore[type-var]

    def __post_init__(self) -> None:
        if dataclasses.is_dataclass(self):
            require_positive_times(self)


#: Time constants after which an exponential is over: exp(-40) = 4e-18.
_DECAYED = 40.0


def _times_ms(declared: Any) -> Iterator[float]:
    """The times of a dataclass and of those it holds, but for endless ones, which never end."""
    for field in dataclasses.fields(declared) if dataclasses.is_dataclass(declared) else ():
        value = getattr(declared, field.name)
        if dataclasses.is_dataclass(value):
            yield from _times_ms(value)
        elif field.name.endswith("_ms") and isinstance(value, numbers.Real):
            yield float(value) if math.isfinite(value) else 0.0


def require_positive_times(timing: Any) -> None:
    """Refuse a decay time that is not positive, by the field's own name.

    The checks of ``TraceRule`` speak of its sides, which ``AntiHebbian`` and ``Triplet`` name
    otherwise.
    """
    for field in dataclasses.fields(timing):
        if field.name.startswith("tau_") and isinstance(field.default, float) and field.default > 0:
            value = getattr(timing, field.name)
            if not float(value) > 0:
                raise ValueError(f"{field.name} must be finite and positive (ms), got {value}")
