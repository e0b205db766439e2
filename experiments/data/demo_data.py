"""The embedded demo: images to train on, stimuli, and a simulated brain. All SIMULATED.

Nothing is stored or downloaded: everything is drawn from the seeds below, so every
installation has the same demo (to one grey level: processors round a sine differently).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurosim.experiments.data.demo_brain import generating_rdms, simulate_brain
from neurosim.experiments.data.demo_images import (
    CLASS_NAMES,
    CLASSES,
    STIMULI,
    TRAINING,
    draw_scenes,
    render,
)
from neurosim.experiments.data.types import StimulusSet, TrainingImages

TRAINING_PX = 32
STIMULUS_PX = 96
N_TRAIN, N_TEST = 2000, 500
N_STIMULI_PER_CLASS = 6
N_SUBJECTS = 8
SEED_TRAIN, SEED_TEST, SEED_STIMULI, SEED_BRAIN = 1, 2, 3, 4


def demo_training_images(n_train: int = N_TRAIN, n_test: int = N_TEST) -> TrainingImages:
    """The demo's images for training, ten balanced classes in random order."""
    return TrainingImages.of(
        "demo",
        _labelled(n_train, SEED_TRAIN),
        _labelled(n_test, SEED_TEST),
        CLASS_NAMES,
        simulated=True,
    )


def _labelled(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % len(CLASSES))
    return render(draw_scenes(labels, TRAINING, rng), TRAINING_PX), labels


def demo_stimuli(rois: Sequence[str] | None = None, px: int = STIMULUS_PX) -> StimulusSet:
    """The demo's stimuli rendered at `px`, with the brain simulated on them at STIMULUS_PX.

    rois: the ROIs wanted, in that order; None gives all of them.
    """
    images, labels = _stimulus_images(STIMULUS_PX)
    category = tuple(CLASS_NAMES[label] for label in labels)
    names = [f"{name} {i % N_STIMULI_PER_CLASS + 1}" for i, name in enumerate(category)]
    brain = simulate_brain(images, labels, names, N_SUBJECTS, np.random.default_rng(SEED_BRAIN))
    shown = images if px == STIMULUS_PX else _stimulus_images(px)[0]
    return StimulusSet.of("demo", shown, brain.select(rois=rois), category)


def demo_generating_rdms() -> dict[str, np.ndarray]:
    """The noise-free RDM (n_pairs,) of each model that generated a ROI of the demo.

    `demo_brain.GENERATED_BY` says which model generated which ROI.
    """
    return generating_rdms(*_stimulus_images(STIMULUS_PX))


def _stimulus_images(px: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(len(CLASSES)), N_STIMULI_PER_CLASS)
    scenes = draw_scenes(labels, STIMULI, np.random.default_rng(SEED_STIMULI))
    return render(scenes, px), labels
