"""All that a run carries from one tick to the next: what is saved, resumed and gone on from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, final

import numpy as np

from neurosim.spiking.kernels.plastic import NEVER
from neurosim.spiking.simulation.wiring import Wiring
from neurosim.spiking.timing.third_factor import Rewarded


@final
@dataclass(eq=False)
class State:
    """tick: the next one. counts: spikes of each neuron since homeostasis last looked (kept per
    ``Scaling``). The other arrays are those of ``kernels.simulate.run``."""

    tick: int
    digest: str
    v: np.ndarray
    memory: np.ndarray
    spiked: np.ndarray
    ring: np.ndarray
    n_ring: np.ndarray
    weight: np.ndarray
    x: np.ndarray
    heard: np.ndarray
    y: np.ndarray
    fired: np.ndarray
    seen: np.ndarray
    mark: np.ndarray
    marked: np.ndarray
    signal: np.ndarray
    membrane: np.ndarray
    late: np.ndarray
    counts: np.ndarray

    @classmethod
    def fresh(cls, wiring: Wiring) -> State:
        """The state before the first tick: nothing has fired, cells as their populations say."""
        start = np.zeros((wiring.n, 4))
        for population in wiring.parts.populations:
            low = wiring.first_of[population]
            start[low : low + population.n] = population.start
        n_branches, n_sites = len(wiring.branches[1]), len(wiring.sites[1])
        rests = _rests(wiring)
        membrane = np.zeros((len(rests), 5))
        membrane[:, [0, 3, 4]] = rests[:, None]
        return cls(
            tick=0,
            digest=wiring.digest,
            v=start[:, 0].copy(),
            memory=start[:, 1:].copy(),
            spiked=np.full(wiring.n, NEVER),
            ring=np.zeros((wiring.depth, wiring.n_all), np.int64),
            n_ring=np.zeros(wiring.depth, np.int64),
            weight=wiring.weight.copy(),
            x=np.zeros((n_branches, 4)),
            heard=np.full((n_branches, 2), NEVER),
            y=np.zeros((n_sites, 2)),
            fired=np.full((n_sites, 2), NEVER),
            seen=np.zeros(len(wiring.weight)),
            mark=np.zeros(len(wiring.weight)),
            marked=np.zeros(len(wiring.weight), np.int64),
            signal=np.zeros(len(wiring.rules[0])),
            membrane=membrane,
            late=np.broadcast_to(rests[:, None, None], (len(rests), wiring.n_late, 2)).copy(),
            counts=np.zeros((len(wiring.parts.scalings), wiring.n), np.int64),
        )

    def copy(self) -> State:
        """Its own arrays."""
        values: dict[str, Any] = {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in self.tree().items()
        }
        return State(**values)

    def tree(self) -> dict[str, Any]:
        """What ``neurosim.storage`` writes."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def of_tree(cls, tree: dict[str, Any]) -> State:
        """Back from what was written."""
        return cls(**{f.name: tree[f.name] for f in fields(cls)})

    def check(self, wiring: Wiring) -> None:
        """Refuse the state of another network: sizes, and every index in it.

        Raises:
            ValueError: naming what does not fit.
        """
        if self.digest != wiring.digest:
            raise ValueError(
                "this state is of another network (populations, constants, synapses, delays or "
                "timings differ): start anew, or build the network it was saved from, with its seed"
            )
        fresh = State.fresh(wiring)
        for f in fields(self):
            value, like = getattr(self, f.name), getattr(fresh, f.name)
            if isinstance(like, np.ndarray) and (
                not isinstance(value, np.ndarray)
                or (value.shape, value.dtype) != (like.shape, like.dtype)
            ):
                raise ValueError(f"{f.name} of this state does not fit its network: start anew")
        ring_fits = not self.ring.size or (self.ring.min() >= 0 and self.ring.max() < wiring.n_all)
        counts_fit = (self.n_ring >= 0).all() and (self.n_ring <= wiring.n_all).all()
        latest = max(
            int(a.max(initial=NEVER)) for a in (self.heard, self.fired, self.spiked, self.marked)
        )
        if not (ring_fits and counts_fit and self.tick >= 0 and latest < max(self.tick, 1)):
            raise ValueError(
                "this state holds neurons or ticks that its network has not: start anew"
            )


def _rests(wiring: Wiring) -> np.ndarray:
    """The resting membrane of each site that has one."""
    timings = [p.timing for p in wiring.parts.projections if p.timing is not None]
    rules = wiring.sites[2][wiring.membrane_sites]
    return np.array([_marking(timings[r]).voltage.rest for r in rules.tolist()], float)


def _marking(timing: Any) -> Any:
    return timing.timing if isinstance(timing, Rewarded) else timing
