"""STDP of one synapse written down a second time: sums over spike times, no traces, no frames.

Nothing here is shared with the package: each function reads the definition of a scheme and goes
through lists of spike ticks.
"""

from __future__ import annotations

import math


def pairs(pre, post, scheme, sees_pre, sees_post):
    """``(potentiating, depressing)`` lists of (pre tick, post tick)."""

    def causal(s, t):
        return s < t or (s == t and sees_pre)

    def acausal(s, t):
        return t < s or (s == t and sees_post)

    ltp = [(s, t) for s in pre for t in post if causal(s, t)]
    ltd = [(s, t) for s in pre for t in post if acausal(s, t)]
    if scheme == "all":
        return ltp, ltd
    if scheme == "first":
        s, t = (min(pre) if pre else math.inf), (min(post) if post else math.inf)
        return [p for p in ltp if p == (s, t)], [p for p in ltd if p == (s, t)]
    last_pre = {t: max((s for s, u in ltp if u == t), default=None) for t in post}
    next_post = {s: min((t for u, t in ltp if u == s), default=None) for s in pre}
    last_post = {s: max((t for u, t in ltd if u == s), default=None) for s in pre}
    next_pre = {t: min((s for s, u in ltd if u == t), default=None) for t in post}
    if scheme == "nearest":
        keep_ltp = [p for p in ltp if last_pre[p[1]] == p[0]]
        keep_ltd = [p for p in ltd if last_post[p[0]] == p[1]]
    elif scheme == "centred":
        keep_ltp = [p for p in ltp if next_post[p[0]] == p[1]]
        keep_ltd = [p for p in ltd if last_post[p[0]] == p[1]]
    else:
        keep_ltp = [p for p in ltp if last_pre[p[1]] == p[0] and next_post[p[0]] == p[1]]
        keep_ltd = [p for p in ltd if last_post[p[0]] == p[1] and next_pre[p[1]] == p[0]]
    return keep_ltp, keep_ltd


def changes(rule, pre, post, dt):
    """tick -> (change by potentiation, change by depression), weight left out."""
    flags = {"none": (0, 0), "potentiate": (1, 0), "both": (1, 1), "acausal": (0, 1)}
    ltp, ltd = pairs(pre, post, rule.pairing, *flags[rule.coincidence])

    def slow(train, now, tau):
        earlier = [t for t in train if t < now]
        if rule.pairing == "nearest":
            earlier = earlier[-1:]
        return sum(math.exp(-(now - t) * dt / tau) for t in earlier)

    out = {}

    def add(tick, plus, minus):
        old = out.get(tick, (0.0, 0.0))
        out[tick] = old[0] + plus, old[1] + minus

    for s, t in ltp:
        amplitude = rule.a_plus
        if rule.a3_plus:
            amplitude += rule.a3_plus * slow(post, t, rule.tau_y_ms)
        add(t, amplitude * math.exp(-(t - s) * dt / rule.tau_plus_ms), 0.0)
    for s, t in ltd:
        amplitude = rule.a_minus
        if rule.a3_minus:
            amplitude += rule.a3_minus * slow(pre, s, rule.tau_x_ms)
        add(s, 0.0, -amplitude * math.exp(-(s - t) * dt / rule.tau_minus_ms))
    for s in pre if rule.offset else ():
        add(s, 0.0, -rule.a_minus * rule.offset)
    if rule.pairing == "first" and math.isinf(rule.tau_minus_ms) and not pre and post:
        add(math.inf, 0.0, -rule.a_minus)
    return out


def total(rule, pre, post, dt):
    """The change where the weight plays no part."""
    return sum(a + b for a, b in changes(rule, sorted(pre), sorted(post), dt).values())


def final_weight(rule, pre, post, dt, w, plus, minus, low, high):
    """The weight after all spikes; ``plus(w)`` and ``minus(w)`` scale what adds and takes away."""
    by_tick = changes(rule, sorted(pre), sorted(post), dt)
    for tick in sorted(by_tick):
        step = sum(c * (plus(w) if c > 0 else minus(w)) for c in by_tick[tick])
        w = min(max(w + step, low), high)
    return w
