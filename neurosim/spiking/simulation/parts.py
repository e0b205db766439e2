"""The parts of a network that was handed to ``simulate``, gathered and named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, final

from neurosim.spiking.simulation.group import CurrentInput, NeuronGroup
from neurosim.spiking.simulation.modulation import Reward, Scaling
from neurosim.spiking.simulation.projection import Projection
from neurosim.spiking.simulation.sources import AbstractSource

Part = NeuronGroup | AbstractSource | Projection | CurrentInput | Scaling | Reward


@final
class Parts:
    """Populations, sources, projections, currents, rewards and homeostasis, each once.

    A projection brings its populations along. What has no name of its own is called by its kind and
    place, ``population-0``; names seed random streams and stand in files.

    Raises:
        TypeError: something that is no part.
        ValueError: nothing to simulate, or two parts of one name.
    """

    def __init__(self, parts: Iterable[Part] | Part) -> None:
        kinds = (NeuronGroup, AbstractSource, Projection, CurrentInput, Scaling, Reward)
        given = [parts] if isinstance(parts, kinds) else list(parts)
        seen: dict[Any, None] = {}
        for part in given:
            if not isinstance(part, kinds):
                raise TypeError(
                    "a network is made of NeuronGroup, Projection, PoissonInput, SpikeTimes, "
                    f"CurrentInput, Scaling and Reward, got {part!r}"
                )
            for each in _with_what_it_joins(part):
                seen.setdefault(each)
        self.populations = [p for p in seen if isinstance(p, NeuronGroup)]
        self.sources = [p for p in seen if isinstance(p, AbstractSource)]
        self.projections = [p for p in seen if isinstance(p, Projection)]
        self.currents = [p for p in seen if isinstance(p, CurrentInput)]
        self.scalings = [p for p in seen if isinstance(p, Scaling)]
        self.rewards = [p for p in seen if isinstance(p, Reward)]
        if not self.populations:
            raise ValueError("there is nothing to simulate: give a NeuronGroup or a Projection")
        self._names = self._named()

    def name_of(self, part: Any) -> str:
        """What a part is called.

        Raises:
            ValueError: it is not of this network.
        """
        try:
            return self._names[part]
        except (KeyError, TypeError):
            raise ValueError(
                f"{part!r} is not a part of this network, which has "
                f"{', '.join(self._names.values())}"
            ) from None

    def _named(self) -> dict[Any, str]:
        names: dict[Any, str] = {}
        kinds: tuple[tuple[str, Sequence[Any]], ...] = (
            ("population", self.populations), ("source", self.sources),
            ("projection", self.projections),
        )  # fmt: skip
        for kind, parts in kinds:
            for k, part in enumerate(parts):
                names[part] = part.name or f"{kind}-{k}"
        twice = {name for name in names.values() if list(names.values()).count(name) > 1}
        if twice:
            raise ValueError(f"two parts are called {sorted(twice)[0]!r}: give them other names")
        for name in names.values():
            if "/" in name:
                raise ValueError(f"a name stands in files and streams and has no slash: {name!r}")
        return names


def _with_what_it_joins(part: Part) -> list[Any]:
    if isinstance(part, Projection):
        return [part.pre, part.post, part]
    if isinstance(part, CurrentInput):
        return [part.post, part]
    if isinstance(part, Scaling | Reward):
        return [*_with_what_it_joins(part.projection), part]
    return [part]
