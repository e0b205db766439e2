"""Audit: whether every row of activations is of its own stimulus, in the order of the brain's."""

from __future__ import annotations

from neurosim.experiments.audit.types import (
    FAIL,
    PASS,
    UNKNOWN,
    WARNING,
    Audited,
    Finding,
    Measured,
    worst,
)
from neurosim.experiments.results.words import number

_NAME_THEM = "give the names of the stimuli, in the order of the rows, under the key stimuli"


def stimulus_order(audited: Audited) -> Finding:
    """Do the rows stand in the order of the brain's stimuli?

    In an order that is right some layer follows the images: the RDM of one of them correlates with
    that of mean colour, pixels or Gabor energy above all shuffled orders.
    """
    question = "Is every row of its own stimulus, in the order of the brain data?"
    if audited.shown_here:
        answer = "Yes: the run showed the stimuli itself, in the order of the brain data."
        return Finding("stimuli", question, PASS, answer)
    if not audited.measured:
        answer = "Not told: a table does not say in which order stimuli were shown."
        return Finding("stimuli", question, UNKNOWN, answer)
    values, lines, verdict = [], [], PASS
    for seen in audited.measured:
        own, line = _of(seen)
        verdict = worst(verdict, own)
        values.append({"file": seen.name, "order": seen.order, "told": seen.order_told,
                       "rho": seen.order_rho[0], "most_shuffled": seen.order_rho[1],
                       "same_activity": [list(pair) for pair in seen.same]})  # fmt: skip
        lines += [line] * (own != PASS)
    if verdict != PASS:
        n = len(lines)
        lines.insert(0, f"Not known to be so in {n} of {len(audited.measured)} files.")
        return Finding("stimuli", question, verdict, "\n".join(lines), values)
    least = min(audited.measured, key=lambda seen: seen.order_rho[0])
    answer = (
        f"Yes: in {len(audited.measured)} files a layer follows the images in this order (mean "
        f"colour, pixels or Gabor energy): Spearman {number(least.order_rho[0], 2)} or more, where "
        f"shuffled orders reach {number(least.order_rho[1], 2)}."
    )
    return Finding("stimuli", question, PASS, answer, values)


def _of(seen: Measured) -> tuple[str, str]:
    """Verdict and sentence of one file."""
    rho, most = (number(value, 2) for value in seen.order_rho)
    if seen.same:
        (a, b), more = seen.same[0], len(seen.same) - 1
        others = f", and {more} pairs more" * (more > 0)
        return WARNING, (
            f"{seen.name}: {a} and {b} have the same activity in every layer{others}, though their "
            "images differ: a stimulus may have been shown in place of another."
        )
    if seen.swapped and not seen.order:
        a, b = seen.swapped
        return WARNING, (
            f"{seen.name}: its activity fits the images clearly better with {a} and {b} exchanged: "
            "one may have been shown in place of the other."
        )
    if seen.order:
        told = "although its stimuli are named so" if seen.order_told else _NAME_THEM
        return FAIL, (
            f"{seen.name}: its activity fits the images better {seen.order} (Spearman {rho} "
            f"with their low-level features) than in the order it is in; {told}."
        )
    fits = f"no layer follows the images in this order (Spearman {rho}, shuffled {most})"
    if seen.order is None and seen.order_told:
        return UNKNOWN, f"{seen.name}: its stimuli are named, but {fits}."
    if seen.order is None:
        return WARNING, f"{seen.name}: {fits}; give a first layer too, or {_NAME_THEM}."
    return PASS, ""
