"""The methods paragraph of a run, written from its settings and from the rules themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from neurosim.experiments.config import SPIKING_RULES, Comparison
from neurosim.models.learner import Learner

_POLICIES = {
    "identity": "identity (mean 0, variance 1)",
    "running": "running (as accumulated in training)",
    "calibrated": "calibrated (recomputed on {n} clean training images at the training size)",
    "calibrated-at-px": "calibrated-at-px (recomputed on {n} clean training images at the "
    "stimulus size)",
    "augmented-accumulated": "augmented-accumulated (accumulated anew over augmented training "
    "batches with weights held)",
}
_READOUTS = {
    "gap": "the average over space (gap)",
    "4x4": "averages over a 4 x 4 grid (4x4)",
    "full": "every unit (full; a random projection where there are more than 16,384)",
}
_AUGMENTATIONS = {
    "flip-crop": "augmented by horizontal flips and random crops with 4 px of reflected border",
    "none": "not augmented",
}


@dataclass(frozen=True)
class BrainFacts:
    """What the paragraph says of the brain data."""

    n_stimuli: int
    n_subjects: int
    rois: Sequence[str]
    source: str
    simulated: bool


@dataclass(frozen=True)
class RuleFacts:
    """One part of a rule in words: what learns which layers, and how."""

    rule: str
    layers: str
    dynamics: str
    solver: str
    plasticity: str
    optimiser: str


def rule_facts(rule: str, learner: Learner) -> list[RuleFacts]:
    """Read off the learner that was trained, so that it cannot differ from what was run."""
    found = []
    for part in learner.parts:
        names = [layer.name for layer in part.net.layers]
        learns = bool(part.rule.parameters(part.net))
        found.append(
            RuleFacts(
                rule,
                names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}",
                _in_words(part.rule.dynamics),
                _in_words(part.rule.solver),
                _in_words(part.rule.plasticity),
                _in_words(part.optimiser) if learns else "none: nothing learns here",
            )
        )
    return found


def _in_words(thing: Any) -> str:
    """A frozen object as ``Name(field=value)``, its simple fields only."""
    name = type(thing).__name__
    if not hasattr(thing, "__dataclass_fields__"):
        return name
    shown = []
    for field in fields(thing):
        value = getattr(thing, field.name)
        if isinstance(value, bool | int | float | str):
            number = f"{value:g}" if isinstance(value, float) else str(value)
            shown.append(f"{field.name}={number}")
        elif hasattr(value, "__dataclass_fields__"):
            shown.append(f"{field.name}={_in_words(value)}")
    return f"{name}({', '.join(shown)})" if shown else name


def methods(
    settings: Comparison,
    brain: BrainFacts,
    facts: Mapping[str, Sequence[RuleFacts]],
    versions: Mapping[str, str],
    *,
    deterministic: str = "",
) -> list[str]:
    """Paragraphs that state what was done in this run, and nothing that was not."""
    n_train = "all" if settings.n_train is None else f"{settings.n_train:,}"
    n_test = "all" if settings.n_test is None else f"{settings.n_test:,}"
    rules = [rule for rule in settings.rules if rule in facts]
    policies = [
        _POLICIES.get(name, name).format(n=f"{settings.n_calibration:,}")
        for name in settings.normalisation
    ]
    readouts = [_READOUTS.get(name, name) for name in settings.readouts]
    labels = "" if settings.labels == "true" else f" Labels were {settings.labels}."
    training = (
        f"Networks were trained on {n_train} images of {settings.training} drawn at random for "
        f"each seed ({_augmentation(settings)}), in batches of {settings.batch_size} (the last "
        f"partial batch dropped), for {settings.epochs} "
        f"epoch{'s' * (settings.epochs != 1)}, with a {settings.schedule} learning rate, and "
        f"tested on {n_test} held-out images.{labels} The network has three convolutions "
        "(3 x 3; 32, 64 and 128 maps; each max-pooled by 2; "
        f"{_norm(settings)}), a fully connected layer FC1 of 512 units, and a linear head. "
        f"Learning rules: {', '.join(rules)}; seeds {_listed(settings.seeds)}. For one seed all "
        "rules start from the same weights and see the same images in the same order with the "
        "same augmentation."
    )
    if set(SPIKING_RULES) & set(rules):
        training += (
            f" Spiking layers are {settings.cell} cells fed by the encoder {settings.encoder}; "
            "they have firing thresholds in the place of normalisation."
        )
    if "frozen-stdp" in rules:
        training += (
            " The control frozen-stdp is the network of stdp with its synapses held: thresholds "
            "adapt, and the same readout is trained on it."
        )
    evaluation = (
        f"After epochs {_listed(settings.checkpoints)} every network was shown {brain.n_stimuli} "
        f"stimuli ({settings.stimuli}{'; SIMULATED' if brain.simulated else ''}) at "
        f"{_listed(settings.evaluation_px)} px (shorter edge resized, antialiased bilinear; centre "
        f"crop). Normalisation at evaluation: {_listed(policies)}. Readouts of convolutions: "
        f"{_listed(readouts)}; FC1 by its units. Evaluation changed no weight and no statistic "
        "(a fingerprint was compared)."
    )
    zero = (
        "Two zero points were kept for every trajectory: the network as initialised, and the same "
        "network after the same passes at learning rate 0 (statistics-only), in which only "
        "normalisation statistics (in spiking layers, thresholds) moved. Normalisation part: "
        "statistics-only minus initialised. Learning part: trained minus statistics-only. A layer "
        "that moved by less than 1 % (relative Frobenius norm), or whose direction changed by less "
        "than a move of that size can make, counts as not trained."
    )
    score = (
        "Representational dissimilarity is 1 - Pearson correlation between patterns; a score is "
        "the Spearman correlation between the upper triangles of two such matrices, in two "
        "conventions: subject_mean (a score for each subject, then their mean) and mean_rdm (the "
        f"score with the subject-averaged matrix). Brain data: {brain.n_subjects} "
        f"subject{'s' * (brain.n_subjects != 1)}, {_listed(brain.rois)} ({brain.source}). Noise "
        "bounds of subject_mean leave one subject out (Nili et al. 2014). Low-level reference "
        "models were scored alike. Changes were tested over seeds by an exact paired sign-flip "
        "test, two-sided, Benjamini-Hochberg over the tested rules; no p can fall below "
        f"2 / 2^n = {2 / 2 ** max(len(settings.seeds), 1):.4g} with {len(settings.seeds)} "
        f"seed{'s' * (len(settings.seeds) != 1)}. Firing rates, dead maps and alignment angles "
        "are means over every tenth batch of an epoch."
    )
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    software = f"Software: {named}."
    return [training, evaluation, zero, score, f"{software} {deterministic}".strip()]


def _augmentation(settings: Comparison) -> str:
    return _AUGMENTATIONS.get(settings.augmentation, f"augmentation {settings.augmentation}")


def _norm(settings: Comparison) -> str:
    return "no normalisation" if settings.norm == "none" else f"{settings.norm} norm"


def _listed(values: Sequence[object]) -> str:
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
