"""Settings that name things: their one text, and the sources of those that are a user's own.

A plain name that neurosim knows is its own text, and nothing heavy is imported for it; all else is
made once, so that a misspelt name or setting is refused before any work.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from neurosim.models.rule_table import RULES, base_of, label_of, rule_of
from neurosim.naming import own
from neurosim.naming.choices import Choices, shown
from neurosim.naming.made import canonical, described
from neurosim.naming.text import Call, parse, written

#: Setting -> where its registry stands, and the entry points that add to it.
REGISTRIES = {
    "rules": ("neurosim.models.rule_table:RULES", RULES.group),
    "network": ("neurosim.models.network.builders:NETWORKS", "neurosim.networks"),
    "cell": ("neurosim.models.catalogue:RULE_CELLS", "neurosim.cells"),
    "encoder": ("neurosim.spiking:ENCODERS", "neurosim.encoders"),
    "timing": ("neurosim.models.spiking.stdp:RULE_TIMINGS", "neurosim.timings"),
    "weight_dependence": (
        "neurosim.models.spiking.bounded_stdp:RULE_DEPENDENCES", "neurosim.weight_dependences",
    ),
    "norm": ("neurosim.models.network.normalisation:NORMS", "neurosim.norms"),
    "normalisation": ("neurosim.models.network.policies:POLICIES", "neurosim.policies"),
    "readouts": ("neurosim.models.network.readouts:READOUTS", "neurosim.readouts"),
    "dissimilarity": (
        "neurosim.experiments.job.measures:DISSIMILARITIES", "neurosim.dissimilarities",
    ),
    "comparator": ("neurosim.experiments.job.measures:COMPARATORS", "neurosim.comparators"),
}  # fmt: skip
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def text_of(setting: str, value: Any, known: Sequence[str]) -> str:
    """The one text of a name, text or object that a setting was given.

    Args:
        known: the names of neurosim's own.

    Raises:
        ValueError: a name or setting that there is not (the nearest is named), or an object that no
            text can stand for.
    """
    if isinstance(value, str):
        if value in known:
            return value
        group = REGISTRIES[setting][1]
        names: Choices[None] = Choices(setting, dict.fromkeys(known), group=group)
        if _PLAIN.fullmatch(value) and not own.is_own(value) and value not in names:
            _ = names[value]
    return canonical(own.located(REGISTRIES[setting][0]), value)


def data_text(value: Any, brain: str | None = None) -> str:
    """The one text of a data set: a name, or where something of a user's own stands, made absolute.

    Args:
        value: a name, a path, ``module:function``, with settings where it takes any; a path or a
            function of a module of one's own.
        brain: a file with the brain of stimuli, which becomes their setting.

    Raises:
        ValueError: an object that no text can stand for.
    """
    if not isinstance(value, str):
        value = str(value) if isinstance(value, os.PathLike) else written(_function(value))
    # A path is one word, whatever stands in it.
    call = Call(value) if os.path.exists(value) else parse(value)
    name, settings = call.name, dict(call.settings)
    if own.is_own(name):
        name = own.absolute(name)
    elif set(name) & {"/", os.sep} or name.endswith((".npy", ".npz")):
        name = _absolute(name)
    if brain is not None:
        settings["brain"] = brain
    if isinstance(settings.get("brain"), str):
        settings["brain"] = _absolute(settings["brain"])
    return written(Call(name, settings))


def data_label(text: str) -> str:
    """What sentences call a data set: its name, that of its file, or of its function."""
    name = parse(text).name
    return name.rpartition(":")[2] if own.is_own(name) else os.path.basename(name)


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _function(value: Any) -> Call:
    if callable(value):
        function, settings = (
            (value.func, value.keywords) if isinstance(value, partial) else (value, {})
        )
        return Call(own.place_of(function), settings)
    raise ValueError(
        f"{shown(value)} cannot be found again by other processes: write a function in a file of "
        "your own that returns it, and give that function, or './mine.py:function'"
    )


def require_apart(rules: Sequence[str]) -> None:
    """Refuse two rules that are the same but for their labels, or have one label.

    Raises:
        ValueError: naming both.
    """
    for told, same in (("are one rule", _unlabelled), ("have one label", label_of)):
        found: dict[str, str] = {}
        for rule in rules:
            other = found.setdefault(same(rule), rule)
            if other is not rule:
                raise ValueError(f"rules: {other} and {rule} {told}: give one of them, or a label")


def _unlabelled(rule: str) -> str:
    call = parse(rule)
    return written(Call(call.name, {n: v for n, v in call.settings.items() if n != "label"}))


def sets(rule: str, name: str) -> bool:
    """Whether the text of a rule has a setting."""
    return name in parse(rule).settings


def may_spike(rule: str) -> bool:
    """Whether a rule's layers fire; one of a user's own may."""
    return own.is_own(base_of(rule)) or spikes(rule)


def spikes(rule: str) -> bool:
    """Whether a rule's entry says that its layers fire."""
    return rule_of(rule).spikes


def own_sources(texts: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """File or module -> SHA-256, of everything of a user's own in the texts of some settings.

    Raises:
        MissingSourceError: one of them is not there any more.
    """
    places = [
        call.name
        for setting, each in texts.items()
        for text in each
        if own.is_own(text)
        for call in described(own.located(REGISTRIES[setting][0]), text).calls()
        if own.is_own(call.name) and not call.name.startswith("neurosim.")
    ]
    return own.sources(places)


def why_changed(there: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What to say where the source of something of a user's own is another than it was; empty where
    none is."""
    other = [place for place in now if place in there and there[place] != now[place]]
    if not other:
        return ""
    told = "; ".join(
        f"{place} (SHA-256 {there[place][:12]} then, {now[place][:12]} now)" for place in other
    )
    return (
        f"{told} has changed since this run was begun, and its numbers may be others: restore it, "
        "or give another --out"
    )


def file_name(rule: str) -> str:
    """What files of a rule are called: its name, or of a text with settings or of a user's own
    a legible part and a hash of the whole."""
    if _PLAIN.fullmatch(rule):
        return rule
    legible = re.sub(r"[^a-z0-9]+", "-", re.sub(r"[^'\"\s(=\[]*[/\\]", "", rule).lower())
    return f"{legible.strip('-')[:40].strip('-')}-{hashlib.sha256(rule.encode()).hexdigest()[:8]}"
