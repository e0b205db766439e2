"""Profiles: what a comparison is put together from.

A ``Profile`` holds the exchangeable parts, and its defaults are the reference's. A profile by name
is a list of switches (``switches.py``), each of which puts a part of its own in one place: the
code that uses a profile does not know which one it has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from neurosim.experiments.job.batches import AUGMENTATIONS, Augmentation
from neurosim.experiments.job.extraction import PURE, Extraction
from neurosim.experiments.job.readings import Reading
from neurosim.models.catalogue import with_frozen_body
from neurosim.models.rule_table import RULES, base_of, rule_of
from neurosim.models.rules.learner import Learner, LearnerBuilder, SharedStart
from neurosim.naming.choices import shown
from neurosim.naming.made import bound


def shared(start: SharedStart, rule: str) -> SharedStart:
    """The same start for every rule."""
    return start


def as_built(learner: Learner) -> Learner:
    """The learner as its builder made it."""
    return learner


@dataclass(frozen=True)
class Profile:
    """The exchangeable parts of a comparison.

    builders: rule -> builder. start: what a rule starts from, of the shared start and its name.
    finish: a last hand on a learner.
    augmentations: augmentations of training images by name.
    extraction: how activity is taken from a learner.
    reading: which numbers of the table are the result.
    """

    builders: Mapping[str, LearnerBuilder] = field(default_factory=lambda: RULES)
    start: Callable[[SharedStart, str], SharedStart] = shared
    finish: Callable[[Learner], Learner] = as_built
    augmentations: Mapping[str, Augmentation] = field(default_factory=lambda: AUGMENTATIONS)
    extraction: Extraction = PURE
    reading: Reading = Reading()  # noqa: RUF009

    def learner(self, rule: str, start: SharedStart, schedule: str) -> Learner:
        """The learner of a rule as it starts."""
        chosen, known = bound(RULES, rule), rule_of(rule)
        learns = known.control_of or base_of(rule)
        builder = self.builders.get(learns, chosen.entry)
        built = builder(self.start(start, learns), **chosen.settings)
        if not isinstance(built, Learner):
            raise ValueError(
                f"{rule} gave {shown(built)}: the builder of a rule takes a SharedStart and "
                "returns a Learner"
            )
        learner = self.finish(built.with_schedule(schedule))
        return with_frozen_body(rule, learner) if known.control_of else learner.called(rule)
