"""Brain data: the RDMs of all subjects and regions of interest (ROIs), as one value."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.compare.comparator import Array, Comparator, constant_rows
from neurosim.rsa.compare.comparators import find_comparator
from neurosim.rsa.compare.measure import PreparedRDMs
from neurosim.rsa.inference.noise import Order, group_reliability, mean_rdm, noise_ceiling
from neurosim.rsa.rdm.checks import as_numbers
from neurosim.rsa.rdm.rdm import RDMInput, as_pair_mask, check_names
from neurosim.rsa.rdm.squares import condensed_rdms, n_stimuli_of, pair_indices

Convention = Literal["subject_mean", "mean_rdm"]


@final
@dataclass(frozen=True, eq=False)
class BrainRDMs:
    """RDMs of n subjects x ROIs over the same stimuli in the same order.

    Attributes:
        rdms: (n_subjects, n_rois, n_pairs) float32, read-only; square ones are accepted. A row
            of NaN: that subject has no such ROI. NaN in part: that subject lacks a stimulus.
        subjects, rois, stimuli: their names, unique.
        pair_mask: (n_pairs,) bool, True = use the pair (e.g. not within one run); None = all.
        source: citation of the data.
        simulated: made by a program; every table and figure must say so.

    What depends on the data alone (ranks, noise bounds) is computed when first needed and
    kept, so one object serves a whole training run.
    """

    rdms: NDArray[np.float32]
    subjects: tuple[str, ...]
    rois: tuple[str, ...]
    stimuli: tuple[str, ...]
    pair_mask: NDArray[np.bool_] | None = None
    source: str = ""
    simulated: bool = False
    _kept: dict[tuple[str, Any], Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        array: NDArray[Any] = as_numbers(self.rdms)
        if array.ndim == 4:
            array = condensed_rdms(array, "brain RDMs")
        if array.ndim != 3 or 0 in array.shape:
            raise ValueError(
                "brain RDMs are (n_subjects, n_rois, n_pairs), or (..., n_stimuli, n_stimuli); "
                f"got {array.shape}"
            )
        if array.dtype.kind != "f":
            raise TypeError(f"brain RDMs are floating point numbers; got dtype {array.dtype}")
        rdms = np.ascontiguousarray(array, dtype=np.float32).view()
        rdms.flags.writeable = False
        if np.isinf(rdms).any():
            raise ValueError("brain RDMs hold infinite values; NaN marks what is missing")
        n_stimuli = n_stimuli_of(rdms.shape[2])
        names = {
            "subjects": check_names(self.subjects, rdms.shape[0], "subject"),
            "rois": check_names(self.rois, rdms.shape[1], "ROI"),
            "stimuli": check_names(self.stimuli, n_stimuli, "stimulus"),
        }
        empty = np.flatnonzero(np.isnan(rdms).all(axis=(0, 2)))
        if len(empty):
            raise ValueError(
                f"no subject has ROI {', '.join(names['rois'][i] for i in empty)}; leave it out"
            )
        object.__setattr__(self, "rdms", rdms)
        object.__setattr__(self, "pair_mask", as_pair_mask(self.pair_mask, rdms.shape[2]))
        for attribute, value in names.items():
            object.__setattr__(self, attribute, value)

    @property
    def n_subjects(self) -> int:
        return self.rdms.shape[0]

    @property
    def n_rois(self) -> int:
        return self.rdms.shape[1]

    @property
    def n_pairs(self) -> int:
        return self.rdms.shape[2]

    @property
    def n_stimuli(self) -> int:
        return len(self.stimuli)

    def of_roi(self, roi: str) -> NDArray[np.float32]:
        """(n_subjects, n_pairs) of one ROI; absent subjects are rows of NaN."""
        if roi not in self.rois:
            raise ValueError(f"unknown ROI {roi!r}; known: {', '.join(self.rois)}")
        return self.rdms[:, self.rois.index(roi)]

    def has_roi(self) -> NDArray[np.bool_]:
        """(n_subjects, n_rois) True where the subject has the ROI."""
        key = ("has_roi", None)
        if key not in self._kept:
            self._kept[key] = ~np.isnan(self.rdms).all(axis=2)
        return self._kept[key]

    def is_complete(self) -> bool:
        """Whether every subject has every pair of the ROIs that he or she has."""
        key = ("complete", None)
        if key not in self._kept:
            self._kept[key] = not np.isnan(self.rdms[self.has_roi()]).any()
        return self._kept[key]

    def mean_rdm(self, roi: str) -> Array:
        """(n_pairs,) plain average over the subjects who have the ROI; NaN where one lacks a pair.
        Subjects whose scales differ more than tenfold are refused (``standardised``)."""
        return mean_rdm(self.of_roi(roi))

    def noise_bounds(
        self,
        method: str | Comparator = "spearman",
        convention: Convention = "subject_mean",
        order: Order = "rank_then_average",
        pairs: NDArray[np.bool_] | None = None,
    ) -> Array:
        """(n_rois, 2) lower and upper bound of each ROI, on the pairs that all its subjects have
        and the mask allows: those on which scores are taken.

        - ``subject_mean`` (mean over subjects of rho): leave-one-subject-out, ``noise_ceiling``.
        - ``mean_rdm`` (rho with the subject-averaged RDM): with R = ``group_reliability``,
          lower = R, what the mean RDM of as many other subjects would score; upper = sqrt(R),
          a model without noise. Where no R is defined (a distance, Kendall's taus): NaN.

        For a distance smaller is closer; the lower bound is still the smaller number
        (``noise_ceiling``).

        Args:
            pairs: (n_pairs,) bool, only these, e.g. those that a model with silent stimuli has.
        """
        comparator = find_comparator(method)
        mask = np.ones(self.n_pairs, bool) if self.pair_mask is None else self.pair_mask
        if pairs is not None:
            mask = mask & pairs
        key = ("bounds", (comparator, convention, order, mask.tobytes()))
        if key not in self._kept:
            bounds = np.empty((self.n_rois, 2))
            for i in range(self.n_rois):
                rows = self.rdms[:, i]
                shared = ~np.isnan(self._shared()[self.has_roi()[:, i], i]).any(axis=0)
                if pairs is not None and np.count_nonzero(shared & mask) < 2:
                    bounds[i] = np.nan  # a silent layer has neither score nor bounds
                elif convention == "subject_mean":
                    bounds[i] = noise_ceiling(rows, comparator, order, pair_mask=mask)
                elif convention == "mean_rdm" and not comparator.adds_up:
                    bounds[i] = np.nan
                elif convention == "mean_rdm":
                    r = group_reliability(rows, comparator, pair_mask=mask)
                    bounds[i] = r, np.sqrt(r)
                else:
                    raise ValueError(
                        f"unknown convention {convention!r}; known: subject_mean, mean_rdm"
                    )
            self._kept[key] = bounds
        return self._kept[key]

    def subject_scores(self, models: RDMInput, method: str | Comparator = "spearman") -> Array:
        """(n_models, n_subjects, n_rois) score of each model RDM with each subject's RDM.

        On the pairs that all subjects who have the ROI have, as the noise bounds and the mean RDM
        are; leave out a subject who lacks many stimuli (``select``)."""
        rows = self._shared().reshape(-1, self.n_pairs)
        scores = self._prepared("subject", rows, method).compare(models)
        return scores.reshape(-1, self.n_subjects, self.n_rois)

    def mean_rdm_scores(self, models: RDMInput, method: str | Comparator = "spearman") -> Array:
        """(n_models, n_rois) score of each model RDM with each ROI's subject-averaged RDM."""
        return self._prepared("mean_rdm", None, method).compare(models)

    def _shared(self) -> NDArray[np.float32]:
        """The RDMs, with NaN in the pairs that any subject who has the ROI lacks."""
        if self.is_complete():
            return self.rdms
        lacked = (np.isnan(self.rdms) & self.has_roi()[:, :, None]).any(axis=0)
        return np.where(lacked, np.float32(np.nan), self.rdms)

    def standardised(self) -> BrainRDMs:
        """Every subject's RDM of every ROI divided by its standard deviation over the pairs in
        use, so that all weigh alike in ``mean_rdm``; constant ones stay as they are."""
        mask = np.ones(self.n_pairs, bool) if self.pair_mask is None else self.pair_mask
        rdms = self.rdms.astype(np.float64)
        for row in rdms.reshape(-1, self.n_pairs):
            kept = row[mask & ~np.isnan(row)]
            if len(kept) and not constant_rows(kept[None].astype(np.float32))[0]:
                row /= kept.std()
        return replace(self, rdms=rdms.astype(np.float32))

    def _prepared(
        self, what: str, rows: NDArray[np.float32] | None, method: str | Comparator
    ) -> PreparedRDMs:
        comparator = find_comparator(method)
        key = (what, comparator)
        if key not in self._kept:
            if rows is None:
                rows = np.stack([self.mean_rdm(roi) for roi in self.rois])
            self._kept[key] = PreparedRDMs(rows, comparator, self.pair_mask, self.stimuli)
        return self._kept[key]

    def select(
        self,
        *,
        stimuli: Sequence[str] | None = None,
        rois: Sequence[str] | None = None,
        subjects: Sequence[str] | None = None,
    ) -> BrainRDMs:
        """The part of these names, in the order given; names are matched exactly.

        By keyword, since there are three axes: ``brain.select(stimuli=names)``, where an ``RDM``
        has only stimuli, ``rdm.select(names)``."""
        kept_subjects = _positions(subjects, self.subjects, "subjects")
        kept_rois = _positions(rois, self.rois, "ROIs")
        rdms = self.rdms[np.ix_(kept_subjects, kept_rois)]
        mask = self.pair_mask
        kept_stimuli = _positions(stimuli, self.stimuli, "stimuli")
        if stimuli is not None:
            if len(kept_stimuli) < 2:
                raise ValueError("an RDM needs at least two stimuli")
            pairs = pair_indices(kept_stimuli, self.n_stimuli)
            rdms = rdms[..., pairs]
            mask = None if mask is None else mask[pairs]
        return BrainRDMs(
            rdms,
            tuple(self.subjects[i] for i in kept_subjects),
            tuple(self.rois[i] for i in kept_rois),
            tuple(self.stimuli[i] for i in kept_stimuli),
            mask,
            self.source,
            self.simulated,
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to ``.h5``/``.hdf5`` or ``.npz``, whole or not at all."""
        from neurosim.rsa.brain.brain_files import save_brain

        return save_brain(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> BrainRDMs:
        """Read what ``save`` wrote; other content is refused with the field named."""
        from neurosim.rsa.brain.brain_files import load_brain

        return load_brain(path)


def _positions(wanted: Sequence[str] | None, known: tuple[str, ...], what: str) -> NDArray[np.intp]:
    if wanted is None:
        return np.arange(len(known))
    index = {name: i for i, name in enumerate(known)}
    missing = [name for name in wanted if name not in index]
    if missing:
        raise ValueError(
            f"{what} not in this data: {', '.join(map(repr, missing[:8]))}"
            f"{' ...' if len(missing) > 8 else ''}; it has {', '.join(known[:8])}"
            f"{' ...' if len(known) > 8 else ''}"
        )
    return np.array([index[name] for name in wanted], dtype=np.intp)
