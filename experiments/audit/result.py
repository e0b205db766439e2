"""The audit of a table as one thing: findings, sentences, badge, JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurosim.arrays.storage import write_text
from neurosim.experiments.audit.questions import (
    FORMAT,
    WITHDRAWN_BY,
    answers,
    badge,
    first_sentences,
    in_words,
    status,
    to_json,
)
from neurosim.experiments.audit.types import Audited, Finding

#: What the first screen speaks of, where nothing else failed first.
_FIRST = ("sign", "normalisation", "low-level", "best-layer")


@dataclass(frozen=True, eq=False)
class TableAudit:
    """The audit of a run, or of a folder of activations.

    name: what is audited in words. findings: one per question. audited: the table and its choice.
    """

    name: str
    findings: Sequence[Finding]
    audited: Audited

    @classmethod
    def of(cls, folder: Path, audited: Audited, stimuli: str) -> TableAudit:
        """Answer every question; called as the folder is."""
        return cls(folder.resolve().name, answers(audited, stimuli), audited)

    def __getitem__(self, question: str) -> Finding:
        """The finding of a question, by its id."""
        return {finding.id: finding for finding in self.findings}[question]

    def __str__(self) -> str:
        return in_words(self.findings)

    def status(self, strict: bool = False) -> int:
        """Exit status of a command: 1 where a finding failed (strict: or warns), else 0."""
        return status(self.findings, strict)

    def in_short(self) -> list[str]:
        """The three sentences of the first screen; what failed of the networks comes first."""
        return first_sentences(self.findings, WITHDRAWN_BY["sign"], _FIRST)

    def badge(self) -> str:
        """One line for a paper's supplement."""
        return badge(self.name, self.findings, FORMAT)

    def methods(self) -> str:
        """What was done, in sentences."""
        shown = (
            "Every trained network was shown some stimuli together and alone once more. "
            if self.audited.shown_here
            else ""
        )
        return (
            f"{shown}Scores are those of the table at {self.audited.where()} (convention "
            f"{self.audited.headline.convention}): Spearman's correlation of correlation-distance "
            "RDMs with those of the brain. As initialised is epoch 0; statistics of passes only is "
            "the network as initialised after as many passes at learning rate 0, so that what a "
            "trained network differs by is learning. Intervals are Student's t over seeds (95 %)."
        )

    def write(self, folder: str | Path) -> None:
        """Write ``audit.json`` whole or not at all."""
        text = to_json(self.findings, self.audited.table, self.audited.headline.layer, self.name)
        write_text(Path(folder) / "audit.json", text)
