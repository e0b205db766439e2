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


def signed(value: float) -> str:
    """A change, with its sign."""
    return f"{value:+.3f}"
