"""What an audit looks at, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from neurosim.experiments.figure_data import Headline

PASS, WARNING, FAIL, UNKNOWN = "pass", "warning", "fail", "unknown"


@dataclass(frozen=True)
class Check:
    """What showing stimuli to one network did.

    name: the network in words. changed: names of the tensors that moved.
    batch_difference: largest difference between features of a stimulus in two batches, as a
        share of the layer's root mean square; None where it was not measured.
    """

    name: str
    changed: tuple[str, ...] = ()
    batch_difference: float | None = None


@dataclass(frozen=True)
class Finding:
    """The answer to one question.

    values: the numbers behind it, one mapping a row.
    """

    id: str
    question: str
    verdict: str
    answer: str
    values: Sequence[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Audited:
    """What is audited: the table, the axes its headline stands on, and the checks.

    stimuli: name of the stimulus set; empty where it is not known.
    """

    table: pd.DataFrame
    headline: Headline
    checks: Sequence[Check]
    stimuli: str = ""

    @property
    def rules(self) -> list[str]:
        """Rules that learn something, or that the table says nothing of."""
        return [rule for rule in self.headline.rules if rule != "untrained"]

    @property
    def n_seeds(self) -> int:
        """Seeds behind the headline's means."""
        return int(self.headline.models["seed"].nunique())

    def pass_of_seeds(self, verdict: str, lines: list[str]) -> str:
        """The verdict; of one seed no pass, and ``lines`` say so: differences between rules,
        sizes or policies may be that seed's own."""
        if self.n_seeds > 1:
            return verdict
        lines.append("One seed: whether another one would say the same is not known.")
        return UNKNOWN if verdict == PASS else verdict


def signed(value: float) -> str:
    """A change, with its sign."""
    return f"{value:+.3f}"
