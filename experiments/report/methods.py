"""The methods paragraphs of a run, written from the objects that ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from neurosim.experiments.job.evaluate import NO_NORMALISATION
from neurosim.experiments.job.facts import LearnerFacts, in_words
from neurosim.experiments.job.job import MEASURED_EVERY
from neurosim.experiments.job.profiles import Profile
from neurosim.experiments.job.switches import profile_of
from neurosim.experiments.results.words import counted, listed
from neurosim.experiments.settings.config import Comparison
from neurosim.experiments.settings.texts import data_label
from neurosim.rsa import BrainRDMs

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
    "grid": "averages over a 4 x 4 grid (grid)",
    "full": "every unit (full; a random projection where there are more than 16,384)",
}
_DISSIMILARITIES = {
    "correlation": "1 - Pearson correlation between patterns",
    "cosine": "1 - cosine similarity between patterns",
    "euclidean": "the Euclidean distance between patterns",
    "sqeuclidean": "the squared Euclidean distance between patterns",
    "poisson-kl": "the symmetric Kullback-Leibler divergence between patterns as Poisson rates",
}
_COMPARATORS = {
    "spearman": "the Spearman correlation between the upper triangles",
    "rho-a": "the Spearman correlation with ties broken at random (rho-a) between the upper "
    "triangles",
    "kendall-tau-a": "Kendall's tau-a between the upper triangles",
    "kendall-tau-b": "Kendall's tau-b between the upper triangles",
    "pearson": "the Pearson correlation between the upper triangles",
    "cosine": "the cosine similarity between the upper triangles",
    "whitened-cosine": "the whitened cosine similarity",
    "whitened-correlation": "the whitened correlation",
    "linear-cka": "linear CKA",
}
#: Columns of the result table that dynamics alone can tell, in words.
_MEASURED = {
    "alignment_angle_deg": "alignment angles",
    "spikes_per_tick": "firing rates",
    "dead_map_share": "shares of dead maps",
}


def methods(
    settings: Comparison,
    brain: BrainRDMs,
    facts: Sequence[LearnerFacts],
    versions: Mapping[str, str],
    *,
    changed: Collection[str] = (),
    measured: Collection[str] = (),
    unfinished: str = "",
) -> list[str]:
    """Paragraphs that state what was done in this run, and nothing that was not.

    Args:
        facts: of every learner that ran, as it started.
        changed: rules whose evaluation changed their state, as the result table has it.
        measured: columns of the result table.
        unfinished: how much of the run is there ("3 of 8 jobs"); empty where all is.
    """
    profile = profile_of(settings)
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    planned = (
        f"The run is not finished ({unfinished}): what follows describes it as it was planned, "
        "with all its seeds and epochs."
    )
    return [
        *([planned] if unfinished else []),
        _training(settings, profile, facts),
        _networks(facts),
        _evaluation(settings, profile, brain, facts, changed),
        _zero_points(profile, facts),
        _scores(settings, brain, measured),
        f"Software: {named}.",
    ]


def _training(settings: Comparison, profile: Profile, facts: Sequence[LearnerFacts]) -> str:
    n_train = "all" if settings.n_train is None else f"{settings.n_train:,}"
    n_test = "all" if settings.n_test is None else f"{settings.n_test:,}"
    augmented = in_words(profile.augmentations[settings.augmentation])
    learned = any(f.schedules for f in facts)
    return (
        f"Networks were {'trained on' if learned else 'shown'} {n_train} images of "
        f"{data_label(settings.training)} drawn at random for each seed ({augmented}), in batches "
        f"of {settings.batch_size} (the last partial batch "
        f"dropped), for {counted(settings.epochs, 'epoch')}, and tested on "
        f"{n_test} held-out images. Labels of training images were {settings.labels}. "
        f"{_schedules(facts)}Learning rules: {listed(f.rule for f in facts)}; seeds "
        f"{listed(settings.seeds)}. All rules of a seed see the same images in the same order "
        f"with the same augmentation. {_starts(facts)}"
    )


def _schedules(facts: Sequence[LearnerFacts]) -> str:
    found = _grouped(facts, lambda f: listed(f.schedules))
    told = [f"{schedule} for {listed(rules)}" for schedule, rules in found.items() if schedule]
    return f"Learning rates over training: {'; '.join(told)}. " if told else ""


def _starts(facts: Sequence[LearnerFacts]) -> str:
    """Which rules of one seed start from the same weights, by comparing the weights."""
    if not facts:
        return ""
    seed = Counter(f.seed for f in facts).most_common(1)[0][0]
    facts = [f for f in facts if f.seed == seed]
    groups = _grouped(facts, lambda f: tuple(sorted(f.starts.items())))
    first, *others = sorted(groups.items(), key=lambda group: -len(group[1]))
    if not others:
        return f"For one seed all rules start from the same weights (compared at seed {seed})."
    told = []
    for starts, rules in others:
        theirs, shared = dict(starts), dict(first[0])
        other = [layer for layer in theirs if theirs[layer] != shared.get(layer)]
        told.append(f"{listed(rules)} from other weights in {listed(other)}")
    same = f"{listed(first[1])} start from the same weights"
    return f"For one seed {same}, {'; '.join(told)} (compared at seed {seed})."


def _networks(facts: Sequence[LearnerFacts]) -> str:
    groups = _grouped(facts, lambda f: tuple(f.layers.items()))
    nets = [
        f"Network of {listed(rules)}: {'; '.join(f'{name}: {words}' for name, words in layers)}."
        for layers, rules in groups.items()
    ]
    return " ".join([*nets, *(f"{part}." for f in facts for part in f.parts)])


def _evaluation(
    settings: Comparison,
    profile: Profile,
    brain: BrainRDMs,
    facts: Sequence[LearnerFacts],
    changed: Collection[str],
) -> str:
    readouts = [_READOUTS.get(name, name) for name in settings.readouts]
    told = [
        f"After epochs {listed(settings.checkpoints)} every network was shown {brain.n_stimuli} "
        f"stimuli ({data_label(settings.stimuli)}{'; SIMULATED' if brain.simulated else ''}) at "
        f"{listed(settings.evaluation_px)} px (shorter edge resized, antialiased bilinear; centre "
        f"crop). Readouts of layers with maps: {listed(readouts)}; other layers by their units."
    ]
    reached = [f.rule for f in facts if f.is_reached]
    if reached:
        calibrated = min(settings.n_calibration, settings.n_train or settings.n_calibration)
        n = f"{'at most ' * (settings.n_train is None)}{calibrated:,}"
        policies = [_POLICIES.get(name, name).format(n=n) for name in settings.normalisation]
        told.append(f"Normalisation at evaluation, of {listed(reached)}: {listed(policies)}.")
    unreached = [f for f in facts if not f.is_reached]
    for word, rules in _grouped(unreached, lambda f: f.unreached).items():
        why = (
            "keep no statistics of normalisation, so that one evaluation stands for every policy"
            if word == NO_NORMALISATION
            else f"are normalised by what is evaluated, whatever the policy (column: {word})"
        )
        told.append(f"{listed(rules)}: they {why}.")
    told.append(in_words(profile.extraction))
    if changed:
        told.append(f"Evaluation changed the state of {listed(changed)}.")
    return " ".join(told)


def _zero_points(profile: Profile, facts: Sequence[LearnerFacts]) -> str:
    moved = "; ".join(
        f"{what} of {listed(rules)}" for what, rules in _grouped(facts, lambda f: f.moves).items()
    )
    return (
        "Two zero points were kept for every trajectory: the network as initialised, and the same "
        "network after the same passes at learning rate 0 (statistics-only), in which nothing but "
        f"this moves: {moved}. Normalisation part: statistics-only minus initialised. Learning "
        "part: trained minus statistics-only. A layer that moved by less than 1 % (relative "
        "Frobenius norm), or whose direction changed by less than a move of that size can make, "
        f"counts as not trained. The profile reads a change from {profile.reading.zero.says}, in "
        f"{profile.reading.layer.says}."
    )


def _scores(settings: Comparison, brain: BrainRDMs, measured: Collection[str]) -> str:
    n, n_subjects = len(settings.seeds), brain.n_subjects
    of_patterns, of_rdms = settings.dissimilarity, settings.comparator
    bounds = (
        "Noise bounds of subject_mean leave one subject out (Nili et al. 2014)."
        if n_subjects > 1
        else "One subject gives no noise bounds."
    )
    quantities = [words for column, words in _MEASURED.items() if column in measured]
    sampled = (
        f" {listed(quantities).capitalize()} are means over every {MEASURED_EVERY}th batch of an "
        "epoch."
        if quantities
        else ""
    )
    return (
        f"Representational dissimilarity is {_DISSIMILARITIES.get(of_patterns, of_patterns)}; a "
        f"score is {_COMPARATORS.get(of_rdms, of_rdms)} of two such matrices, in two "
        "conventions: subject_mean (a score for each subject, then their mean) and mean_rdm (the "
        f"score with the subject-averaged matrix). Brain data: "
        f"{counted(n_subjects, 'subject')}, {listed(brain.rois)} ({brain.source}). {bounds} "
        f"Low-level reference models {_of_references(settings)}were scored alike. Changes were "
        "tested over seeds by an exact "
        "paired sign-flip test, two-sided, Benjamini-Hochberg over the tested rules; no p can "
        f"fall below 2 / 2^n = {2 / 2 ** max(n, 1):.4g} with {counted(n, 'seed')}.{sampled}"
    )


def _of_references(settings: Comparison) -> str:
    """The references of a run keep the dissimilarities that they are defined with."""
    usual = settings.dissimilarity == Comparison.dissimilarity
    return "" if usual else "(each with the dissimilarity that defines it) "


def _grouped(facts: Sequence[LearnerFacts], key: Callable[[LearnerFacts], object]) -> dict:
    """Key -> the rules that share it, in order."""
    groups: dict = {}
    for each in facts:
        groups.setdefault(key(each), []).append(each.rule)
    return groups
