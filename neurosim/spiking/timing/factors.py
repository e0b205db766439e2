"""Timings as sums of products: a presynaptic side times a postsynaptic side.

However an STDP rule is written, its change is ``sum_t sum_f a_f(t) b_f(t)`` with a_f a function
of the presynaptic spikes alone and b_f of the postsynaptic ones, so any synapse geometry can
carry it out with its own ``correlate``, on any device, and no array of (batch, out, in) is ever
made. There are two such sums:

- ``whole_window`` places every pair at its postsynaptic spike. Depression is then an
  anticausal trace of the presynaptic spikes.
- ``Causal`` places every change at the tick in which it happens, potentiation at postsynaptic
  and depression at presynaptic spikes, which weight dependence needs.

Axes are ``(time, batch, *features)``. ``gain`` is the third factor: what a change of each frame
and image counts, ``(time, batch)``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from neurosim.spiking.timing.spike_window import Clock
from neurosim.spiking.timing.trace_rule import COINCIDENCE, TraceRule

Factor = tuple[Tensor, Tensor]

#: A frame before any other: "no spike yet".
_NEVER = -(1 << 30)


def trace(
    value: Tensor,
    keep: Sequence[float],
    *,
    nearest: Tensor | None = None,
    own: bool = False,
    back: bool = False,
) -> Tensor:
    """The exponential trace of ``value`` at each frame, ``(time, ...)``.

    keep: what is left of a trace from the frame before; ``nearest``: spikes at which the value
    replaces the trace instead of adding to it; ``own``: read after the same frame has entered;
    ``back``: against time.
    """
    if value.device.type == "cpu" and value.dtype in (torch.float32, torch.float64):
        return _trace_on_cpu(value, keep, nearest, own, back)
    return _trace_anywhere(value, keep, nearest, own, back)


def _trace_anywhere(
    value: Tensor, keep: Sequence[float], nearest: Tensor | None, own: bool, back: bool
) -> Tensor:
    out = torch.empty_like(value)
    now = torch.zeros_like(value[0])
    n = len(value)
    for t in range(n - 1, -1, -1) if back else range(n):
        if not back:
            now = now * keep[t]
        elif t + 1 < n:
            now = now * keep[t + 1]
        after = now + value[t] if nearest is None else torch.where(nearest[t] != 0, value[t], now)
        out[t] = after if own else now
        now = after
    return out


def _trace_on_cpu(
    value: Tensor, keep: Sequence[float], nearest: Tensor | None, own: bool, back: bool
) -> Tensor:
    """The same numbers from one compiled pass."""
    from neurosim.spiking.kernels.trace import trace as compiled

    rows = value.reshape(len(value), -1).contiguous()
    out = torch.empty_like(rows)
    kept = np.asarray(keep).astype(rows.numpy().dtype)
    marks = rows if nearest is None else nearest.reshape(len(value), -1).contiguous()
    compiled(
        rows.numpy(),
        marks.to(value.dtype).numpy(),
        kept,
        nearest is not None,
        own,
        back,
        out.numpy(),
    )
    return out.view(value.shape)


def first_only(spikes: Tensor) -> Tensor:
    """The first spike of each neuron."""
    return spikes * (spikes.cumsum(0) == 1)


def last_frame(spikes: Tensor, *, own: bool = False, back: bool = False) -> Tensor:
    """The frame of the last spike before each (``back``: of the next after it), int32."""
    never = -_NEVER if back else _NEVER
    out = torch.empty(spikes.shape, dtype=torch.int32, device=spikes.device)
    now = torch.full(spikes.shape[1:], never, dtype=torch.int32, device=spikes.device)
    for t in range(len(spikes) - 1, -1, -1) if back else range(len(spikes)):
        after = now.masked_fill(spikes[t] != 0, t)
        out[t] = after if own else now
        now = after
    return out


def along_time(values: Tensor, side: Tensor) -> Tensor:
    """``(time,)`` or ``(time, batch)`` with as many axes as a side has."""
    return values.to(side).view(*values.shape, *(1,) * (side.dim() - values.dim()))


class _Sides:
    """The parts that both forms share."""

    def __init__(
        self, rule: TraceRule, pre: Tensor, post: Tensor, clock: Clock, gain: Tensor | None = None
    ) -> None:
        self.rule, self.clock, self.gain = rule, clock, gain
        self.sees_pre, self.sees_post = (bool(flag) for flag in COINCIDENCE[rule.coincidence])
        first = rule.pairing == "first"
        post = post.to(pre.dtype)
        self.pre = first_only(pre) if first else pre
        self.post = first_only(post) if first else post
        self.nearest = rule.pairing == "nearest"

    def keep(self, tau_ms: float) -> list[float]:
        return self.clock.keep(tau_ms).tolist()

    @cached_property
    def x1(self) -> Tensor:
        replace = self.pre if self.nearest else None
        keep = self.keep(self.rule.tau_plus_ms)
        return trace(self.pre, keep, nearest=replace, own=self.sees_pre)

    @cached_property
    def potentiating(self) -> Tensor:
        """Postsynaptic spikes, each with the amplitude it potentiates by (gain left out)."""
        if self.rule.a3_plus == 0:
            return self.rule.a_plus * self.post
        replace = self.post if self.nearest else None
        y2 = trace(self.post, self.keep(self.rule.tau_y_ms), nearest=replace)
        return self.post * (self.rule.a_plus + self.rule.a3_plus * y2)

    @cached_property
    def depressing(self) -> Tensor:
        """Presynaptic spikes, each with the amplitude it depresses by (gain left out)."""
        if self.rule.a3_minus == 0:
            return self.rule.a_minus * self.pre
        replace = self.pre if self.nearest else None
        x2 = trace(self.pre, self.keep(self.rule.tau_x_ms), nearest=replace)
        return self.pre * (self.rule.a_minus + self.rule.a3_minus * x2)

    @cached_property
    def silent(self) -> Tensor | None:
        """Depression of synapses whose presynaptic neuron never fired: a spike infinitely late,
        which only an infinite trace sees."""
        if self.rule.pairing != "first" or self.rule.tau_minus_ms != float("inf"):
            return None
        return self.rule.a_minus * (self.pre.sum(0) == 0).to(self.pre.dtype)

    def with_gain(self, side: Tensor) -> Tensor:
        return side if self.gain is None else side * along_time(self.gain, side)


def whole_window(
    rule: TraceRule, pre: Tensor, post: Tensor, clock: Clock, gain: Tensor | None = None
) -> Iterator[Factor]:
    """The factors of the change of a whole window, signs included."""
    s = _Sides(rule, pre, post, clock, gain)
    if rule.pairing == "reduced":
        yield from _reduced(s)
        return
    plus = s.with_gain(s.potentiating)
    if rule.pairing == "centred":
        # A presynaptic spike belongs to the next postsynaptic one: take away what the trace of
        # each postsynaptic spike still holds at the one before.
        keep = s.keep(rule.tau_plus_ms)
        later = trace(s.with_gain(s.post), keep, nearest=s.post, back=True)
        plus = plus - rule.a_plus * s.post * later
    yield s.x1, plus
    keep = s.keep(rule.tau_minus_ms)
    minus = trace(s.with_gain(s.depressing), keep, own=s.sees_post, back=True)
    if s.silent is not None:
        minus += s.silent if s.gain is None else s.silent * along_time(s.gain, s.pre)[-1]
    q = s.post
    if rule.pairing in ("nearest", "centred"):
        # A presynaptic spike belongs to the last postsynaptic one before it, likewise.
        q = q * (1 - trace(s.post, keep, nearest=s.post))
    yield minus, -q
    if rule.offset:
        yield s.with_gain(s.depressing), torch.full_like(s.post, -rule.offset)


def _reduced(s: _Sides) -> Iterator[Factor]:
    """Adjacent spikes, one lag (in frames) at a time."""
    rule, n = s.rule, len(s.pre)
    frame = torch.arange(n, device=s.pre.device)
    on_pre, on_post = along_time(frame, s.pre), along_time(frame, s.post)
    behind = on_pre - last_frame(s.pre, own=s.sees_pre)
    ahead = last_frame(s.pre, own=s.sees_post, back=True) - on_pre
    since = on_post - last_frame(s.post)
    until = last_frame(s.post, back=True) - on_post
    post_gain = s.with_gain(s.post)
    for lag in range(n):
        here = behind == lag
        if here.any():
            free = since > lag if s.sees_pre else since >= lag
            kept = torch.as_tensor(s.clock.keep(rule.tau_plus_ms, lag))
            yield along_time(rule.a_plus * kept, s.pre) * here, post_gain * free
        here = ahead == lag
        if here.any():
            free = until > lag if s.sees_post else until >= lag
            kept = torch.zeros(n, dtype=torch.float64)
            kept[: n - lag] = torch.as_tensor(s.clock.keep(rule.tau_minus_ms, lag)[lag:])
            side = along_time(rule.a_minus * kept, s.pre) * here
            if s.gain is not None:
                side[: n - lag] *= along_time(s.gain, s.pre)[lag:]
            yield side, -s.post * free


class AbstractCausal(ABC):
    """The factors of one frame after the other, pairs of ``(batch, *features)``."""

    @abstractmethod
    def plus(self, t: int) -> Iterator[Factor]:
        """What is added at frame ``t``."""

    @abstractmethod
    def minus(self, t: int) -> Iterator[Factor]:
        """What is taken away at frame ``t``."""

    @abstractmethod
    def listed(self) -> Listed | None:
        """The same as two factors for all frames; None where a frame takes more than those."""


class Listed(AbstractCausal):
    """One potentiating and one depressing factor, already at their ticks, ``(time, batch,
    *features)``; ``at_end``, ``(batch, *features)``, is taken away in the last frame besides."""

    def __init__(self, plus: Factor, minus: Factor, at_end: Factor | None = None) -> None:
        self.plus_side, self.minus_side, self.at_end = plus, minus, at_end

    def plus(self, t: int) -> Iterator[Factor]:
        a, b = self.plus_side
        yield a[t], b[t]

    def minus(self, t: int) -> Iterator[Factor]:
        a, b = self.minus_side
        yield a[t], b[t]
        if self.at_end is not None and t == len(a) - 1:
            yield self.at_end

    def listed(self) -> Listed:
        return self


class Causal(AbstractCausal):
    """The causal form of a trace rule."""

    def __init__(self, rule: TraceRule, pre: Tensor, post: Tensor, clock: Clock) -> None:
        self.sides = s = _Sides(rule, pre, post, clock)
        self.rule, self.clock = rule, clock
        self._adjacent = rule.pairing == "reduced"
        self._centred = rule.pairing == "centred"
        if self._adjacent:
            self._last_pre = last_frame(s.pre, own=s.sees_pre)
            self._last_post = last_frame(s.post, own=s.sees_post)
            self._pre_before = last_frame(s.pre)
        else:
            replace = s.post if rule.pairing in ("nearest", "centred") else None
            keep = s.keep(rule.tau_minus_ms)
            self._y1 = trace(s.post, keep, nearest=replace, own=s.sees_post)
            if rule.offset:
                self._y1 += rule.offset
        if self._adjacent or self._centred:
            self._post_before = last_frame(s.post)

    def plus(self, t: int) -> Iterator[Factor]:
        s = self.sides
        if not s.post[t].any():
            return
        if self._adjacent:
            for u in self._frames(self._last_pre[t]):
                # The last presynaptic spike was at u and no postsynaptic one came between.
                before = self._post_before[t]
                free = before < u if s.sees_pre else before <= u
                kept = self.rule.a_plus * self.clock.between(self.rule.tau_plus_ms, u, t)
                yield kept * (self._last_pre[t] == u).to(s.pre.dtype), s.post[t] * free
            return
        yield s.x1[t], s.potentiating[t]
        if self._centred:
            for u in self._frames(self._post_before[t]):
                same = s.post[t] * (self._post_before[t] == u)
                kept = self.rule.a_plus * self.clock.between(self.rule.tau_plus_ms, u, t)
                yield -kept * s.x1[u], same

    def minus(self, t: int) -> Iterator[Factor]:
        s = self.sides
        if s.pre[t].any():
            if self._adjacent:
                for u in self._frames(self._last_post[t]):
                    before = self._pre_before[t]
                    free = before < u if s.sees_post else before <= u
                    kept = self.rule.a_minus * self.clock.between(self.rule.tau_minus_ms, u, t)
                    yield kept * s.pre[t] * free, (self._last_post[t] == u).to(s.post.dtype)
            else:
                yield s.depressing[t], self._y1[t]
        if t == len(self.clock) - 1 and s.silent is not None:
            yield s.silent, s.post.sum(0)

    def listed(self) -> Listed | None:
        s = self.sides
        if self._adjacent or self._centred:
            return None
        at_end = None if s.silent is None else (s.silent, s.post.sum(0))
        return Listed((s.x1, s.potentiating), (s.depressing, self._y1), at_end)

    @staticmethod
    def _frames(last: Tensor) -> list[int]:
        return [u for u in last.unique().tolist() if u != _NEVER]
