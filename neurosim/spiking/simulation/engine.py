"""The run itself: chunks of ticks through the compiled loop, and what happens between them."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
import torch

from neurosim.arrays.streams import generator
from neurosim.spiking.kernels import plastic as k
from neurosim.spiking.kernels.simulate import run
from neurosim.spiking.simulation.recording import Record, ticks_of
from neurosim.spiking.simulation.sources import BLOCK, AbstractSource
from neurosim.spiking.simulation.state import State
from neurosim.spiking.simulation.wiring import Foreign, Listed, Wiring

#: Spikes that the compiled loop may list before it hands them over.
_ROOM = 1 << 16


@final
class Engine:
    """A network, its state, and what has been recorded since ``take`` was last called."""

    def __init__(
        self, wiring: Wiring, state: State, seed: int, records: tuple[Record, ...]
    ) -> None:
        self.wiring, self.state, self.seed = wiring, state, seed
        self._found = np.zeros((_ROOM + wiring.n, 2), np.int64), np.zeros(1, np.int64)
        self._received = np.zeros((wiring.n, 2))
        self._forced = np.zeros(wiring.n, np.uint8)
        self._arrivals = np.zeros(len(wiring.branches[1]), np.int64), np.zeros(1, np.int64)
        self._watched = _Watched(wiring, [r for r in records if _is_of_cells(r)])
        self._listed = [(r, self._every(r)) for r in records if r.what in ("weights", "traces")]
        self._heard_sources = {r.of: r for r in records if r.what == "spikes"}
        self._scalings = [
            (s, ticks_of("every_ms of Scaling", s.every_ms, wiring.dt_ms))
            for s in wiring.parts.scalings
        ]
        self._block: tuple[int, np.ndarray, np.ndarray] = -1, np.zeros(0, int), np.zeros(0, int)
        self._spikes: list[np.ndarray] = []
        self._source_spikes: list[np.ndarray] = []
        self._samples: dict[Record, list[tuple[np.ndarray, np.ndarray]]] = {r: [] for r in records}

    def _every(self, record: Record) -> int:
        if record.every_ms is None:
            return 1
        return ticks_of("every_ms", record.every_ms, self.wiring.dt_ms)

    def advance(self, until: int) -> None:
        """Run up to tick ``until``, which is not run."""
        while self.state.tick < until:
            first = self.state.tick
            stop = min(until, first - first % BLOCK + BLOCK)
            for _, every in self._listed:
                stop = min(stop, -(-first // every) * every + 1)
            for _, every in self._scalings:
                stop = min(stop, (first // every + 1) * every)
            self._chunk(first, stop)
            self._after(stop)

    def _chunk(self, first: int, stop: int) -> None:
        foreign = self.wiring.foreign
        while first < stop:
            n_ticks = 1 if foreign else stop - first
            events, drive = self._events(first, n_ticks), self._drive(first, n_ticks)
            samples = self._watched.room(first, n_ticks)
            # The call after each group that Python steps goes on with it: it reads who was forced.
            begin, reached = 1, 0
            for group in foreign:
                self._run(first, 1, (begin, reached, group.group), events, drive, samples)
                self._step_foreign(group, drive[0])
                begin, reached = 0, group.group
            groups = begin, reached, len(self.wiring.groups)
            done = self._run(first, n_ticks, groups, events, drive, samples)
            self._watched.keep(first, done, samples, self._samples)
            self._keep_sources(first, done, events)
            first += done
            self.state.tick = first
            if self._found[1][0] + self.wiring.n > len(self._found[0]):
                self._hand_over()
        self._hand_over()

    def _run(
        self, first: int, n_ticks: int, groups: tuple[int, int, int], events: Any, drive: Any,
        samples: np.ndarray,
    ) -> int:  # fmt: skip
        w, s = self.wiring, self.state
        return run(
            first, n_ticks, groups, self._watched.every, w.groups, w.cells,
            (s.v, s.memory, s.spiked), self._received, drive, self._forced, events,
            (s.ring, s.n_ring), w.routes, w.branches, w.synapses, s.weight, w.sites,
            w.membrane_sites, w.rules, (s.x, s.heard), (s.y, s.fired), s.seen,
            (s.mark, s.marked), (self._rewards(first, n_ticks), s.signal),
            (s.membrane, s.late), self._arrivals, self._found, self._watched.places, samples,
        )  # fmt: skip

    def _step_foreign(self, group: Foreign, drive: np.ndarray) -> None:
        """One tick of cells that only Python knows, by their own ``tick``."""
        low = self.wiring.first_of[group.population]
        state, theta = self.state, self.wiring.cells[1]
        for cell, which in group.cells:
            at = low + which
            current = self._received[at, 0] - self._received[at, 1] + drive[at]
            columns = [state.v[at], *state.memory[at, : len(cell.memory_names)].T]
            spikes, after = cell.tick(
                torch.from_numpy(current)[None],
                tuple(torch.from_numpy(np.ascontiguousarray(each))[None] for each in columns),
                torch.from_numpy(theta[at])[None],
            )
            self._forced[at] = spikes[0].numpy() != 0
            state.v[at] = after[0][0].numpy()
            for column, each in enumerate(after[1:]):
                state.memory[at, column] = each[0].numpy()

    def _events(self, first: int, n_ticks: int) -> tuple[np.ndarray, np.ndarray]:
        """Spikes of the sources from ``first`` on: where each tick begins, and the sources."""
        index = first // BLOCK
        if self._block[0] != index:
            self._block = index, *self._drawn(index)
        _, ticks, sources = self._block
        starts = np.searchsorted(ticks, np.arange(first, first + n_ticks + 1))
        return starts - starts[0], sources[starts[0] : starts[-1]].copy()

    def _drawn(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The spikes of one block, each source from its stream, in the order of time."""
        w = self.wiring
        ticks, sources = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for source in w.parts.sources:
            stream = generator(self.seed, f"simulate/spikes/{w.parts.name_of(source)}", index)
            at, of = source.draw(index * BLOCK, BLOCK, w.dt_ms, stream)
            ticks.append(np.asarray(at, np.int64))
            sources.append(w.first_of[source] + _trains(source, of))
        all_ticks, all_sources = np.concatenate(ticks), np.concatenate(sources)
        order = np.lexsort((all_sources, all_ticks))
        all_ticks, all_sources = all_ticks[order], all_sources[order]
        inside = (all_ticks >= index * BLOCK) & (all_ticks < (index + 1) * BLOCK)
        twice = (np.diff(all_ticks) == 0) & (np.diff(all_sources) == 0)
        if not inside.all() or twice.any():
            raise ValueError(
                "a source gave spikes outside of the block it was asked for, or two of one train "
                "in a tick: its draw must keep to the ticks it is given"
            )
        return all_ticks, all_sources

    def _drive(self, first: int, n_ticks: int) -> np.ndarray:
        """The current from outside, ``(1 or n_ticks, n)``."""
        currents = self.wiring.parts.currents
        rows = 1 if all(c.lasting for c in currents) else n_ticks
        drive = np.zeros((rows, self.wiring.n))
        for current in currents:
            low = self.wiring.first_of[current.post]
            values = current.values if current.lasting else current.values[first : first + rows]
            drive[:, low : low + current.post.n] += values
        return drive

    def _rewards(self, first: int, n_ticks: int) -> np.ndarray:
        """The reward of each plastic projection, ``(1 or n_ticks, n_rules)``."""
        given, plastic = self.wiring.parts.rewards, self.wiring.plastic
        rewards = np.zeros((n_ticks if given else 1, len(plastic)))
        for reward in given:
            within = reward.within(first, n_ticks, self.wiring.dt_ms)
            rewards[:, plastic.index(reward.projection)] += within
        return rewards

    def _hand_over(self) -> None:
        rows, n = self._found
        if n[0]:
            found = rows[: n[0]].copy()
            self._spikes.append(found)
            if self._scalings:
                self.state.counts += np.bincount(found[:, 1], minlength=self.wiring.n)
            n[0] = 0

    def _keep_sources(self, first: int, done: int, events: tuple[np.ndarray, np.ndarray]) -> None:
        if self._heard_sources and done:
            n = np.diff(events[0][: done + 1])
            ticks = np.repeat(np.arange(first, first + done), n)
            self._source_spikes.append(np.stack([ticks, events[1][: len(ticks)]], 1))

    def _after(self, stop: int) -> None:
        """Homeostasis and samples of synapses after tick ``stop - 1``."""
        for which, (scaling, every) in enumerate(self._scalings):
            if stop % every == 0:
                listed, post = self.wiring.listed[scaling.projection], scaling.projection.post
                low = self.wiring.first_of[post]
                counts = self.state.counts[which, low : low + post.n]
                rate = counts * (1000 / (every * self.wiring.dt_ms))
                w = self.state.weight
                w[listed.place] = scaling.apply(listed.post, w[listed.place], rate)
                self.state.counts[which] = 0
        for record, every in self._listed:
            if (stop - 1) % every == 0:
                values = self._of_synapses(record)
                self._samples[record].append((np.array([stop - 1]), values[None]))

    def _of_synapses(self, record: Record) -> np.ndarray:
        listed = self.wiring.listed[record.of]
        place = listed.place[record.chosen(len(listed.place))]
        if record.what == "weights":
            return self.state.weight[place]
        return self.trace(place)

    def trace(self, place: np.ndarray) -> np.ndarray:
        """The presynaptic trace of some synapses at the end of the last tick."""
        branch = self.wiring.synapses[1][place]
        rate = self.wiring.rules[0][self.wiring.branches[1][branch], k.RATE_PLUS]
        gap = self.state.tick - 1 - self.state.heard[branch, k.LAST]
        return self.state.x[branch, k.X1] * np.exp(-gap * rate)

    def end_presentation(self) -> None:
        """A run is one presentation: under ``FirstSpike`` synapses that heard nothing lose what
        they lose by silence, and first spikes may come anew."""
        w, s = self.wiring, self.state
        for rule, projection in enumerate(w.plastic):
            if w.lowered[rule].pairing != k.FIRST:
                continue
            listed: Listed = w.listed[projection]
            branch, site = w.synapses[1][listed.place], w.synapses[2][listed.place]
            unheard = s.heard[branch, k.LAST] == k.NEVER
            lost = unheard & (s.fired[site, k.LAST] != k.NEVER)
            at, minus = listed.place[lost], w.lowered[rule].silent_at_end
            if minus and at.size:
                assert projection.timing is not None
                gains = projection.timing.dependence
                gain = gains.minus(s.weight[at]) if minus > 0 else gains.plus(s.weight[at])
                s.weight[at] = np.clip(s.weight[at] - minus * gain, gains.w_min, gains.w_max)
            s.heard[branch], s.fired[site] = k.NEVER, k.NEVER
            s.x[branch], s.y[site] = 0.0, 0.0

    def take(self) -> dict[str, Any]:
        """What was recorded since the last call; it is forgotten here."""
        none = np.zeros((0, 2), np.int64)
        spikes = np.concatenate([none, *self._spikes, *self._source_spikes])
        samples = {}
        for r, (record, parts) in enumerate(self._samples.items()):
            if record.what != "spikes":
                ticks = np.concatenate([np.zeros(0, np.int64), *(p[0] for p in parts)])
                values = np.concatenate([p[1] for p in parts]) if parts else np.zeros((0, 0))
                samples[str(r)] = {"ticks": ticks, "values": values}
            parts.clear()
        self._spikes.clear()
        self._source_spikes.clear()
        return {"spikes": spikes, "samples": samples}


@final
class _Watched:
    """Cells whose state the compiled loop samples: one list of places, one stride for all."""

    def __init__(self, wiring: Wiring, records: list[Record]) -> None:
        self._of: list[tuple[Record, int, slice]] = []
        places, n = [np.zeros((0, 2), np.int64)], 0
        for record in records:
            chosen = record.chosen(record.of.n) + wiring.first_of[record.of]
            ms = wiring.dt_ms if record.every_ms is None else record.every_ms
            every = ticks_of("every_ms", ms, wiring.dt_ms)
            self._of.append((record, every, slice(n, n + len(chosen))))
            places.append(np.stack([chosen, np.full(len(chosen), record.column)], 1))
            n += len(chosen)
        self.places = np.concatenate(places).astype(np.int64)
        self.every = math.gcd(*(every for _, every, _ in self._of)) if self._of else 1 << 40

    def room(self, first: int, n_ticks: int) -> np.ndarray:
        """Where the samples of some ticks go."""
        rows = (first + n_ticks - 1) // self.every - (first - 1) // self.every
        return np.zeros((rows, len(self.places)))

    def keep(self, first: int, done: int, samples: np.ndarray, into: dict) -> None:
        """Hand the samples of ``done`` ticks to their records."""
        if not self._of:
            return
        ticks = np.arange(-(-first // self.every) * self.every, first + done, self.every)
        for record, every, columns in self._of:
            mine = ticks % every == 0
            if mine.any():
                into[record].append((ticks[mine], samples[: len(ticks), columns][mine]))


def _is_of_cells(record: Record) -> bool:
    return record.what not in ("weights", "traces", "spikes")


def _trains(source: AbstractSource, of: np.ndarray) -> np.ndarray:
    trains = np.asarray(of, np.int64)
    if trains.size and not (trains.min() >= 0 and trains.max() < source.n):
        raise ValueError(f"{source!r} gave a spike of a train that it does not have")
    return trains
