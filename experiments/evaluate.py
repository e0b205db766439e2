"""One checkpoint: activations of every layer at every px, policy and readout, against the brain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurosim.experiments.batches import normalise
from neurosim.experiments.data_types import StimulusSet
from neurosim.models.learner import Learner
from neurosim.models.normalisation import Running, StatisticsOf
from neurosim.models.policies import POLICIES
from neurosim.models.readouts import UNITS, patterns
from neurosim.rsa import alignment_table, reference_rdms

#: The layers that are scored.
SCORED_LAYERS = ("Conv1", "Conv2", "Conv3", "FC1")
#: Normalisation column of learners without normalised layers, whatever the policy.
NO_NORMALISATION = "none"
#: Images go through a network in batches of about this many pixels, to bound memory.
_PIXELS_A_BATCH = 128 * 32 * 32


class ChangedStateError(RuntimeError):
    """An evaluation changed the learner it evaluated."""


@dataclass(frozen=True)
class Evaluation:
    """Stimuli ready to be shown, the same for every cell and checkpoint.

    images: px -> normalised stimuli ``(n_stimuli, 3, px, px)``.
    calibration: clean training images in batches, for the calibrated policies.
    """

    stimuli: StimulusSet
    images: Mapping[int, Tensor]
    calibration: Sequence[Tensor]
    policies: Sequence[str]
    readouts: Sequence[str]

    @classmethod
    def prepare(
        cls,
        stimuli: StimulusSet,
        *,
        px: Sequence[int],
        calibration: Tensor,
        policies: Sequence[str],
        readouts: Sequence[str],
        device: torch.device | None = None,
    ) -> Evaluation:
        """Resize and normalise the stimuli once."""
        images = {size: normalise(stimuli.at_px(size)).to(device) for size in px}
        return cls(stimuli, images, calibration.split(128), policies, readouts)

    def table(self, learner: Learner) -> pd.DataFrame:
        """Alignment of every layer: columns px, normalisation, readout and those of the RSA table.

        Raises:
            ChangedStateError: the learner's fingerprint differs afterwards.
        """
        before = learner.fingerprint()
        tables = [
            alignment_table(
                features,
                self.stimuli.brain,
                labels={"px": px, "normalisation": policy, "readout": readout},
            )
            for px in self.images
            for policy, statistics in self._policies(learner, px)
            for readout, features in self._features(learner, px, statistics).items()
        ]
        if learner.fingerprint() != before:
            raise ChangedStateError(
                f"evaluating {learner.name!r} changed its weights or statistics: its "
                "represent() must not write to them"
            )
        return pd.concat(tables, ignore_index=True)

    def _policies(self, learner: Learner, px: int) -> Iterator[tuple[str, StatisticsOf]]:
        layers = learner.normalised_layers()
        if not layers:
            yield NO_NORMALISATION, Running()
            return
        for name in self.policies:
            yield name, POLICIES[name](layers, self.calibration, px)

    def _features(
        self, learner: Learner, px: int, statistics: StatisticsOf
    ) -> dict[str, dict[str, np.ndarray]]:
        """Readout -> layer -> patterns ``(n_stimuli, n_features)``."""
        collected: dict[str, dict[str, list[Tensor]]] = {}
        for x in self.images[px].split(max(1, _PIXELS_A_BATCH // px**2)):
            activity = learner.represent(x, statistics)
            for layer in SCORED_LAYERS:
                mapped = activity[layer].dim() == 4
                for readout in self.readouts if mapped else (UNITS,):
                    kept = collected.setdefault(readout, {}).setdefault(layer, [])
                    kept.append(patterns(activity[layer], readout))
        return {
            readout: {layer: torch.cat(kept).cpu().numpy() for layer, kept in layers.items()}
            for readout, layers in collected.items()
        }


def reference_table(stimuli: StimulusSet, px: Sequence[int]) -> pd.DataFrame:
    """Low-level reference models at each px, ``rule`` = ``reference:<name>``."""
    tables = []
    for size in px:
        images = (stimuli.at_px(size) * 255).round().astype(np.uint8)
        for name, rdm in reference_rdms(images).items():
            labels = {"rule": f"reference:{name}", "px": size}
            tables.append(alignment_table({name: rdm}, stimuli.brain, labels=labels))
    return pd.concat(tables, ignore_index=True)


@torch.no_grad()
def test_accuracy(learner: Learner, images: Tensor, labels: Tensor) -> float:
    """Share of held-out images classified rightly, with the statistics of training."""
    n_correct = 0
    for x, y in zip(images.split(256), labels.split(256), strict=True):
        n_correct += int((learner.represent(x)["head"].argmax(1) == y).sum())
    return n_correct / len(labels)
