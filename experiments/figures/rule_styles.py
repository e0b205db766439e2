"""How a rule looks, the same in every figure: from its entry in the table of rules.

Variants of one rule are shades of its colour with markers of their own. Which shade and marker
depends on what else is shown, in the order of the table: ``told_apart``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from matplotlib.colors import to_hex, to_rgb

from neurosim.models.rule_table import RULES, Rule, base_of, label_of, rule_of
from neurosim.naming.text import parse


@dataclass(frozen=True)
class RuleStyle:
    """One rule's look.

    short: what legends, axes and small panels call it: its label, or of one that is too long for
    them a number among the variants of its rule, ``STDP 2``, which the notes spell out.
    """

    label: str
    colour: str
    marker: str
    meaning: str
    short: str


#: Letters of a name in a legend or on an axis.
_SHORT = 16
#: For rules that name no colour.
_SPARE_COLOURS = ("#882255", "#332288", "#44aa99", "#999933")
#: For variants and rules that name no marker; those of the entries among them.
_MARKERS = ("p", "*", "s", "^", "v", "P", "D", "<", ">", "d", "h", "H", "8", "o")
#: Towards black (negative) or white, of an entry's colour.
SHADES = (0.0, -0.45, 0.45, -0.25, 0.25, -0.65, 0.62)


def styles_of(rules: Sequence[str]) -> dict[str, RuleStyle]:
    """The looks of rules that are shown together: no two have both colour and marker in common.

    A rule without settings looks as its entry says; others take what is still free, in order.
    """
    styles: dict[str, RuleStyle] = {}
    numbers: Counter[str] = Counter()
    for rule in sorted(dict.fromkeys(rules), key=lambda rule: bool(parse(rule).settings)):
        known, found = _known(rule), list(styles.values())
        own = bool(known.colour and known.marker) and not parse(rule).settings
        spare = _SPARE_COLOURS[sum(base_of(rule).encode()) % len(_SPARE_COLOURS)]
        colours = [shade(known.colour or spare, by) for by in SHADES]
        markers = [known.marker or _MARKERS[0], *_MARKERS]
        colour, marker = colours[0], markers[0]
        if not own:
            used, worn = {style.colour for style in found}, {style.marker for style in found}
            free = [each for each in colours if each not in used]
            colour = free[0] if free else colours[len(found) % len(colours)]
            looks = {(style.colour, style.marker) for style in found}
            marker = next(
                (each for each in markers if each not in worn),
                next(each for each in markers if (colour, each) not in looks),
            )
        label = short = label_of(rule)
        if len(label) > _SHORT:
            name = (known.label if len(known.label) <= _SHORT else "") or known.name[:_SHORT]
            numbers[name] += 1
            short = f"{name} {numbers[name]}"
        styles[rule] = RuleStyle(label, colour, marker, known.meaning, short)
    return {rule: styles[rule] for rule in rules}


def shade(colour: str, by: float) -> str:
    """A colour towards white (``by`` up to 1) or black (down to -1)."""
    end = float(by > 0)
    red, green, blue = (c + (end - c) * abs(by) for c in to_rgb(colour))
    return to_hex((red, green, blue))


def _known(rule: str) -> Rule:
    """The entry; of a rule that cannot be found any more one that knows nothing."""
    try:
        return rule_of(rule)
    except ValueError:
        return Rule(rule, "")


_TOGETHER: ContextVar[Mapping[str, RuleStyle]] = ContextVar("_TOGETHER", default={})  # noqa: B039

RULE_STYLES = styles_of(list(RULES.built_in))


@contextmanager
def told_apart(rules: Sequence[str]) -> Iterator[None]:
    """Within it, ``rule_style`` gives these rules looks that can be told apart."""
    token = _TOGETHER.set(styles_of(rules))
    try:
        yield
    finally:
        _TOGETHER.reset(token)


def rule_style(rule: str) -> RuleStyle:
    """A rule's look among those that it is shown with."""
    return _TOGETHER.get().get(rule) or styles_of([rule])[rule]
