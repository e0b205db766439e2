"""A network as the flat arrays that ``kernels.simulate`` runs, checked once.

Neurons are numbered through all populations in the order they step, sources after them. Synapses
are sorted by delay, presynaptic neuron and projection, so that a spike reaches consecutive ones.
"""

from __future__ import annotations

import graphlib
import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from neurosim.arrays.streams import generator
from neurosim.spiking.cells.base import AbstractCell
from neurosim.spiking.kernels.membranes import FOREIGN, N_CONSTANTS
from neurosim.spiking.kernels.plastic import N_COLUMNS, VOLTAGE
from neurosim.spiking.simulation.cells import Cell, constants, family_of, variants
from neurosim.spiking.simulation.group import NeuronGroup
from neurosim.spiking.simulation.lowered_rule import N_TABLE, LoweredRule, lowered_rule, tables
from neurosim.spiking.simulation.parts import Parts
from neurosim.spiking.simulation.projection import Projection
from neurosim.spiking.simulation.sources import AbstractSource


@dataclass(frozen=True, eq=False)
class Wiring:
    """The arrays of a network; ``kernels.simulate.run`` says what each is."""

    parts: Parts
    dt_ms: float
    n: int
    n_all: int
    first_of: dict[NeuronGroup | AbstractSource, int]
    groups: np.ndarray
    cells: tuple[np.ndarray, np.ndarray]
    foreign: list[Foreign]
    routes: tuple[np.ndarray, np.ndarray]
    branches: tuple[np.ndarray, np.ndarray, np.ndarray]
    synapses: tuple[np.ndarray, np.ndarray, np.ndarray]
    weight: np.ndarray
    sites: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    membrane_sites: np.ndarray
    rules: tuple[np.ndarray, np.ndarray]
    lowered: list[LoweredRule]
    #: Of each projection: presynaptic and postsynaptic neuron, delay in ticks and place among the
    #: sorted synapses, in the order of its connector.
    listed: dict[Projection, Listed] = field(repr=False)

    @property
    def plastic(self) -> list[Projection]:
        """The projections that learn, in the order of their rules."""
        return [p for p in self.parts.projections if p.timing is not None]

    @property
    def depth(self) -> int:
        """Ticks of spikes that have to be kept."""
        delays = self.routes[0]
        return int(delays.max(initial=0)) + 1

    @property
    def n_late(self) -> int:
        """Ticks of membrane filters that have to be kept."""
        return 1 + max((each.late_ticks for each in self.lowered), default=0)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the structure: what a state has to fit."""
        found = hashlib.sha256()
        for array in (
            self.groups, *self.cells, *self.routes, *self.branches, *self.synapses, *self.sites,
            self.membrane_sites, self.rules[0],
        ):  # fmt: skip
            found.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    def check(self) -> None:
        """No index may leave its array: the compiled loop looks up none twice."""
        n_synapses, n_branches = len(self.weight), len(self.branches[1])
        n_sites, n_plastic = len(self.sites[1]), len(self.sites[4])
        n_rules = len(self.rules[0])
        for name, array, low, high in (
            ("groups", self.groups[:, :2], 0, self.n),
            ("families", self.groups[:, 2], 0, FOREIGN),
            ("delays", self.routes[0], 0, self.depth - 1),
            ("routes", self.routes[1], 0, n_branches),
            ("branches", self.branches[0], 0, n_synapses),
            ("rules of branches", self.branches[1], -1, n_rules - 1),
            ("columns", self.branches[2], 0, 1),
            ("postsynaptic neurons", self.synapses[0], 0, self.n - 1),
            ("branches of synapses", self.synapses[1], 0, n_branches - 1),
            ("sites of synapses", self.synapses[2], -1, n_sites - 1),
            ("sites of neurons", self.sites[0], 0, n_sites),
            ("neurons of sites", self.sites[1], 0, self.n - 1),
            ("rules of sites", self.sites[2], 0, n_rules - 1),
            ("synapses of sites", self.sites[3], 0, n_plastic),
            ("plastic synapses", self.sites[4], 0, n_synapses - 1),
            ("sites with a membrane", self.membrane_sites, 0, n_sites - 1),
        ):
            assert not array.size or (array.min() >= low and array.max() <= high), name
        for name, starts in (
            ("routes", self.routes[1]), ("branches", self.branches[0]),
            ("sites of neurons", self.sites[0]), ("synapses of sites", self.sites[3]),
        ):  # fmt: skip
            assert (np.diff(starts) >= 0).all(), name
        plastic = self.branches[1][self.synapses[1]] >= 0
        assert (self.synapses[2][plastic] >= 0).all(), "a plastic synapse without a site"


@dataclass(frozen=True, eq=False)
class Foreign:
    """The neurons of a group that Python steps, by cell."""

    group: int
    population: NeuronGroup
    cells: list[tuple[AbstractCell, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Listed:
    """The synapses of a projection in the order of its connector, see ``Wiring.listed``."""

    pre: np.ndarray
    post: np.ndarray
    delay: np.ndarray
    place: np.ndarray


def wire(parts: Parts, seed: int) -> Wiring:
    """Number the neurons, draw what is random, sort the synapses.

    Raises:
        ValueError: populations of different ticks, undelayed synapses in a circle, and whatever
            a projection refuses.
    """
    dt_ms = _common_tick(parts.populations)
    drawn = {p: _drawn(parts, p, dt_ms, seed) for p in parts.projections}
    populations = _in_order(parts, drawn)
    first_of: dict[NeuronGroup | AbstractSource, int] = {}
    n = 0
    for population in populations:
        first_of[population] = n
        n += population.n
    n_all = n
    for source in parts.sources:
        source.check(dt_ms)
        first_of[source] = n_all
        n_all += source.n
    groups, cells, foreign = _cells(populations, first_of, n)
    lowered = [lowered_rule(p.timing, dt_ms) for p in parts.projections if p.timing is not None]
    rows = np.stack([each.row for each in lowered]) if lowered else np.zeros((0, N_COLUMNS))
    looked_up = (
        np.stack([tables(row) for row in rows]) if lowered else np.zeros((0, 4, N_TABLE))
    )  # fmt: skip
    routes, branches, synapses, weight, sites, listed = _synapses(parts, drawn, first_of, n, n_all)
    membranes = np.flatnonzero([lowered[r].pairing == VOLTAGE for r in sites[2]])
    made = Wiring(
        parts, dt_ms, n, n_all, first_of, groups, cells, foreign, routes, branches, synapses,
        weight, sites, membranes.astype(np.int64), (rows, looked_up), lowered, listed,
    )  # fmt: skip
    made.check()
    return made


_Drawn = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _drawn(parts: Parts, projection: Projection, dt_ms: float, seed: int) -> _Drawn:
    """``(pre, post, delay, weight)`` of each synapse, each from a stream of its own."""
    name = parts.name_of(projection)
    pre, post = projection.pairs(generator(seed, f"simulate/pairs/{name}"))
    delay = projection.delays(len(pre), dt_ms, generator(seed, f"simulate/delay/{name}"))
    weight = projection.weights(len(pre), generator(seed, f"simulate/weight/{name}"))
    return pre, post, delay, weight


def _common_tick(populations: list[NeuronGroup]) -> float:
    ticks = {p.cell.dt_ms: p for p in populations}
    if len(ticks) > 1:
        told = " and ".join(f"{p!r} by {dt} ms" for dt, p in list(ticks.items())[:2])
        raise ValueError(f"one network has one tick, but {told}: give all cells the same dt_ms")
    return float(next(iter(ticks)))


def _in_order(parts: Parts, drawn: dict[Projection, _Drawn]) -> list[NeuronGroup]:
    """Populations, each after those whose spikes reach it in the same tick."""
    graph: dict[NeuronGroup, list[NeuronGroup]] = {p: [] for p in parts.populations}
    for projection, (_, _, delay, _) in drawn.items():
        if isinstance(projection.pre, NeuronGroup) and len(delay) and delay.min() == 0:
            graph[projection.post].append(projection.pre)
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " -> ".join(repr(p) for p in error.args[1])
        dt = parts.populations[0].cell.dt_ms
        raise ValueError(
            f"spikes would go in a circle within one tick, {circle}: give one of its projections a "
            f"delay, delay_ms={dt} or more"
        ) from None


def _cells(
    populations: list[NeuronGroup], first_of: dict[NeuronGroup | AbstractSource, int], n: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], list[Foreign]]:
    rows, theta = np.zeros((n, N_CONSTANTS)), np.ones(n)
    groups, foreign = [], []
    for g, population in enumerate(populations):
        low = first_of[population]
        kinds: list[tuple[Cell, np.ndarray]] = variants(
            population.cell, population.n, population.settings
        )
        family = family_of(population.cell)
        for cell, which in kinds:
            rows[low + which] = constants(cell)
        theta[low : low + population.n] = population.settings.get("threshold", population.threshold)
        groups.append((low, low + population.n, family))
        if family == FOREIGN:
            own = [(cell, which) for cell, which in kinds if isinstance(cell, AbstractCell)]
            foreign.append(Foreign(g, population, own))
    return np.array(groups, np.int64).reshape(-1, 3), (rows, theta), foreign


def _synapses(
    parts: Parts,
    drawn: dict[Projection, _Drawn],
    first_of: dict[NeuronGroup | AbstractSource, int],
    n: int,
    n_all: int,
):
    """Sort the synapses and cut them into branches and sites."""
    which, pre, post, delay, weight, rule, column = [], [], [], [], [], [], []
    n_rules = 0
    for k, projection in enumerate(parts.projections):
        at, to, late, w = drawn[projection]
        which.append(np.full(len(at), k))
        pre.append(first_of[projection.pre] + at)
        post.append(first_of[projection.post] + to)
        delay.append(late)
        weight.append(w)
        plastic = projection.timing is not None
        rule.append(n_rules if plastic else -1)
        column.append(int(projection.inhibitory))
        n_rules += plastic
    of, source, target, lag, w = (
        np.concatenate(each) if each else np.zeros(0, np.int64)
        for each in (which, pre, post, delay, weight)
    )
    order = np.lexsort((target, of, source, lag))
    of, source, target, lag, w = (each[order] for each in (of, source, target, lag, w))
    delays, lag_at = np.unique(lag, return_inverse=True)
    route = lag_at.astype(np.int64) * n_all + source
    new = np.ones(len(of), bool)
    new[1:] = (route[1:] != route[:-1]) | (of[1:] != of[:-1])
    starts = np.flatnonzero(new)
    branch = np.cumsum(new) - 1
    rules, columns = np.array(rule, np.int64), np.array(column, np.int64)
    routes = np.searchsorted(route[starts], np.arange(len(delays) * n_all + 1))
    site, sites = _sites(rules[of] if len(of) else of, target, n)
    branches = np.append(starts, len(of)), rules[of[starts]], columns[of[starts]]
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    ends = np.cumsum([0, *map(len, which)])
    listed = {
        projection: Listed(*drawn[projection][:3], place[ends[k] : ends[k + 1]])
        for k, projection in enumerate(parts.projections)
    }
    whole = (delays.astype(np.int64), routes.astype(np.int64))
    return (
        whole, _int64(*branches), _int64(target, branch, site), w.astype(np.float64),
        _int64(*sites), listed,
    )  # fmt: skip


def _sites(rule: np.ndarray, target: np.ndarray, n: int):
    """The site of each synapse (-1 where it stays), and the sites: their start per neuron, their
    neuron, rule and synapses."""
    plastic = np.flatnonzero(rule >= 0)
    n_rules = int(rule.max(initial=-1)) + 1
    keys, inverse = np.unique(
        target[plastic] * max(n_rules, 1) + rule[plastic], return_inverse=True
    )
    site = np.full(len(rule), -1, np.int64)
    site[plastic] = inverse
    neuron, of_rule = np.divmod(keys, max(n_rules, 1))
    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(len(keys) + 1))
    of_neuron = np.searchsorted(neuron, np.arange(n + 1))
    return site, (of_neuron, neuron, of_rule, starts, plastic[order])


def _int64(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.ascontiguousarray(array, np.int64) for array in arrays)
