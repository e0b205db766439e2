"""To and from rsatoolbox (the extra ``dev`` installs it)."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.rsa.brain.brain import BrainRDMs
from neurosim.rsa.rdm.names import as_text, stimulus_descriptor
from neurosim.rsa.rdm.rdm import RDM


def to_rsatoolbox(rdms: RDM | BrainRDMs) -> Any:
    """An ``rsatoolbox.rdm.RDMs``: one RDM, or one for each subject and ROI present, with rdm
    descriptors ``subject`` and ``roi`` and pattern descriptor ``stimulus``."""
    rsatoolbox = _import_rsatoolbox()
    if isinstance(rdms, RDM):
        patterns = {name: list(values) for name, values in rdms.stimulus_descriptors.items()}
        if rdms.stimuli is not None:
            patterns["stimulus"] = list(rdms.stimuli)
        return rsatoolbox.rdm.RDMs(
            rdms.dissimilarities[None],
            dissimilarity_measure=rdms.metric,
            rdm_descriptors={name: [value] for name, value in rdms.descriptors.items()},
            pattern_descriptors=patterns or None,
        )
    present = np.argwhere(rdms.has_roi())
    return rsatoolbox.rdm.RDMs(
        np.stack([rdms.rdms[s, r] for s, r in present]).astype(np.float64),
        descriptors={"source": rdms.source, "simulated": rdms.simulated},
        rdm_descriptors={
            "subject": [rdms.subjects[s] for s, _ in present],
            "roi": [rdms.rois[r] for _, r in present],
        },
        pattern_descriptors={"stimulus": list(rdms.stimuli)},
    )


def rdms_from_rsatoolbox(rdms: Any, stimulus: str | None = None) -> list[RDM]:
    """One ``RDM`` for each of an ``rsatoolbox.rdm.RDMs``; its descriptors are kept.

    Args:
        stimulus: the pattern descriptor that names the stimuli; by default ``stimulus``, else the
            only one with a different text for each.

    Raises:
        ValueError: no such descriptor, or several could name the stimuli.
    """
    vectors = np.asarray(rdms.get_vectors(), dtype=np.float64)
    chosen, stimuli = stimulus_descriptor(rdms.pattern_descriptors, stimulus)
    others = {
        name: tuple(values)
        for name, values in rdms.pattern_descriptors.items()
        if name not in (chosen, "index")
    }
    return [
        RDM(
            row,
            stimuli,
            str(rdms.dissimilarity_measure),
            descriptors={
                **rdms.descriptors,
                **{n: v[i] for n, v in rdms.rdm_descriptors.items() if n != "index"},
            },
            stimulus_descriptors=others,
        )
        for i, row in enumerate(vectors)
    ]


def brain_from_rsatoolbox(
    rdms: Any,
    *,
    subject: str = "subject",
    roi: str = "roi",
    stimulus: str = "stimulus",
    source: str = "",
    simulated: bool = False,
) -> BrainRDMs:
    """``BrainRDMs`` of an ``rsatoolbox.rdm.RDMs`` whose rdm descriptors name subject and ROI.

    Raises:
        ValueError: a descriptor is missing, or a subject has two RDMs of one ROI.
    """
    for descriptor in (subject, roi):
        if descriptor not in rdms.rdm_descriptors:
            raise ValueError(
                f"no rdm descriptor {descriptor!r}; there are {sorted(rdms.rdm_descriptors)}"
            )
    if stimulus not in rdms.pattern_descriptors:
        raise ValueError(
            f"no pattern descriptor {stimulus!r}; there are {sorted(rdms.pattern_descriptors)}"
        )
    whose = [as_text(name, "subject name") for name in rdms.rdm_descriptors[subject]]
    where = [as_text(name, "ROI name") for name in rdms.rdm_descriptors[roi]]
    subjects, rois = list(dict.fromkeys(whose)), list(dict.fromkeys(where))
    if len(set(zip(whose, where, strict=True))) < len(whose):
        raise ValueError("a subject has several RDMs of one ROI; average them first")
    vectors = np.asarray(rdms.get_vectors())
    array = np.full((len(subjects), len(rois), vectors.shape[1]), np.nan, dtype=np.float32)
    for s, r, row in zip(whose, where, vectors, strict=True):
        array[subjects.index(s), rois.index(r)] = row
    _, stimuli = stimulus_descriptor(rdms.pattern_descriptors, stimulus)
    assert stimuli is not None  # the descriptor is there
    return BrainRDMs(
        array, tuple(subjects), tuple(rois), stimuli, source=source, simulated=simulated
    )


def _import_rsatoolbox() -> Any:
    try:
        import rsatoolbox
    except ImportError as error:
        raise ImportError("conversion needs rsatoolbox: pip install rsatoolbox") from error
    return rsatoolbox
