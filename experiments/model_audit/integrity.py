"""Questions about the model as a thing that is shown images: before any score is read."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from neurosim.experiments.audit.types import FAIL, PASS, UNKNOWN, WARNING, Finding, worst
from neurosim.experiments.model_audit.evidence import Evidence
from neurosim.experiments.model_audit.order import Fit
from neurosim.experiments.results.words import number, some
from neurosim.models.interop.module_states import GIVEN

#: A layer in which more units than this share never differ between images is hardly one.
_MOST_DEAD = 0.5
#: Other objects and grounds than those of training change the sd of what the first layer reads by
#: less than this, 0 to 255 in place of 0 to 1 by 255.
_MOST_RATIO, _MOST_DISTANCE = 5.0, 3.0
_USUAL_SD = (0.05, 5.0)
_N_LOOKED_AT = 64
#: RDMs of two subjects are never as alike as this; nor is a network's and a subject's.
_ONE_RDM = 0.99


def _not_shown(name: str, question: str) -> Finding:
    answer = (
        "Not known: features were given, not the model. Give neurosim.audit the model itself, and "
        "it is shown the images in both modes, twice, alone and among others."
    )
    return Finding(name, question, UNKNOWN, answer)


def mode(found: Evidence) -> Finding:
    """Is the model in evaluation mode?"""
    question = "Was the model given in evaluation mode?"
    checks = found.checks
    if checks is None:
        return _not_shown("mode", question)
    gap = checks.mode
    values = [{"training": dict(checks.training), "difference": gap.size, "layer": gap.layer,
               "changed": list(checks.changed_as_given)}]  # fmt: skip
    if not checks.training:
        return Finding("mode", question, PASS, "Yes: no module is in training mode.", values)
    telling = {k: n for k, n in checks.training.items() if k != "other modules"}
    kinds = ", ".join(f"{n} {kind}" for kind, n in (telling or checks.training).items())
    if gap.is_rounding and not checks.changed_as_given:
        answer = (
            f"No ({kinds} in training mode), and it makes no difference: activity differs from "
            f"evaluation mode by {gap.size:.1g} of a layer's root mean square, which is rounding."
        )
        return Finding("mode", question, PASS, answer, values)
    moved = checks.changed_as_given
    changed = f", and showing images changed {some(moved)}" if moved else ""
    answer = (
        f"No: {kinds} are in training mode; activity differs from evaluation mode by "
        f"{gap.size:.2g} of the root mean square of {gap.layer}{changed}. What was scored so is "
        "not the network that is audited here, in evaluation mode: call model.eval() first."
    )
    return Finding("mode", question, FAIL, answer, values)


def state(found: Evidence) -> Finding:
    """Does showing images change the model?"""
    question = "Does showing images change the model?"
    if found.checks is None:
        return _not_shown("state", question)
    changed = found.checks.changed
    values = [{"changed": list(changed)}]
    if changed:
        answer = (
            f"Yes: {len(changed)} tensors or numbers are others afterwards ({some(changed)}), in "
            "evaluation mode. Every score depends on what was shown before."
        )
        return Finding("state", question, FAIL, answer, values)
    answer = (
        "No: in evaluation mode every parameter, buffer, tensor and number that its modules hold "
        "was the same to the bit after images were shown."
    )
    return Finding("state", question, PASS, answer, values)


def determinism(found: Evidence) -> Finding:
    """Does it answer the same image alike twice?"""
    question = "Does the model answer the same images alike twice?"
    checks = found.checks
    if checks is None:
        return _not_shown("determinism", question)
    gap = checks.repeated
    values = [{"difference": gap.size, "layer": gap.layer}]
    if gap.is_rounding:
        answer = (
            f"Yes: the same batch shown again, after other images, differs by {gap.size:.1g} of a "
            "layer's root mean square."
        )
        return Finding("determinism", question, PASS, answer, values)
    if checks.dropouts:
        why = f"dropout is on in evaluation mode ({some(checks.dropouts)})"
    elif checks.changed:
        why = f"it keeps something of what it saw ({some(checks.changed)})"
    else:
        why = "its forward pass draws random numbers in evaluation mode (functional dropout, noise)"
    answer = (
        f"No: the same batch shown twice differs by {gap.size:.2g} of the root mean square of "
        f"{gap.layer}; {why}."
    )
    return Finding("determinism", question, FAIL, answer, values)


def batch(found: Evidence) -> Finding:
    """Does the activity to an image depend on the batch?"""
    question = "Does the activity to an image depend on the batch it comes in?"
    checks = found.checks
    if checks is None:
        return _not_shown("batch", question)
    gap = max(checks.alone, checks.company, key=lambda each: each.size)
    values = [{"alone": checks.alone.size, "company": checks.company.size, "layer": gap.layer}]
    if not checks.repeated.is_rounding:
        answer = "Not known: the model answers the same batch differently each time."
        return Finding("batch", question, UNKNOWN, answer, values)
    if any(facts.not_finite for facts in found.facts.values()):
        answer = "Not known: not all values are finite, and those cannot be compared."
        return Finding("batch", question, UNKNOWN, answer, values)
    if gap.is_rounding:
        answer = (
            f"No: images alone, in a batch and among other images differ by at most {gap.size:.1g} "
            "of a layer's root mean square, which is rounding."
        )
        return Finding("batch", question, PASS, answer, values)
    if checks.without_statistics:
        why = (
            f"batch norms keep no statistics and read the batch in every mode "
            f"({some(checks.without_statistics)}: track_running_stats=False)"
        )
    else:
        why = "something in the forward pass reads the other images of a batch"
    answer = (
        f"Yes, by {gap.size:.2g} of the root mean square of {gap.layer}: {why}. A score of such a "
        "model is one of a stimulus set, not of the model."
    )
    return Finding("batch", question, FAIL, answer, values)


def inputs(found: Evidence) -> Finding:
    """Do the images come as the model was trained to read them?"""
    question = "Do the images come as the model was trained to read them?"
    if found.checks is None:
        return _not_shown("inputs", question)
    shift = found.shift
    pixels = found.shown.rows(0, min(len(found.shown), _N_LOOKED_AT))
    mean, sd = float(pixels.mean()), float(pixels.std())
    read = f"the model reads values of mean {mean:.3g} and sd {sd:.3g}"
    values = [{"mean": mean, "sd": sd, **({} if shift is None else asdict(shift))}]
    if shift is None:
        odd = not _USUAL_SD[0] <= sd <= _USUAL_SD[1]
        answer = (
            f"Not known: the network keeps no statistics of its training images; {read}"
            + (
                ", where intensities from 0 to 1 or standardised ones have an sd of 0.1 to 2: "
                "compare with how it was trained"
                if odd
                else " (compare with how it was trained)"
            )
            + "."
        )
        return Finding("inputs", question, WARNING if odd else UNKNOWN, answer, values)
    told = (
        f"{shift.module}, the first module that keeps statistics, reads values with "
        f"{shift.ratio:.2g} times the sd it came with, and a mean {shift.distance:.2g} of its sd "
        f"away; {read}"
    )
    if 1 / _MOST_RATIO <= shift.ratio <= _MOST_RATIO and shift.distance <= _MOST_DISTANCE:
        return Finding("inputs", question, PASS, f"Yes: {told}.", values)
    answer = (
        f"No: {told}. Look at mean, sd, size and the order of the channels, and whether the "
        "network was trained at all."
    )
    return Finding("inputs", question, WARNING, answer, values)


def finite(found: Evidence) -> Finding:
    """Is every value a number?"""
    question = "Is every value of every layer a finite number?"
    bad = {name: facts.not_finite for name, facts in found.facts.items() if facts.not_finite}
    values = [{"layer": name, "not_finite": n} for name, n in bad.items()]
    if bad:
        told = ", ".join(f"{name} ({n})" for name, n in list(bad.items())[:5])
        answer = f"No: NaN or infinite values in {told}; such images are left out of these layers."
        return Finding("finite", question, FAIL, answer, values)
    n = sum(facts.n_units for facts in found.facts.values()) * len(found.shown)
    answer = f"Yes: {n:,} values in {len(found.facts)} layers."
    return Finding("finite", question, PASS, answer, values)


def units(found: Evidence) -> Finding:
    """Do units and images answer?"""
    question = "Do the units tell images apart, and is no image silent?"
    verdict, lines, values = PASS, [], []
    names = found.given.brain.stimuli
    own = found.rdms[found.states(GIVEN, found.own)[0], 0, 0]
    for name, facts in found.facts.items():
        share = facts.n_dead / facts.n_units
        silent = [names[i] for i in facts.silent]
        values.append({"layer": name, "n_units": facts.n_units, "dead": share, "silent": silent})
        if share == 1:
            verdict = worst(verdict, FAIL)
            lines.append(f"{name} answers every image alike: it has no score.")
        elif share > _MOST_DEAD:
            verdict = worst(verdict, WARNING)
            lines.append(
                f"{name}: {share:.0%} of {facts.n_units} units answer every image alike (dead)."
            )
        if share < 1 and not facts.not_finite and np.isnan(own[name, "whole"]).all():
            verdict = worst(verdict, WARNING)
            lines.append(
                f"{name}: images differ by less than single precision resolves: it has no score."
            )
        elif silent and share < 1:
            verdict = worst(verdict, WARNING)
            lines.append(
                f"{name}: {len(silent)} images have constant activity and no RDM ({some(silent)})."
            )
    if verdict == PASS:
        most = max(values, key=lambda each: float(each["dead"]))  # type: ignore[arg-type]
        lines = [
            f"Yes: no image is silent, and at most {most['dead']:.0%} of a layer's units "
            f"answer every image alike ({most['layer']})."
        ]
    return Finding("units", question, verdict, "\n".join(lines), values)


def stimuli(found: Evidence) -> Finding:
    """Do the images, and rows of features, stand in the order of the brain data?"""
    question = "Is every image the one that the brain data are of?"
    order = found.order
    verdict, line = _in_order(
        order.brain, order.named, "the brain data", "follow the pictures",
        "name the images (a folder, a mapping, stimuli=) and the brain data alike, and they are "
        "put in order",
    )  # fmt: skip
    values = [{"named": order.named, **asdict(order.brain)}]
    lines = [line]
    if order.rows is not None:
        own, line = _in_order(
            order.rows, order.rows_named, "the features", "follow the pictures",
            "give features with the names of their images (file_names.txt), and images or brain "
            "data with theirs",
        )  # fmt: skip
        verdict = worst(verdict, own)
        lines.append(line)
        values.append({"named": order.rows_named, **asdict(order.rows)})
    return Finding("stimuli", question, verdict, "\n".join(lines), values)


def _in_order(fit: Fit, named: bool, what: str, follow: str, remedy: str) -> tuple[str, str]:
    """Whether names, and the pictures themselves, say that two orders are one."""
    measured = (
        f"{what} {follow} with Spearman {number(fit.rho, 2)} in this order, where 199 shuffled "
        f"orders reach {number(fit.shuffled, 2)}"
    )
    if fit.better:
        told = ", although both sides name their stimuli" if named else ""
        return FAIL, (
            f"No: {what} fit the pictures better {fit.better} (Spearman "
            f"{number(fit.better_rho, 2)} instead of {number(fit.rho, 2)}){told}. Put them in the "
            "order of the images."
        )
    if fit.follows:
        return PASS, f"Yes: {'matched by name; ' * named}{measured}."
    if named:
        return UNKNOWN, f"Matched by name, but {measured}: the pictures do not confirm it."
    return WARNING, f"Not told, and {measured}: {remedy}."


def copies(found: Evidence) -> Finding:
    """Are there pictures, activities or subjects twice?"""
    question = "Does no stimulus, and no subject, stand for another one?"
    pairs = found.order.copies
    names = found.given.brain.stimuli
    known = {frozenset(pair) for pair in pairs}
    groups: dict[tuple[bytes, ...], int] = {}
    same = []
    telling = [f for f in found.facts.values() if len(set(f.digests)) > 1]
    for i in range(len(names) if telling else 0):
        before = groups.setdefault(tuple(f.digests[i] for f in telling), i)
        if before != i and frozenset((names[before], names[i])) not in known:
            same.append((names[before], names[i]))
    people = _subject_copies(found)
    values: list[dict[str, Any]] = [{"equal_pictures": [list(p) for p in pairs],
               "similar_pictures": [list(p) for p in found.order.near], "equal_subjects": people,
               "equal_activity": [list(p) for p in same]}]  # fmt: skip
    leaked = _is_the_model(found)
    values[0]["is_the_model"] = leaked
    if leaked:
        answer = (
            f"No: {some(leaked)}: the brain data are the model's own RDMs, and a score says "
            "nothing."
        )
        return Finding("copies", question, FAIL, answer, values)
    if people:
        answer = (
            f"No: {some(people)}: copies are not evidence, and every n, noise bound and interval "
            "counts them. Leave them out."
        )
        return Finding("copies", question, FAIL, answer, values)
    similar = _similar(found)
    values[0]["similar_rdms"] = similar
    if similar:
        answer = (
            f"No: {some(similar)} have nearly one RDM (Pearson above {_ONE_RDM}): if one was made "
            "of the other, they are one piece of evidence."
        )
        return Finding("copies", question, WARNING, answer, values)
    if pairs:
        (a, b), more = pairs[0], len(pairs) - 1
        answer = f"{a} and {b} are one picture" + f", and {more} pairs more" * (more > 0) + "."
        return Finding("copies", question, WARNING, answer, values)
    if found.order.near:
        (a, b), more = found.order.near[0], len(found.order.near) - 1
        answer = (
            f"{a} and {b} differ by less than two grey levels, as copies of one picture do"
            + f", and {more} pairs more" * (more > 0)
            + "."
        )
        return Finding("copies", question, WARNING, answer, values)
    if same:
        (a, b), more = same[0], len(same) - 1
        answer = (
            f"{a} and {b} have the same activity in every layer"
            + f", and {more} pairs more" * (more > 0)
            + ", though their pictures differ: the model, or its preprocessing, cannot see the "
            "difference."
        )
        return Finding("copies", question, WARNING, answer, values)
    answer = f"Yes: {len(names)} different pictures with different activity."
    return Finding("copies", question, PASS, answer, values)


def _is_the_model(found: Evidence) -> list[str]:
    """Subjects whose RDM is one of the model's layers."""
    brain = found.given.brain
    own = found.rdms[found.states(GIVEN, found.own)[0], 0, 0]
    told = []
    for roi in brain.rois:
        for subject, row in zip(brain.subjects, brain.of_roi(roi), strict=True):
            for (layer, _), rdm in own.items():
                if _correlation(row, rdm) > _ONE_RDM:
                    told.append(f"{subject} in {roi} is {layer}")
                    break
    return told


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's, of pairs that both have; 0 where one does not vary."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or not a[both].std() > 0 or not b[both].std() > 0:
        return 0.0
    return float(np.corrcoef(a[both], b[both])[0, 1])


def _similar(found: Evidence) -> list[str]:
    """Subjects and regions whose RDMs are nearly, or altogether, those of others."""
    brain = found.given.brain
    told = []
    for roi in brain.rois:
        rows = brain.of_roi(roi)
        for i, j in combinations(range(len(rows)), 2):
            if _correlation(rows[i], rows[j]) > _ONE_RDM:
                told.append(f"{brain.subjects[i]} and {brain.subjects[j]} in {roi}")
    for one, other in combinations(brain.rois, 2):
        pairs = zip(brain.of_roi(one), brain.of_roi(other), strict=True)
        if all(_correlation(a, b) > _ONE_RDM for a, b in pairs):
            told.append(f"regions {one} and {other}")
    return told


def _subject_copies(found: Evidence) -> list[str]:
    """Subjects of whom one region has the very RDM of another subject."""
    brain = found.given.brain
    told = []
    for roi in brain.rois:
        seen: dict[bytes, str] = {}
        for subject, row in zip(brain.subjects, brain.of_roi(roi), strict=True):
            if not np.isnan(row).all():
                first = seen.setdefault(row.tobytes(), subject)
                told += [f"{first} and {subject} have one RDM in {roi}"] * (first != subject)
    return told
