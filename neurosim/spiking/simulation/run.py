"""``simulate``: a network over a stretch of time, and what was recorded of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
from tqdm import tqdm

from neurosim.arrays.storage import read_tree, write_tree
from neurosim.spiking.simulation.engine import Engine
from neurosim.spiking.simulation.group import NeuronGroup
from neurosim.spiking.simulation.parts import Part, Parts
from neurosim.spiking.simulation.projection import Projection
from neurosim.spiking.simulation.recording import Record, Samples, Spikes, ticks_of
from neurosim.spiking.simulation.sources import BLOCK, AbstractSource
from neurosim.spiking.simulation.state import State
from neurosim.spiking.simulation.wiring import Wiring, wire

_STATE = "state.h5"


def simulate(
    network: Iterable[Part] | Part,
    duration_ms: float,
    *,
    record: Iterable[Record] | Record = (),
    seed: int = 0,
    start: State | None = None,
    folder: Path | str | None = None,
    segment_ms: float | None = None,
    progress: bool = False,
) -> Simulation:
    """Run a network of spiking populations.

    In each tick spikes arrive and add their weight to the input of their target, cells step and
    fire, and plastic synapses change, by the same rules as ``TraceSTDP`` over a whole window (to
    rounding), in memory that does not depend on the number of ticks. All is float64 and
    reproducible: random numbers come from streams named by ``seed`` and the parts' names.

    Args:
        network: populations, projections (which bring their populations along), currents, scaling.
        duration_ms: whole ticks of the cells' ``dt_ms``. A run is one presentation: ``FirstSpike``
            looks for first spikes in each run, and silent inputs depress at its end.
        record: what to keep besides the spikes of all populations.
        seed: of connections, drawn weights and delays, and random trains.
        start: ``state`` of an earlier run of the same network, to go on from.
        folder: keep what is recorded there, one HDF5 file per segment, instead of in memory; the
            same call with the same folder goes on where an interrupted one stopped.
        segment_ms: model time per file; a minute unless told.
        progress: show a bar.

    >>> from neurosim.spiking import NeuronGroup, Projection, SnntorchLIF, SpikeTimes, simulate
    >>> cell = NeuronGroup(1, SnntorchLIF(dt_ms=1.0))
    >>> synapse = Projection(SpikeTimes([[5.0]]), cell, weight=1.5, delay_ms=2.0)
    >>> simulate(synapse, 20.0).spikes(cell).times_ms.tolist()
    [7.0]

    Raises:
        ValueError, TypeError: what does not fit, before the run begins.
    """
    records = (record,) if isinstance(record, Record) else tuple(record)
    wiring = wire(Parts(network), seed)
    n_ticks = ticks_of("duration_ms", duration_ms, wiring.dt_ms)
    for each in records:
        if not isinstance(each, Record):
            raise TypeError(f"record takes Record(part, what), got {each!r}")
        wiring.parts.name_of(each.of)
    state = State.fresh(wiring) if start is None else start.copy()
    state.check(wiring)
    until = state.tick + n_ticks
    for current in wiring.parts.currents:
        if not current.lasting and len(current.values) < until:
            raise ValueError(
                f"a current of {len(current.values)} ticks ends before the run, which ends at tick "
                f"{until}: give more ticks, or a shorter duration_ms"
            )
    first = state.tick
    kept: _InMemory | _InFolder = _InMemory()
    if folder is not None:
        kept = _InFolder(Path(folder), wiring, seed, first, until, records)
        state = kept.reached(state)
    segment = n_ticks
    if folder is not None:
        segment = ticks_of(
            "segment_ms", 60_000.0 if segment_ms is None else segment_ms, wiring.dt_ms
        )
    engine = Engine(wiring, state, seed, records)
    with tqdm(total=n_ticks, initial=state.tick - first, unit="tick", disable=not progress) as bar:
        while state.tick < until:
            end = min(until, state.tick + segment)
            while state.tick < end:
                before = state.tick
                engine.advance(min(end, before + 4 * BLOCK) if progress else end)
                bar.update(state.tick - before)
            if end == until:
                engine.end_presentation()
            kept.add(engine.take(), state)
    return Simulation(wiring, state, kept, records, first)


@final
class Simulation:
    """What a run gave.

    state: all that goes on; hand it to ``simulate(start=...)``.
    """

    def __init__(
        self, wiring: Wiring, state: State, kept: _InMemory | _InFolder,
        records: tuple[Record, ...], first: int,
    ) -> None:  # fmt: skip
        self._wiring, self.state, self._kept = wiring, state, kept
        self._records, self._first = records, first

    @property
    def dt_ms(self) -> float:
        """The tick."""
        return self._wiring.dt_ms

    def spikes(self, of: NeuronGroup | AbstractSource) -> Spikes:
        """The spikes of a population, or of a source under ``Record(source, "spikes")``.

        Raises:
            ValueError: a part of another network, or a source that was not recorded.
        """
        w = self._wiring
        w.parts.name_of(of)
        if isinstance(of, AbstractSource) and not any(r.of is of for r in self._records):
            raise ValueError(f"{of!r} was not recorded: give record=[Record(source, 'spikes')]")
        low = w.first_of[of]
        parts = [np.zeros((0, 2), np.int64)]
        for piece in self._kept.pieces():
            spikes = piece["spikes"]
            parts.append(spikes[(spikes[:, 1] >= low) & (spikes[:, 1] < low + of.n)])
        found = np.concatenate(parts)
        duration = (self.state.tick - self._first) * w.dt_ms
        return Spikes(found[:, 0] * w.dt_ms, found[:, 1] - low, of.n, duration)

    def samples(self, of: Record) -> Samples:
        """What a ``Record`` kept.

        Raises:
            ValueError: it was not given to this run, or is one of spikes.
        """
        if of not in self._records or of.what == "spikes":
            raise ValueError(f"{of!r} holds no samples of this run: give it as record=[...]")
        key = str(self._records.index(of))
        pieces = [piece["samples"][key] for piece in self._kept.pieces()]
        pieces = [piece for piece in pieces if len(piece["ticks"])]
        ticks = np.concatenate([np.zeros(0, np.int64), *(p["ticks"] for p in pieces)])
        values = np.concatenate([p["values"] for p in pieces]) if pieces else np.zeros((0, 0))
        return Samples(ticks * self.dt_ms, values)

    def weights(self, of: Projection) -> np.ndarray:
        """The weights at the end, one per synapse in the order of ``synapses``."""
        self._wiring.parts.name_of(of)
        return self.state.weight[self._wiring.listed[of].place]

    def weight_matrix(self, of: Projection) -> np.ndarray:
        """The weights at the end, ``(n_post, n_pre)``; 0 where there is no synapse, the sum where
        there are several."""
        pre, post, _ = self.synapses(of)
        matrix = np.zeros((of.post.n, of.pre.n))
        np.add.at(matrix, (post, pre), self.weights(of))
        return matrix

    def synapses(self, of: Projection) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """``(pre, post, delay_ms)`` of each synapse."""
        self._wiring.parts.name_of(of)
        listed = self._wiring.listed[of]
        return listed.pre, listed.post, listed.delay * self.dt_ms


def _input_digest(wiring: Wiring) -> str:
    """SHA-256 of what drives a network and of the weights it begins with."""
    parts = wiring.parts
    found = hashlib.sha256(wiring.weight.tobytes())
    for source in parts.sources:
        found.update(f"{type(source).__qualname__} {source.n}".encode())
        for array in source.content():
            found.update(array.tobytes())
    for array in (
        *(current.values for current in parts.currents),
        *(each for reward in parts.rewards for each in (reward.times_ms, reward.size)),
        *(group.start for group in parts.populations),
    ):
        found.update(array.tobytes())
    return found.hexdigest()


class _InMemory:
    """What was recorded, as it came."""

    def __init__(self) -> None:
        self._pieces: list[dict[str, Any]] = []

    def add(self, piece: dict[str, Any], state: State) -> None:
        self._pieces.append(piece)

    def pieces(self) -> Iterator[dict[str, Any]]:
        yield from self._pieces


class _InFolder:
    """One file per segment; after each, the state from which to go on."""

    def __init__(
        self, folder: Path, wiring: Wiring, seed: int, first: int, until: int,
        records: tuple[Record, ...],
    ) -> None:  # fmt: skip
        self._folder, self._n = folder, 0
        asked = [
            f"{wiring.parts.name_of(r.of)} {r.what} {r.every_ms} "
            f"{'all' if r.which is None else r.which.tolist()}"
            for r in records
        ]
        self._asked = {
            "network": wiring.digest, "input": _input_digest(wiring), "seed": str(seed),
            "ticks": f"{first} to {until}",
            "record": "; ".join(asked),
        }  # fmt: skip

    def reached(self, state: State) -> State:
        """The state that an interrupted run left, else the one given.

        Raises:
            ValueError: the folder holds another run.
        """
        path = self._folder / _STATE
        if not path.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            return state
        tree = read_tree(path)
        for what, value in self._asked.items():
            if tree["asked"][what] != value:
                raise ValueError(
                    f"{self._folder} holds a run of another {what} ({tree['asked'][what]}, not "
                    f"{value}): give another folder, or remove this one"
                )
        self._n = tree["n"]
        return State.of_tree(tree["state"])

    def add(self, piece: dict[str, Any], state: State) -> None:
        write_tree(self._path(self._n), piece)
        self._n += 1
        tree = {"asked": self._asked, "n": self._n, "state": state.tree()}
        write_tree(self._folder / _STATE, tree)

    def pieces(self) -> Iterator[dict[str, Any]]:
        for k in range(self._n):
            try:
                yield read_tree(self._path(k))
            except (OSError, ValueError) as error:
                raise ValueError(
                    f"{self._path(k)} is missing or damaged, and what it recorded is computed with "
                    f"what came before: remove {self._folder} and run again"
                ) from error

    def _path(self, k: int) -> Path:
        return self._folder / f"segment-{k:06}.h5"
