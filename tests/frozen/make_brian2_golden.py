"""Golden values of STDP by another simulator: Brian2 2.9 in float64.

    python -m venv golden && golden/bin/pip install "brian2==2.9.0" "numpy<2.4" setuptools
    golden/bin/python tests/frozen/make_brian2_golden.py

writes ``brian2_golden.json`` beside this file. Brian2 2.9 needs numpy below 2.4 and so stays out of
the test run; nothing of neurosim is imported here. Every rule is written down as Brian2's own
documentation writes synapses: traces with exact decay (``event-driven``), and pathways that read
and bump them. A tick is Brian2's clock step. Within a tick the order of the pathways is the
coincidence policy:

    none         both sides read, then both traces are bumped
    potentiate   presynaptic read and bump, then the postsynaptic ones
    both         both traces are bumped, then both sides read
"""

from __future__ import annotations

import json
from pathlib import Path

import brian2 as b2
import numpy as np

DT_MS = 0.5
#: The weight before the first spike.
W = 0.4
FILE = Path(__file__).with_name("brian2_golden.json")

#: Pathways in the order in which they run within a tick: side, "read" or "bump".
ORDERS = {
    "none": ("pre read", "post read", "pre bump", "post bump"),
    "potentiate": ("pre read", "pre bump", "post read", "post bump"),
    "both": ("pre bump", "post bump", "pre read", "post read"),
}
#: Run after all others: what was read goes into the weight, so that both changes of a tick are
#: scaled by the weight before that tick.
LAST = ("pre apply", "post apply")


def trains() -> dict[str, dict[str, list[int]]]:
    """Spike trains in ticks: sparse, bursting (runs of adjacent ticks), with ties, lopsided."""
    rng = np.random.default_rng(20261124)

    def draw(n: int, span: int = 600) -> list[int]:
        return np.sort(rng.choice(span, n, replace=False)).tolist()

    def burst(starts: list[int], length: int) -> list[int]:
        return [start + i for start in starts for i in range(length)]

    tied = draw(25)
    return {
        "sparse": {"pre": draw(8), "post": draw(7)},
        "busy": {"pre": draw(60), "post": draw(55)},
        "bursts": {"pre": burst([10, 200, 430], 5), "post": burst([12, 190, 435], 4)},
        "ties": {"pre": tied, "post": sorted({*tied[::2], *draw(10)})},
        "all ties": {"pre": tied, "post": tied},
        "one pre": {"pre": [300], "post": draw(20)},
        "one post": {"pre": draw(20), "post": [300]},
        "dense": {"pre": draw(200, 400), "post": draw(180, 400)},
    }


def trace(name: str, tau_ms: float) -> str:
    return f"d{name}/dt = -{name} / ({tau_ms!r} * ms) : 1 (event-driven)\n"


def pair(scheme: str, p: dict[str, float]) -> dict[str, str]:
    """Pair rules: x follows the presynaptic, y the postsynaptic spikes (Morrison 2008)."""
    parts = {
        "model": "w : 1\n" + trace("x", p["tau_plus_ms"]) + trace("y", p["tau_minus_ms"]),
        "pre read": f"w -= {p['a_minus']!r} * y",
        "post read": f"w += {p['a_plus']!r} * x",
    }
    bumps = {
        "all": ("x += 1", "y += 1"),
        "symmetric": ("x = 1", "y = 1"),
        "presynaptic": ("x += 1", "y = 1"),
        "reduced": ("x = 1", "y = 1"),
    }
    parts["pre bump"], parts["post bump"] = bumps[scheme]
    # A trace that pairs once is used up by its reader: each presynaptic spike meets the next
    # postsynaptic one only; in the reduced scheme each spike meets its neighbour only.
    if scheme in ("presynaptic", "reduced"):
        parts["post read"] += "\nx = 0"
    if scheme == "reduced":
        parts["pre read"] += "\ny = 0"
    return parts


def triplet(interactions: str, p: dict[str, float]) -> dict[str, str]:
    """Pfister & Gerstner 2006: r1, r2 follow the presynaptic, o1, o2 the postsynaptic spikes."""
    taus = {"r1": "tau_plus_ms", "r2": "tau_x_ms", "o1": "tau_minus_ms", "o2": "tau_y_ms"}
    bump = "{0} += 1" if interactions == "all" else "{0} = 1"
    return {
        "model": "w : 1\n" + "".join(trace(name, p[tau]) for name, tau in taus.items()),
        # The second trace is read just before its own spike enters it, whatever the policy.
        "pre read": f"w -= o1 * ({p['a2_minus']!r} + {p['a3_minus']!r} * r2)\n{bump.format('r2')}",
        "post read": f"w += r1 * ({p['a2_plus']!r} + {p['a3_plus']!r} * o2)\n{bump.format('o2')}",
        "pre bump": bump.format("r1"),
        "post bump": bump.format("o1"),
    }


def weight_dependent(grows: str, shrinks: str, p: dict[str, float]) -> dict[str, str]:
    """All pairs, each change scaled by the weight of that moment, the weight held in [0, 1]."""
    parts = pair("all", p)
    parts["model"] += "change : 1\n"
    parts["pre read"] = f"change -= {p['a_minus']!r} * ({shrinks}) * y"
    parts["post read"] = f"change += {p['a_plus']!r} * ({grows}) * x"
    parts["pre apply"] = parts["post apply"] = "w = clip(w + change, 0, 1)\nchange = 0"
    return parts


def rewarded(p: dict[str, float]) -> dict[str, str]:
    """All pairs leave marks c; what they are worth is c times the reward (Florian 2007), or times
    its low-pass filter d of the same area (Izhikevich 2007). c and d decay exactly within a tick,
    so their product is integrated exactly too."""
    parts = pair("all", p)
    parts["model"] += f"dc/dt = -c / ({p['tau_eligibility_ms']!r} * ms) : 1 (clock-driven)\n"
    for step in ("pre read", "post read"):
        parts[step] = parts[step].replace("w ", "c ", 1)
    if p["tau_reward_ms"] == 0:
        parts["every tick"] = "w += c * reward(t)"
        return parts
    joint = 1 / (1 / p["tau_eligibility_ms"] + 1 / p["tau_reward_ms"])
    parts["model"] += f"dd/dt = -d / ({p['tau_reward_ms']!r} * ms) : 1 (clock-driven)\n"
    parts["every tick"] = (
        f"d += reward(t) / {p['tau_reward_ms']!r}\n"
        f"w += c * d * {joint!r} * (1 - exp(-{DT_MS / joint!r}))"
    )
    return parts


def run(parts: dict[str, str], coincidence: str, spikes: dict[str, dict[str, list[int]]]) -> list:
    """The change of one synapse for each pair of trains."""
    b2.start_scope()
    b2.defaultclock.dt = DT_MS * b2.ms
    groups = {}
    for side in ("pre", "post"):
        units = np.concatenate([[i] * len(t[side]) for i, t in enumerate(spikes.values())])
        ticks = np.concatenate([t[side] for t in spikes.values()])
        # Half a tick off the border, so that rounding cannot move a spike.
        times = (ticks + 0.5) * DT_MS * b2.ms
        groups[side] = b2.SpikeGeneratorGroup(len(spikes), units.astype(int), times)
    order = (*ORDERS[coincidence], *LAST)
    steps = {step: step.replace(" ", "_") for step in order if step in parts}
    synapses = b2.Synapses(
        groups["pre"],
        groups["post"],
        model=parts["model"],
        on_pre={name: parts[step] for step, name in steps.items() if step.startswith("pre")},
        on_post={name: parts[step] for step, name in steps.items() if step.startswith("post")},
        method="exact",
    )
    synapses.connect(j="i")
    for place, name in enumerate(steps.values()):
        getattr(synapses, name).order = place
    synapses.w = W
    last = 2 + max(max(t["pre"][-1], t["post"][-1]) for t in spikes.values())
    names = {}
    if "every tick" in parts:
        # After the synapses of a tick, until nothing is left of marks and reward.
        synapses.run_regularly(parts["every tick"], when="end")
        last = max(last, REWARD["ticks"][-1]) + round(2500 / DT_MS)
        reward = np.zeros(last)
        reward[REWARD["ticks"]] = REWARD["sizes"]
        names = {"reward": b2.TimedArray(reward, dt=DT_MS * b2.ms)}
    b2.Network(*groups.values(), synapses).run(last * DT_MS * b2.ms, namespace=names)
    return [float(w) - W for w in synapses.w[:]]


#: Rewards and a punishment: among the spikes, and one after the last of them.
REWARD = {"ticks": [120, 300, 301, 640], "sizes": [1.0, -0.5, 2.0, 0.7]}
REWARDED = {
    "impulses": {"tau_eligibility_ms": 300.0, "tau_reward_ms": 0.0},
    "dopamine": {"tau_eligibility_ms": 300.0, "tau_reward_ms": 100.0},
}
PAIR = {"a_plus": 0.011, "a_minus": 0.007, "tau_plus_ms": 16.8, "tau_minus_ms": 33.7}
#: Pfister & Gerstner 2006, table 4 (visual cortex) and table 3 (hippocampal culture), full models.
TRIPLET = {
    "all": {"a2_plus": 5e-10, "a3_plus": 6.2e-3, "a2_minus": 7e-3, "a3_minus": 2.3e-4,
            "tau_plus_ms": 16.8, "tau_minus_ms": 33.7, "tau_x_ms": 101.0, "tau_y_ms": 125.0},
    "nearest": {"a2_plus": 8.8e-11, "a3_plus": 5.3e-2, "a2_minus": 6.6e-3, "a3_minus": 3.1e-3,
                "tau_plus_ms": 16.8, "tau_minus_ms": 33.7, "tau_x_ms": 714.0, "tau_y_ms": 40.0},
}  # fmt: skip
#: Factor of potentiation and of depression by the weight.
DEPENDENCES = {
    "additive": ("1", "1"),
    "multiplicative": ("1 - w", "w"),
    "van-rossum": ("1", "w"),
    "guetig": ("(1 - w) ** 0.3", "w ** 0.3"),
}


def cases() -> list[dict]:
    """Every case: which rule, its parameters, the policy, and the changes in the trains' order."""
    found, spikes = [], trains()

    def add(rule: str, variant: str, parameters: dict, coincidence: str, parts: dict) -> None:
        changes = dict(zip(spikes, run(parts, coincidence, spikes), strict=True))
        found.append({"rule": rule, "variant": variant, "parameters": parameters,
                      "coincidence": coincidence, "change": changes})  # fmt: skip

    for policy in ORDERS:
        for scheme in ("all", "symmetric", "presynaptic", "reduced"):
            add("pair", scheme, PAIR, policy, pair(scheme, PAIR))
        for interactions, p in TRIPLET.items():
            add("triplet", interactions, p, policy, triplet(interactions, p))
        for name, (grows, shrinks) in DEPENDENCES.items():
            add("weight-dependent", name, PAIR, policy, weight_dependent(grows, shrinks, PAIR))
        for name, taus in REWARDED.items():
            parameters = {**PAIR, **taus}
            add("rewarded", name, parameters, policy, rewarded(parameters))
    return found


if __name__ == "__main__":
    b2.prefs.codegen.target = "numpy"
    golden = {
        "made_by": f"make_brian2_golden.py, Brian2 {b2.__version__}, numpy {np.__version__}",
        "dt_ms": DT_MS,
        "w": W,
        "trains": trains(),
        "reward": REWARD,
        "cases": cases(),
    }
    FILE.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    print(f"{len(golden['cases'])} cases x {len(golden['trains'])} trains -> {FILE}")
