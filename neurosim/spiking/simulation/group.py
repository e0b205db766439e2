"""What a network is made of on the side of the neurons: populations and their currents."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from neurosim.naming.made import made
from neurosim.naming.settings import require_count, unmasked
from neurosim.spiking.cells.base import AbstractCell
from neurosim.spiking.cells.registry import CELLS
from neurosim.spiking.simulation.cells import Cell, memory_names, numbers_of
from neurosim.spiking.simulation.conductance import ConductanceLIF


@final
class NeuronGroup:
    """``n`` cells of one kind.

    Args:
        n: how many.
        cell: a registered cell, as an object, by name or by text, or ``ConductanceLIF(...)``; its
            ``dt_ms`` is the tick of the network.
        threshold: one number or one per neuron, positive; 1 unless told. ``ConductanceLIF`` has a
            threshold of its own.
        start: the state at the first tick, by name (``voltage`` and what the cell keeps besides),
            one number or one per neuron; at rest unless told.
        name: what messages, random streams and files call it.
        settings: any number of the cell, one per neuron, in place of the cell's own.

    >>> from neurosim.spiking import NeuronGroup, SnntorchLIF
    >>> NeuronGroup(3, SnntorchLIF(dt_ms=1.0), tau_mem_ms=[10, 20, 30], start={"voltage": 0.5})
    NeuronGroup(3, SnntorchLIF)

    Raises:
        ValueError, TypeError: naming the argument, what it may be and what was given.
    """

    def __init__(
        self,
        n: int,
        cell: Cell | str,
        *,
        threshold: ArrayLike | None = None,
        start: dict[str, ArrayLike] | None = None,
        name: str = "",
        **settings: ArrayLike,
    ) -> None:
        require_count("n", n)
        self.n, self.name = int(n), name
        if not isinstance(cell, ConductanceLIF):
            cell = made(CELLS, cell)
        if not isinstance(cell, AbstractCell | ConductanceLIF):
            raise TypeError(f"cell must be a cell such as SnntorchLIF(dt_ms=1.0), got {cell!r}")
        self.cell: Cell = cell
        known = numbers_of(cell)
        for key in settings:
            if key not in known:
                raise TypeError(
                    f"{type(cell).__name__} has no number {key!r} that may differ between neurons: "
                    f"the ones it has are {', '.join(known) or 'none'}"
                )
        self.settings = {key: per_neuron(key, value, n) for key, value in settings.items()}
        self.threshold = self._threshold(threshold)
        self.start = self._start(start or {})

    def __repr__(self) -> str:
        label = f", name={self.name!r}" if self.name else ""
        return f"NeuronGroup({self.n}, {type(self.cell).__name__}{label})"

    def _threshold(self, given: ArrayLike | None) -> np.ndarray:
        if isinstance(self.cell, ConductanceLIF):
            if given is not None:
                raise ValueError(
                    "the threshold of ConductanceLIF is its own: give ConductanceLIF(threshold=...)"
                    ", in mV"
                )
            return np.full(self.n, self.cell.threshold)
        theta = per_neuron("threshold", 1.0 if given is None else given, self.n, finite=False)
        if not (theta > 0).all():
            raise ValueError(f"threshold must be positive, got {theta[~(theta > 0)][0]:g}")
        return theta

    def _start(self, given: dict[str, ArrayLike]) -> np.ndarray:
        """``(n, 4)``: voltage and up to three memories."""
        names = ("voltage", *memory_names(self.cell))
        for key in given:
            if key not in names:
                raise ValueError(f"start has no {key!r}: {self!r} begins with {', '.join(names)}")
        state = np.zeros((self.n, 4))
        if isinstance(self.cell, ConductanceLIF):
            state[:, 0] = self.settings.get("rest", self.cell.rest)
        for key, value in given.items():
            state[:, names.index(key)] = per_neuron(f"start[{key!r}]", value, self.n)
        return state


@final
class CurrentInput:
    """A current from outside into a population, in units of voltage per tick (``ConductanceLIF``:
    mV).

    current: one number, one per neuron, or one per tick and neuron, ``(time, n)``; a run may not
    last longer than the last.
    """

    def __init__(self, post: NeuronGroup, current: ArrayLike) -> None:
        if not isinstance(post, NeuronGroup):
            raise TypeError(f"a current goes into a NeuronGroup(...), got {post!r}")
        self.post = post
        values = _numbers("current", current)
        if values.ndim < 2:
            values = per_neuron("current", values, post.n)[None]
        if values.ndim != 2 or values.shape[1] != post.n:
            raise ValueError(
                f"current must be one number, one per neuron, ({post.n},), or one per tick and "
                f"neuron, (time, {post.n}), got the shape {values.shape}"
            )
        _require_finite("current", values)
        self.values, self.lasting = values, np.ndim(current) < 2


def per_neuron(name: str, value: Any, n: int, *, finite: bool = True) -> np.ndarray:
    """One number for each of ``n``, float64, from one number or n of them."""
    values = _numbers(name, value)
    if values.shape not in ((), (n,)):
        raise ValueError(f"{name} must be one number or {n} of them, got the shape {values.shape}")
    if finite:
        _require_finite(name, values)
    return np.broadcast_to(values, (n,)).copy()


def _numbers(name: str, value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    values = unmasked(name, value)
    if values.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be numbers, got {value!r}")
    return values.astype(np.float64)


def _require_finite(name: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds values that are not finite")
