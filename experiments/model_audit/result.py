"""What an audit says: findings, table, JSON, the methods paragraph and the badge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosim.arrays.storage import write_text
from neurosim.experiments.audit.questions import as_plain, heard, in_words
from neurosim.experiments.audit.types import FAIL, VERDICTS, WARNING, Finding
from neurosim.experiments.model_audit import learning, verdicts
from neurosim.experiments.model_audit.change import Change, change
from neurosim.experiments.model_audit.evidence import Evidence
from neurosim.experiments.model_audit.integrity import some
from neurosim.experiments.model_audit.page import render
from neurosim.models.interop.module_states import STIMULI, TRAINING

FORMAT = "neurosim-model-audit-1"


@dataclass(frozen=True, eq=False)
class ModelAudit:
    """The audit of one model.

    Attributes:
        name: what the model is called.
        findings: one per question; ``verdict`` is pass, unknown, warning or fail.
        table: one row per state of the network, size, layer, readout and region.
        evidence: everything that was measured.
    """

    name: str
    findings: Sequence[Finding]
    table: pd.DataFrame
    evidence: Evidence
    changes: dict[str, Change | None]

    @classmethod
    def of(cls, name: str, evidence: Evidence) -> ModelAudit:
        changes = {roi: change(evidence, roi, np.random.default_rng(1)) for roi in evidence.rois}
        findings = [question(evidence) for question in verdicts.QUESTIONS]
        findings += [question(evidence, changes) for question in verdicts.CHANGES]
        heard_of = heard(findings, verdicts.WITHDRAWN_BY)
        return cls(name, heard_of, evidence.table, evidence, changes)

    def __getitem__(self, question: str) -> Finding:
        """The finding of a question, by its id."""
        known = {finding.id: finding for finding in self.findings}
        if question not in known:
            raise KeyError(f"no question {question!r}; there are {', '.join(known)}")
        return known[question]

    def __str__(self) -> str:
        return in_words(self.findings)

    def status(self, strict: bool = False) -> int:
        """Exit status of a command: 1 where a finding failed (strict: or warns), else 0."""
        bad = (FAIL, WARNING) if strict else (FAIL,)
        return int(any(finding.verdict in bad for finding in self.findings))

    def in_short(self) -> list[str]:
        """The three sentences of the first screen; what failed of the model itself comes first."""
        rests_on = verdicts.WITHDRAWN_BY["learning"]
        lines = [f"{f.question} {f.answer}" for f in self.findings
                 if f.id in rests_on and f.verdict == FAIL]  # fmt: skip
        lines += [learning.of_learning(self.evidence, c)[1] for c in self.changes.values() if c]
        lines = lines[:2]
        for name in ("twins", "chance", "noise"):
            finding = self[name]
            lines.append(f"{finding.question} {finding.answer.splitlines()[-1]}")
        return lines[:3]

    def badge(self) -> str:
        """One line for a paper's supplement."""
        counts = [sum(f.verdict == verdict for f in self.findings) for verdict in VERDICTS]
        told = ", ".join(f"{n} {v}" for n, v in zip(counts, VERDICTS, strict=True) if n)
        return f"neurosim audit of {self.name}: {told} ({FORMAT})"

    def methods(self) -> str:
        """A paragraph for a paper, made from what was done."""
        return methods(self.evidence)

    def to_json(self) -> str:
        """``audit.json`` (docs/audit.md describes it)."""
        found = self.evidence
        brain = found.given.brain
        record: dict[str, Any] = {
            "format": FORMAT,
            "model": self.name,
            "simulated": bool(brain.simulated),
            "about": {
                "n_stimuli": len(found.shown), "stimuli": found.given.source or None,
                "rois": list(found.rois), "n_subjects": brain.n_subjects,
                "px": found.shown.size(), "preprocessing": found.shown.preprocess.in_words(),
                "readout": found.readout, "seeds": list(found.seeds),
                "statistics": list(found.kinds), "layers": [layer.name for layer in found.layers],
                "drawn": list(found.drawn),
            },
            "short": self.in_short(),
            "findings": [asdict(finding) for finding in self.findings],
            "methods": self.methods(),
            "badge": self.badge(),
        }  # fmt: skip
        return json.dumps(as_plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def write(self, folder: str | Path) -> Path:
        """Write ``audit.html``, ``audit.json`` and ``scores.csv``; returns the page's path."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        write_text(place / "audit.json", self.to_json())
        write_text(place / "scores.csv", self.table.to_csv(index=False, lineterminator="\n"))
        write_text(place / "audit.html", render(self))
        return place / "audit.html"


def methods(found: Evidence) -> str:
    """What was done, in sentences."""
    brain = found.given.brain
    n_subjects = ", ".join(f"{roi} n = {b.n_subjects}" for roi, b in found.bounds.items())
    kinds = {
        STIMULI: "of the stimuli (all in one batch, biased variance)"
        if found.n_batches == 1
        else f"of the stimuli (mean over {found.n_batches} batches)",
        TRAINING: "of training images (mean over batches)",
    }
    statistics = ", ".join(kinds.get(kind, kind) for kind in found.kinds)
    parts = [
        f"Activity of {len(found.layers)} layers ({found.readout} readout) to {len(found.shown)} "
        f"images ({found.shown.preprocess.in_words()}) was read in evaluation mode. Dissimilarity "
        "was 1 - Pearson's correlation; a score is Spearman's correlation with each subject's RDM, "
        f"averaged over subjects ({n_subjects}).",
        f"Random networks ({len(found.seeds)} seeds) were drawn by each module's reset_parameters; "
        "permuted ones keep each tensor's values in another order.",
        _drawn(found),
        f"Normalisation statistics were {statistics}."
        if len(found.kinds) > 1
        else "No module keeps normalisation statistics.",
        "Intervals (95 %) are Student's t with the crossed bootstrap over stimuli, seeds and "
        f"subjects ({found.n_samples} resamples; doi:10.7554/eLife.82566) of the layers named, "
        "which were chosen as the best of each state. Chance: the best of all layers with the "
        f"stimuli relabelled ({found.n_permutations} times). Noise bounds: leave-one-subject-out "
        "(doi:10.1371/journal.pcbi.1003553). The calibrated score is in sd of the random networks.",
        f"Brain data: {brain.source}." if brain.source else "",
    ]
    return " ".join(part for part in parts if part)


def _drawn(found: Evidence) -> str:
    """What of the random networks no module could reset."""
    if not found.drawn:
        return ""
    return (
        f"{len(found.drawn)} parameters without a reset_parameters of their module were drawn from "
        f"the normal of their own mean and sd ({some(found.drawn)})."
    )
