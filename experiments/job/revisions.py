"""Revisions of a rule's numbers: what an earlier one computed is told apart, and never mixed.

A job belongs to the settings it was computed with. Where a fault in the code is mended, the same
settings give other numbers: the rule's revision then rises here by one, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from neurosim.experiments.settings.config import SPIKING_RULES, Comparison
from neurosim.models.rule_table import base_of


@dataclass(frozen=True)
class Revision:
    """The number of a rule's revision (1 where none is on record), and what changed with it."""

    number: int
    reason: str


SPIKING = Revision(
    3, "thresholds start where rounding cannot move them, and a uniform image drives no channel"
)
REVISIONS: Mapping[str, Revision] = dict.fromkeys(SPIKING_RULES, SPIKING)


def revision_of(settings: Comparison, rule: str) -> int:
    """The revision that a job of these settings is computed in."""
    if "stdp_channel_means" in settings.switches():
        # The published first spikes know neither thresholds nor a front end.
        return 1
    base = base_of(rule)
    return REVISIONS[base].number if base in REVISIONS else 1


def refuse_older(path: Path, rules: Iterable[str]) -> None:
    """Refuse a folder or file that holds ``rules`` of an earlier revision.

    Raises:
        ValueError: there are such rules; the message says what changed since.
    """
    names = list(rules)
    if names:
        reasons = "; ".join(dict.fromkeys(REVISIONS[base_of(name)].reason for name in names))
        raise ValueError(
            f"{path} holds {' and '.join(names)} of an earlier revision, whose numbers do not go "
            f"with today's (since then: {reasons}): give another --out, or leave "
            f"{' and '.join(REVISIONS)} out of the rules to go on with the others"
        )


def older(settings: Comparison, there: Mapping[str, int], rules: Iterable[str]) -> list[str]:
    """Of ``rules``, those that ``there`` has on record in another revision than today's."""
    return [rule for rule in rules if there.get(rule, 1) != revision_of(settings, rule)]
