"""What an audit says: findings, table, JSON, the methods paragraph and the badge."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosim.arrays.storage import write_text
from neurosim.experiments.audit.questions import as_plain, badge, heard, in_words, status
from neurosim.experiments.audit.types import FAIL, WARNING, Finding
from neurosim.experiments.audit_page.page import render
from neurosim.experiments.model_audit import accounts, integrity, learning
from neurosim.experiments.model_audit.change import Change, change
from neurosim.experiments.model_audit.evidence import Evidence
from neurosim.experiments.model_audit.page import page_of
from neurosim.experiments.results.words import some
from neurosim.models.interop.module_states import STIMULI, TRAINING

FORMAT = "neurosim-model-audit-1"
#: In the order they are answered; those of ``CHANGES`` also read the changes of every region.
QUESTIONS = (
    integrity.mode, integrity.state, integrity.determinism, integrity.batch, integrity.inputs,
    integrity.finite, integrity.units, integrity.stimuli, integrity.copies,
    accounts.noise, accounts.chance, accounts.layer_choice, accounts.low_level, accounts.twins,
    learning.size, learning.readout,
)  # fmt: skip
CHANGES = (learning.learning, learning.normalisation)

_OF_SCORES = {
    "state": FAIL, "determinism": FAIL, "batch": FAIL, "finite": FAIL, "stimuli": WARNING,
    "copies": FAIL, "noise": FAIL,
}  # fmt: skip
#: Finding -> the findings it rests on, and the verdict from which on each withdraws it.
WITHDRAWN_BY: Mapping[str, Mapping[str, str]] = {
    "chance": _OF_SCORES,
    "layer-choice": _OF_SCORES | {"chance": FAIL},
    "low-level": _OF_SCORES | {"chance": FAIL},
    "twins": _OF_SCORES | {"chance": FAIL},
    "learning": _OF_SCORES | {"twins": FAIL},
    "normalisation": _OF_SCORES | {"twins": FAIL},
    "size": _OF_SCORES | {"chance": FAIL},
    "readout": _OF_SCORES | {"chance": FAIL},
}


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
        findings = [question(evidence) for question in QUESTIONS]
        findings += [question(evidence, changes) for question in CHANGES]
        heard_of = heard(findings, WITHDRAWN_BY)
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
        return status(self.findings, strict)

    def in_short(self) -> list[str]:
        """The three sentences of the first screen; what failed of the model itself comes first."""
        rests_on = WITHDRAWN_BY["learning"]
        lines = [f"{f.question} {f.answer}" for f in self.findings
                 if f.id in rests_on and f.verdict == FAIL]  # fmt: skip
        lines += [learning.of_learning(self.evidence, c)[1] for c in self.changes.values() if c]
        lines = lines[:2]
        for name in ("twins", "chance", "noise"):
            finding = self[name]
            lines.append(f"{finding.question} {finding.answer.splitlines()[-1]}")
        return [" ".join(line.splitlines()) for line in lines[:3]]

    def badge(self) -> str:
        """One line for a paper's supplement."""
        return badge(self.name, self.findings, FORMAT)

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
                "drawn": list(found.drawn), "features_given": found.checks is None,
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
        write_text(place / "audit.html", render(page_of(self)))
        return place / "audit.html"


def methods(found: Evidence) -> str:
    """What was done, in sentences."""
    brain = found.given.brain
    n_subjects = ", ".join(f"{roi} n = {b.n_subjects}" for roi, b in found.bounds.items())
    n, n_layers = len(found.shown), len(found.layers)
    seen = (
        f"Features of {n_layers} layers to {n} images were computed by other code."
        if found.checks is None
        else f"Activity of {n_layers} layers ({found.readout} readout) to {n} images "
        f"({found.shown.preprocess.in_words()}) was read in evaluation mode."
    )
    parts = [
        f"{seen} Dissimilarity was 1 - Pearson's correlation; a score is Spearman's correlation "
        f"with each subject's RDM, averaged over subjects ({n_subjects}).",
        *_networks(found),
        "Intervals (95 %) are Student's t with the crossed bootstrap over stimuli, seeds and "
        f"subjects ({found.n_samples} resamples; doi:10.7554/eLife.82566) of the layers named, "
        "which were chosen as the best of each state. Chance: the best of all layers with the "
        f"stimuli relabelled ({found.n_permutations} times). Noise bounds: leave-one-subject-out "
        "(doi:10.1371/journal.pcbi.1003553). The calibrated score is in sd of the random networks.",
        f"Brain data: {brain.source}." if brain.source else "",
    ]
    return " ".join(part for part in parts if part)


def _networks(found: Evidence) -> list[str]:
    """What random networks and statistics were."""
    seeds = f"Random networks ({len(found.seeds)} seeds)"
    if found.checks is None:
        return [f"{seeds} and statistics were given by the caller."] * bool(found.seeds)
    one_batch = (
        f"mean over {found.n_batches} batches" if found.n_batches > 1 else "all in one batch"
    )
    kinds = {
        STIMULI: f"of the stimuli (in training mode, {one_batch}, biased variance)",
        TRAINING: "of training images (in training mode, mean over batches)",
    }
    statistics = ", ".join(kinds.get(kind, kind) for kind in found.kinds)
    drawn = "given by the caller" if found.own_random else "drawn by each module's reset_parameters"
    return [
        f"{seeds} were {drawn}; permuted ones keep each tensor's values in another order.",
        _drawn(found),
        f"Normalisation statistics were {statistics}."
        if len(found.kinds) > 1
        else "The network keeps no normalisation statistics.",
    ]


def _drawn(found: Evidence) -> str:
    """What of the random networks no module could reset."""
    if not found.drawn:
        return ""
    return (
        f"{len(found.drawn)} parameters without a reset_parameters of their module were drawn from "
        f"the normal of their own mean and sd ({some(found.drawn)})."
    )
