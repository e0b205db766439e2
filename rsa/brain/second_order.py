"""Second order: does what aligns with a region also relate to the other regions as it does?

After the abstract of Hoefling, Tangemann, Piefke, Keller, Franke & Bethge 2026 (alignment
patterns); the definitions below are ours where the abstract is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from neurosim.rsa.brain.brain import BrainRDMs
from neurosim.rsa.compare.comparator import Array, Comparator
from neurosim.rsa.compare.comparators import COMPARATORS, find_comparator
from neurosim.rsa.rdm.rdm import RDMInput

if TYPE_CHECKING:
    import pandas as pd


@final
@dataclass(frozen=True, eq=False)
class AlignmentPatterns:
    """Attributes:
    profiles: (n_subjects, n_rois, n_rois) score of ROI r of one subject with ROI k of the
        others' mean RDM, so that measurement noise is not shared; the diagonal is not used.
    model_profiles: (n_models, n_rois) score of the model with ROI k, mean over subjects.
    scores: (n_models, n_rois) correlation over the other ROIs k != r of the model's profile
        with r's (mean over subjects).
    ceiling: (n_rois,) mean correlation of one subject's profile with the others' mean profile.
    rois: their names.
    """

    profiles: Array
    model_profiles: Array
    scores: Array
    ceiling: Array
    rois: tuple[str, ...]

    @property
    def n_others(self) -> int:
        """Over how many ROIs each correlation runs: with few, read it with care."""
        return len(self.rois) - 1

    def table(self, models: list[str]) -> pd.DataFrame:
        """One row a model and ROI, beside the first-order score."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "model": name,
                    "roi": roi,
                    "first_order": self.model_profiles[m, r],
                    "pattern_score": self.scores[m, r],
                    "ceiling": self.ceiling[r],
                    "n_other_rois": self.n_others,
                }
                for m, name in enumerate(models)
                for r, roi in enumerate(self.rois)
            ]
        )


def alignment_patterns(
    models: RDMInput, brain: BrainRDMs, method: str | Comparator = "spearman"
) -> AlignmentPatterns:
    """Profiles of alignment with all ROIs, of every ROI and every model.

    Needs at least two subjects (profiles are taken across subjects), all with all ROIs, and at
    least three other ROIs to correlate over (four in all).
    """
    comparator = find_comparator(method)
    if not brain.has_roi().all():
        raise ValueError("every subject must have every ROI; select those that do")
    if brain.n_subjects < 2 or brain.n_rois < 4:
        raise ValueError(
            "alignment patterns need at least 2 subjects and 4 ROIs; got "
            f"{brain.n_subjects} and {brain.n_rois}"
        )
    n_subjects, n_rois = brain.n_subjects, brain.n_rois
    for roi in brain.rois:
        brain.mean_rdm(roi)  # refuses subjects of different scales
    total = brain.rdms.sum(axis=0, dtype=np.float64)
    profiles = np.empty((n_subjects, n_rois, n_rois))
    for s in range(n_subjects):
        others = (total - brain.rdms[s]) / (n_subjects - 1)
        rest = BrainRDMs(
            others[None].astype(np.float32),
            ("others",),
            brain.rois,
            brain.stimuli,
            brain.pair_mask,
        )
        profiles[s] = rest.subject_scores(brain.rdms[s], comparator)[:, 0]
    model_profiles = brain.subject_scores(models, comparator).mean(axis=1)
    mean_profile = profiles.mean(axis=0)
    scores = np.array(
        [
            [_over_others(profile, mean_profile[r], r) for r in range(n_rois)]
            for profile in model_profiles
        ]
    )
    sums = profiles.sum(axis=0)
    ceiling = np.array(
        [
            np.mean(
                [
                    _over_others(profiles[s, r], (sums[r] - profiles[s, r]), r)
                    for s in range(n_subjects)
                ]
            )
            for r in range(n_rois)
        ]
    )
    return AlignmentPatterns(profiles, model_profiles, scores, ceiling, brain.rois)


_PEARSON = COMPARATORS["pearson"]


def _over_others(a: Array, b: Array, r: int) -> float:
    """Pearson correlation over all entries but r."""
    return float(_PEARSON(np.delete(a, r)[None], np.delete(b, r)[None])[0, 0])
