"""One checkpoint: activations of every layer at every px, policy and readout, against the brain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurosim.arrays.targets import read_off
from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.job.batches import normalise
from neurosim.experiments.job.extraction import PURE, ChangedStateError, Extraction
from neurosim.experiments.job.measures import COMPARATORS, USUAL, Measures
from neurosim.models.network.normalisation import Running, StatisticsOf
from neurosim.models.network.policies import POLICIES, Calibration
from neurosim.models.network.readouts import UNITS, patterns, projected_pixels
from neurosim.models.rules.learner import Learner
from neurosim.naming.made import bound, made
from neurosim.rsa import RDM, alignment_table, compute_rdm, reference_rdms

__all__ = [
    "NO_NORMALISATION", "PROJECTED_PIXELS", "ChangedStateError", "Evaluation",
    "KnownStatistics", "low_level_rdms", "reference_table", "test_accuracy",
]  # fmt: skip

#: Normalisation column of learners without normalised layers, whatever the policy.
NO_NORMALISATION = Learner.unreached_by_policies

#: (policy, px; 0 where it does not matter) -> statistics.
KnownStatistics = dict[tuple[str, int], StatisticsOf]


@dataclass(frozen=True)
class Evaluation:
    """Stimuli ready to be shown, the same for every job and checkpoint.

    images: px -> normalised stimuli ``(n_stimuli, 3, px, px)``.
    calibration: the training images that policies read.
    extraction: in which batches activity is taken, and what becomes of the learner's state.
    """

    stimuli: StimulusSet
    images: Mapping[int, Tensor]
    calibration: Calibration
    policies: Sequence[str]
    readouts: Sequence[str]
    extraction: Extraction = PURE
    measures: Measures = USUAL

    @classmethod
    def prepare(
        cls,
        stimuli: StimulusSet,
        *,
        px: Sequence[int],
        calibration: Tensor,
        policies: Sequence[str],
        readouts: Sequence[str],
        augmented: Callable[[], Iterable[Tensor]] | None = None,
        extraction: Extraction = PURE,
        measures: Measures = USUAL,
        device: torch.device | None = None,
    ) -> Evaluation:
        """Resize and normalise the stimuli once.

        Args:
            calibration: clean training images; ``augmented``: gives the batches of training
                passes, for the policy augmented-accumulated.
        """
        images = {size: normalise(stimuli.at_px(size)).to(device) for size in px}
        clean = calibration.split(128)
        read = Calibration(clean) if augmented is None else Calibration(clean, augmented)
        return cls(stimuli, images, read, policies, readouts, extraction, measures)

    def table(self, learner: Learner) -> pd.DataFrame:
        """Alignment of every layer: columns px, normalisation, readout and those of the RSA table,
        and ``changed_state``, whether the learner's fingerprint differs afterwards.

        Raises:
            ChangedStateError: it differs, and the extraction does not let that pass.
        """
        with self.extraction.watch(learner) as watch:
            tables = [self.scores(*each) for each in self.patterns(learner)]
        return pd.concat(tables, ignore_index=True).assign(changed_state=watch.changed)

    def scores(self, labels: Mapping[str, Any], features: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Alignment of the layers of one px, policy and readout."""
        return alignment_table(
            features,
            self.stimuli.brain,
            labels=labels,
            metric=self.measures.dissimilarity,
            method=self.measures.comparator,
        )

    def patterns(
        self, learner: Learner, known: KnownStatistics | None = None
    ) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        """``(labels, layer -> patterns)`` for every px, policy and readout; the labels name them.

        Patterns are ``(n_stimuli, n_features)``.

        Args:
            known: statistics of this learner that an evaluation with the same calibration has
                computed; those computed here are added.
        """
        known = {} if known is None else known
        for px in self.images:
            for policy, statistics in self._policies(learner, px, known):
                for readout, features in self._features(learner, px, statistics).items():
                    yield {"px": px, "normalisation": policy, "readout": readout}, features

    def _policies(
        self, learner: Learner, px: int, known: KnownStatistics
    ) -> Iterator[tuple[str, StatisticsOf]]:
        layers = learner.normalised_layers()
        if not layers:
            yield learner.unreached_by_policies, Running()
            return
        for name in self.policies:
            policy = bound(POLICIES, name)
            key = name, px if policy.entry.depends_on_px else 0
            if key not in known:
                known[key] = policy.build(layers, self.calibration, px)
            yield name, known[key]

    def _features(
        self, learner: Learner, px: int, statistics: StatisticsOf
    ) -> dict[str, dict[str, np.ndarray]]:
        """Readout -> layer -> patterns ``(n_stimuli, n_features)``."""
        collected: dict[str, dict[str, list[Tensor]]] = {}
        for x in self.images[px].split(self.extraction.batch_size(px)):
            activity = learner.represent(x, statistics)
            for layer in learner.roles.scored:
                mapped = activity[layer].dim() == 4
                for readout in self.readouts if mapped else (UNITS,):
                    kept = collected.setdefault(readout, {}).setdefault(layer, [])
                    kept.append(patterns(activity[layer], readout))
        return {
            readout: {layer: torch.cat(kept).cpu().numpy() for layer, kept in layers.items()}
            for readout, layers in collected.items()
        }


#: The reference that a dense readout must beat: see ``projected_pixels``.
PROJECTED_PIXELS = "pixels-4x4-projected"


def low_level_rdms(stimuli: StimulusSet, px: int) -> dict[str, RDM]:
    """Every low-level reference model at one size, by name."""
    images = stimuli.at_px(px)
    projected = projected_pixels(normalise(images)).numpy()
    return {
        **reference_rdms((images * 255).round().astype(np.uint8)),
        PROJECTED_PIXELS: compute_rdm(projected),
    }


def reference_table(
    stimuli: StimulusSet, px: Sequence[int], comparator: str = "spearman"
) -> pd.DataFrame:
    """Low-level reference models at each px, ``rule`` = ``reference:<name>``.

    Each has the dissimilarity that it is defined with; they are scored as the networks are.
    """
    return _reference_table(stimuli, tuple(px), comparator).copy()


@lru_cache(maxsize=1)
def _reference_table(stimuli: StimulusSet, px: tuple[int, ...], comparator: str) -> pd.DataFrame:
    """Once per process for one stimulus set: audit and report show the same."""
    tables, method = [], made(COMPARATORS, comparator)
    for size in px:
        for name, rdm in low_level_rdms(stimuli, size).items():
            labels = {"rule": f"reference:{name}", "px": size}
            tables.append(alignment_table({name: rdm}, stimuli.brain, labels=labels, method=method))
    return pd.concat(tables, ignore_index=True)


@torch.no_grad()
def test_accuracy(learner: Learner, images: Tensor, labels: Tensor) -> float:
    """Share of held-out images classified rightly, with the statistics of training."""
    n_correct = 0
    for x, y in zip(images.split(256), labels.split(256), strict=True):
        n_correct += read_off(learner.represent(x)[learner.output_layer], y)[1]
    return n_correct / len(labels)
