"""The learning rules by name, and all that is known of each in one entry.

Light on purpose: command lines list the names before anything heavy is imported, so an entry of
neurosim's own says where its builder stands. A rule of one's own is one decorator, an entry point
of the group ``neurosim.rules``, or no registration at all (``./mine.py:oja``):

    @neurosim.models.rule("oja", label="Oja", meaning="Oja's rule in the convolutions")
    def oja(start, *, lr: float = 1e-3) -> Learner: ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from neurosim.naming import own
from neurosim.naming.choices import Choices
from neurosim.naming.text import Call, parse

if TYPE_CHECKING:
    from neurosim.models.rules.learner import Learner, SharedStart


@dataclass(frozen=True, eq=False)
class Rule:
    """One learning rule: how it is built, and how it is shown.

    builder: ``(start, *, settings) -> Learner``, or where it stands (``module:function``).
    label: in figures and tables; empty: the text that names it. colour, marker: of matplotlib;
    empty: chosen by the name. meaning: the label spelled out. sources: what to cite.
    control_of: the rule whose network this is without its learning; it shares that rule's start
    and random streams. spikes: whether its layers fire. cost: of an epoch, relative to others.
    """

    name: str
    builder: Callable[..., Learner] | str
    label: str = ""
    colour: str = ""
    marker: str = ""
    meaning: str = ""
    sources: tuple[str, ...] = ()
    control_of: str = ""
    spikes: bool = False
    cost: float = 2.0

    @cached_property
    def __wrapped__(self) -> Callable[..., Learner]:
        """The builder, whose parameters after the first are the settings."""
        return own.located(self.builder) if isinstance(self.builder, str) else self.builder

    def __call__(self, start: SharedStart, **settings: Any) -> Learner:
        """The learner as it starts."""
        return self.__wrapped__(start, **settings)


def _rule(name: str, builder: str, label: str, colour: str, marker: str, **known: Any) -> Rule:
    return Rule(name, f"neurosim.models.catalogue:{builder}", label, colour, marker, **known)


#: Okabe & Ito's palette (safe for colour-blind readers) for the default comparison, darker or
#: lighter relatives for variants of a rule; grey for what does not learn. Markers differ as well.
_RULES = (
    _rule("untrained", "untrained_learner", "untrained", "#7f7f7f", "o", cost=0.8),
    _rule(
        "bp", "bp", "BP", "#0072b2", "o", meaning="backpropagation", cost=1.6,
        sources=(
            "Rumelhart, Hinton & Williams (1986). Learning representations by back-propagating "
            "errors. Nature 323, 533-536. doi:10.1038/323533a0",
        ),
    ),
    _rule(
        "fa", "fa", "FA", "#e69f00", "s", meaning="feedback alignment", cost=1.6,
        sources=(
            "Lillicrap, Cownden, Tweed & Akerman (2016). Random synaptic feedback weights support "
            "error backpropagation for deep learning. Nature Communications 7, 13276. "
            "doi:10.1038/ncomms13276",
        ),
    ),
    _rule(
        "dfa", "dfa", "DFA", "#8c6d00", "P", meaning="direct feedback alignment", cost=1.6,
        sources=(
            "Nøkland (2016). Direct feedback alignment provides learning in deep neural networks. "
            "NeurIPS. arXiv:1609.01596",
        ),
    ),
    _rule(
        "sign-symmetric", "sign_symmetric", "sign-symmetric", "#56b4e9", "v",
        meaning="sign-symmetric feedback", cost=1.6,
        sources=(
            "Liao, Leibo & Poggio (2016). How important is weight symmetry in backpropagation? "
            "AAAI. arXiv:1510.05067",
        ),
    ),
    _rule(
        "kolen-pollack", "kolen_pollack", "Kolen-Pollack", "#cc79a7", "<",
        meaning="learned feedback", cost=1.8,
        sources=(
            "Akrout, Wilson, Humphreys, Lillicrap & Tweed (2019). Deep learning without weight "
            "transport. NeurIPS. arXiv:1904.05391",
        ),
    ),
    _rule(
        "pc", "pc", "PC", "#009e73", "^",
        meaning="predictive coding", cost=9.0,
        sources=(
            "Rao & Ballard (1999). Predictive coding in the visual cortex. Nature Neuroscience 2, "
            "79-87. doi:10.1038/4580",
            "Tscshantz, Millidge, Seth & Buckley (2023). Hybrid predictive coding: inferring, fast "
            "and slow. PLoS Computational Biology 19, e1011280. doi:10.1371/journal.pcbi.1011280",
        ),
    ),
    _rule(
        "pc-supervised", "pc_supervised", "PC supervised", "#00543d", ">",
        meaning="supervised predictive coding, truncated after 4 steps", cost=6.0,
        sources=(
            "Whittington & Bogacz (2017). An approximation of the error backpropagation algorithm "
            "in a predictive coding network with local Hebbian synaptic plasticity. Neural "
            "Computation 29, 1229-1262. doi:10.1162/NECO_a_00949",
        ),
    ),
    _rule(
        "stdp", "stdp", "STDP", "#d55e00", "D",
        meaning="spike-timing-dependent plasticity", spikes=True, cost=5.0,
        sources=(
            "Bi & Poo (1998). Synaptic modifications in cultured hippocampal neurons. Journal of "
            "Neuroscience 18, 10464-10472. doi:10.1523/JNEUROSCI.18-24-10464.1998",
            "Song, Miller & Abbott (2000). Competitive Hebbian learning through "
            "spike-timing-dependent synaptic plasticity. Nature Neuroscience 3, 919-926. "
            "doi:10.1038/78829",
            "Diehl & Cook (2015). Unsupervised learning of digit recognition using "
            "spike-timing-dependent plasticity. Frontiers in Computational Neuroscience 9, 99. "
            "doi:10.3389/fncom.2015.00099",
        ),
    ),
    _rule(
        "frozen-conv", "frozen_conv", "frozen conv", "#3c3c3c", "h",
        meaning="only the readout learns", cost=1.0,
    ),
    _rule(
        "frozen-stdp", "frozen_stdp", "frozen STDP", "#a6a6a6", "d",
        meaning="the spiking network of STDP; only the readout learns", spikes=True, cost=3.0,
        control_of="stdp",
    ),
)  # fmt: skip

#: Every rule by name. ``made.bound(RULES, text)`` gives one with settings.
RULES: Choices[Rule] = Choices(
    "learning rule", {rule.name: rule for rule in _RULES}, group="neurosim.rules", labelled=True
)


def rule(
    name: str, builder: Callable[..., Learner] | None = None, /, **known: Any
) -> Callable[[Callable[..., Learner]], Rule] | Rule:
    """Register a rule of one's own; a decorator of its builder, or called with it.

    Args:
        name: among the rules. builder: ``(start, *, settings) -> Learner``.
        known: fields of ``Rule``: label, colour, marker, meaning, sources, spikes, ...
    """
    if builder is None:
        return lambda function: RULES.add(name, Rule(name, function, **known))
    return RULES.add(name, Rule(name, builder, **known))


def variant(name: str, *, label: str = "", **settings: Any) -> Call:
    """A rule with settings, which may be objects: ``variant("stdp", timing=Triplet())``."""
    return Call(name, settings | ({"label": label} if label else {}))


def rule_of(text: str) -> Rule:
    """What is known of the rule that a text names, whatever its settings.

    Raises:
        ValueError: no such rule.
        MissingSourceError: it is a user's own, whose file is not there.
    """
    name = parse(text).name
    if not own.is_own(name):
        return RULES[name]
    found = own.located(name)
    return found if isinstance(found, Rule) else Rule(name.rpartition(":")[2], found)


def base_of(text: str) -> str:
    """The name without its settings: variants of one rule share their random streams."""
    return parse(text).name


def label_of(text: str) -> str:
    """What to call a rule: the ``label`` in its text; without settings that of its entry, else the
    text. One whose file is not there any more is called by its text."""
    call = parse(text)
    if "label" in call.settings:
        return str(call.settings["label"])
    if call.settings:
        return text
    try:
        return rule_of(text).label or text
    except ValueError:
        return text
