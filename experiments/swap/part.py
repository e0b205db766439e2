"""One part of ``encoder_swap``: one encoder and one seed, trained, read out and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.experiments.data.loaded import data_of
from neurosim.experiments.data.types import StimulusSet, TrainingImages
from neurosim.experiments.engine.tasks import AbstractPart
from neurosim.experiments.job.batches import epoch_batches, normalise
from neurosim.experiments.job.events import Report
from neurosim.experiments.results.trees import tree_of
from neurosim.experiments.swap.config import DT_MS, EncoderSwap
from neurosim.models.catalogue import RULE_CELLS, readout_part
from neurosim.models.network.builders import convolutional_network
from neurosim.models.network.readouts import patterns
from neurosim.models.spiking.activity import SpikingActivity
from neurosim.models.spiking.bounded_stdp import RULE_DEPENDENCES
from neurosim.models.spiking.dynamics import SpikingDynamics, SpikingNetwork
from neurosim.models.spiking.probe import RidgeProbe
from neurosim.models.spiking.stdp import RULE_TIMINGS, stdp_part
from neurosim.naming.made import made
from neurosim.rsa import alignment_table
from neurosim.spiking.encoders.registry import ENCODERS
from neurosim.training import Trainer

#: Inputs of a raster, from the strongest to the weakest that is not silent.
N_RASTER = 80
#: The readout that keeps coarse layout.
READOUT = "4x4"


@dataclass(frozen=True)
class SwapImages:
    """Images of one seed, normalised once."""

    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    n_classes: int

    @classmethod
    def of(cls, settings: EncoderSwap, seed: int, images: TrainingImages) -> SwapImages:
        """The seed's subset."""
        subset = images.subset(settings.n_train, settings.n_test, seed)
        return cls(
            normalise(subset.x_train),
            torch.as_tensor(subset.y_train),
            normalise(subset.x_test),
            torch.as_tensor(subset.y_test),
            len(images.class_names),
        )

    @property
    def px(self) -> int:
        """Side of an image."""
        return self.x_train.shape[-1]


@lru_cache(maxsize=1)
def _images_of(settings: EncoderSwap, seed: int, data_dir: Path | None) -> SwapImages:
    images, _ = data_of(settings.training, settings.stimuli, data_dir)
    return SwapImages.of(settings, seed, images)


@dataclass(frozen=True)
class SwapTask(AbstractPart):
    """One encoder and one seed."""

    settings: EncoderSwap
    encoder: str

    @property
    def label(self) -> str:
        """The encoder."""
        return self.encoder

    def own_sources(self) -> dict[str, str]:
        return self.settings.sources()

    @property
    def n_steps(self) -> int:
        """The epochs, and reading out."""
        return self.settings.epochs + 1

    def compute(self, report: Report) -> Mapping[str, Any]:
        """See ``run_part``."""
        data = _images_of(self.settings, self.seed, self.data_dir)
        _, stimuli = data_of(self.settings.training, self.settings.stimuli, self.data_dir)
        found = run_part(self.settings, self.encoder, self.seed, data, stimuli, report)
        return {"encoder": self.encoder, **found}


def trained_network(
    settings: EncoderSwap, encoder: str, seed: int, data: SwapImages, report: Report
) -> SpikingNetwork:
    """The network of a seed under one encoder: calibrated with it, then trained by STDP."""
    shared = convolutional_network(
        generator=generator(seed, "init"),
        channels=(3, *settings.channels),
        image_px=data.px,
        n_classes=data.n_classes,
        n_hidden=64,
    )
    dynamics = SpikingDynamics(
        cell=made(RULE_CELLS, settings.cell),
        encoder=made(ENCODERS, encoder),
        duration_ms=settings.duration_ms,
    )
    part = stdp_part(
        shared,
        generator(seed, "thresholds"),
        dynamics=dynamics,
        timing=made(RULE_TIMINGS, settings.timing),
        dependence=made(RULE_DEPENDENCES, settings.weight_dependence),
        calibration_px=data.px,
    )
    n_batches = len(data.x_train) // settings.batch_size
    # The readout above only makes the chain end in classes; accuracy is the probe's.
    trainer = Trainer([part, readout_part(shared)], max(1, settings.epochs * n_batches))
    for epoch in range(1, settings.epochs + 1):
        spikes = generator(seed, "noise/stdp", epoch)
        batches = epoch_batches(
            data.x_train, data.y_train, seed=seed, epoch=epoch,
            batch_size=settings.batch_size, augmentation="flip-crop",
        )  # fmt: skip
        for index, (x, y) in enumerate(batches):
            trainer.step(x, y, spikes)
            report("progress", epoch=epoch - 1 + (index + 1) / n_batches, phase="learning")
    return part.net


def run_part(
    settings: EncoderSwap,
    encoder: str,
    seed: int,
    data: SwapImages,
    stimuli: StimulusSet,
    report: Report,
) -> dict[str, Any]:
    """Everything that is measured of one encoder and seed: tables by column, and a raster."""
    net = trained_network(settings, encoder, seed, data, report)
    report("progress", epoch=float(settings.epochs), phase="evaluation")
    train, test = (SpikingActivity.of(net, x) for x in (data.x_train, data.x_test))
    labels = {"encoder": encoder, "seed": seed}
    return {
        "curve": tree_of(_curve(labels, train, test, data)),
        "energy": tree_of(_energy(labels, net, train, test, data)),
        "alignment": tree_of(_alignment(labels, net, stimuli, data.px)),
        "raster": raster(net, data.x_test[:1]),
    }


def _curve(
    labels: dict[str, Any], train: SpikingActivity, test: SpikingActivity, data: SwapImages
) -> pd.DataFrame:
    """Accuracy of the probe on the last layer after each tick, and what was spent until then."""
    rows = []
    for tick in range(len(test.features)):
        probe = RidgeProbe.fit(train.features[tick], data.y_train, data.n_classes)
        rows.append(
            {
                **labels,
                "time_ms": (tick + 1) * DT_MS,
                "accuracy": probe.accuracy(test.features[tick], data.y_test),
                "input_spikes": float(test.input_spikes[tick]),
                "spikes": sum(float(total[tick]) for total in test.spikes.values()),
                "synaptic_events": sum(float(total[tick]) for total in test.events.values()),
            }
        )
    return pd.DataFrame(rows)


def _energy(
    labels: dict[str, Any],
    net: SpikingNetwork,
    train: SpikingActivity,
    test: SpikingActivity,
    data: SwapImages,
) -> pd.DataFrame:
    """One row a layer at the end of a presentation: spikes, events, what a probe reads there."""
    shown = [net.represent(x) for x in (data.x_train, data.x_test)]
    rows = []
    for name in test.spikes:
        features = [patterns(activity[name], READOUT) for activity in shown]
        probe = RidgeProbe.fit(features[0], data.y_train, data.n_classes)
        rows.append(
            {
                **labels,
                "layer": name,
                "spikes": float(test.spikes[name][-1]),
                "synaptic_events": float(test.events[name][-1]),
                "accuracy": probe.accuracy(features[1], data.y_test),
                "seconds_per_image": (train.seconds + test.seconds) / 2,
            }
        )
    return pd.DataFrame(rows)


def _alignment(
    labels: dict[str, Any], net: SpikingNetwork, stimuli: StimulusSet, px: int
) -> pd.DataFrame:
    """Every layer against the brain, stimuli at the size of the training images."""
    activity = net.represent(normalise(stimuli.at_px(px)))
    features = {name: patterns(a, READOUT).numpy() for name, a in activity.items()}
    return alignment_table(features, stimuli.brain, labels={**labels, "px": px})


def raster(net: SpikingNetwork, image: Tensor) -> np.ndarray:
    """Input spikes of one image, ``(n_ticks, n_inputs)`` uint8: inputs by falling intensity.

    An encoder of several units an input shows each of them, for fewer inputs.
    """
    intensity = net.dynamics.front_end(image).flatten()
    n_units = len(net.dynamics.encoder.preferred)
    active = int((intensity > 0).sum())
    n_shown = min(N_RASTER // n_units, active)
    ranked = intensity.argsort(descending=True, stable=True)
    chosen = ranked[torch.linspace(0, max(active - 1, 0), n_shown).round().long()]
    spikes = net.evaluation_point(image).spikes.flatten(1)
    units = torch.cat([chosen + unit * len(intensity) for unit in range(n_units)])
    return spikes[:, units].byte().numpy()


def pixel_baseline(data: SwapImages) -> float:
    """Accuracy of the same probe on the images themselves, averaged over a 4 x 4 grid."""
    train, test = (patterns(x, READOUT) for x in (data.x_train, data.x_test))
    return RidgeProbe.fit(train, data.y_train, data.n_classes).accuracy(test, data.y_test)
