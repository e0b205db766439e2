"""Every question of the audit, and which findings withdraw which."""

from __future__ import annotations

from collections.abc import Mapping

from neurosim.experiments.audit.types import FAIL, WARNING
from neurosim.experiments.model_audit import accounts, integrity, learning

#: In the order they are answered; those of ``CHANGES`` also read the changes of every region.
QUESTIONS = (
    integrity.mode, integrity.state, integrity.determinism, integrity.batch, integrity.finite,
    integrity.units, integrity.stimuli, integrity.copies,
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
    "learning": _OF_SCORES,
    "normalisation": _OF_SCORES,
    "size": _OF_SCORES | {"chance": FAIL},
    "readout": _OF_SCORES | {"chance": FAIL},
}
