"""Every setting of a comparison reaches the job: which images, labels, parts and rates it trains
with, and what its numbers are read from."""

from __future__ import annotations

import dataclasses
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neurosim.experiments.data.demo_data import demo_stimuli, demo_training_images
from neurosim.experiments.job.batches import LABELS, normalise
from neurosim.experiments.job.evaluate import test_accuracy as accuracy_of
from neurosim.experiments.job.job import Job, JobData
from neurosim.experiments.settings.config import Comparison
from neurosim.training import Trainer

SMALL = Comparison(
    training="demo", stimuli="demo", n_train=64, n_test=32, batch_size=32, epochs=1,
    checkpoints=(0, 1), evaluation_px=(32,), normalisation=("calibrated",), readouts=("gap",),
    n_calibration=32, rules=("bp",), seeds=(1,),
)  # fmt: skip
#: Field -> the settings of two jobs that differ in it.
OTHER: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "n_train": ({}, {"n_train": 96}),
    "n_test": ({}, {"n_test": 48}),
    "epochs": ({}, {"epochs": 2, "checkpoints": (0, 2)}),
    "checkpoints": (
        {"epochs": 2, "checkpoints": (0, 2)}, {"epochs": 2, "checkpoints": (0, 1, 2)},
    ),
    "batch_size": ({}, {"batch_size": 16}),
    "augmentation": ({}, {"augmentation": "none"}),
    "schedule": ({}, {"schedule": "constant"}),
    "norm": ({}, {"norm": "group"}),
    "network": ({}, {"network": "mlp"}),
    "labels": ({}, {"labels": "shuffled"}),
    "cell": ({"rules": ("stdp",)}, {"cell": "norse-lif"}),
    "encoder": ({"rules": ("stdp",)}, {"encoder": "poisson"}),
    "timing": ({"rules": ("stdp",)}, {"timing": "triplet"}),
    "weight_dependence": ({"rules": ("stdp",)}, {"weight_dependence": "soft-bounds"}),
    "evaluation_px": ({}, {"evaluation_px": (32, 48)}),
    "normalisation": ({}, {"normalisation": ("running",)}),
    "readouts": ({}, {"readouts": ("4x4",)}),
    "dissimilarity": ({}, {"dissimilarity": "euclidean"}),
    "comparator": ({}, {"comparator": "kendall-tau-a"}),
    "n_calibration": ({}, {"n_calibration": 16}),
    "profile": ({}, {"profile": "published"}),
    "without": ({"profile": "published"}, {"without": ("own_init",)}),
}  # fmt: skip
#: Which data sets and jobs there are, and what must equal the images' size.
NOT_OF_A_JOB = {"training", "stimuli", "brain", "rules", "seeds", "training_px"}


@cache
def data_of(settings: Comparison) -> JobData:
    device = torch.device("cpu")
    return JobData.prepare(settings, 1, demo_training_images(96, 64), demo_stimuli(), device)


@dataclasses.dataclass
class KeptJob:
    """A store that keeps the last table, and what the learning track trained with."""

    batches: list[tuple[torch.Tensor, torch.Tensor]] = dataclasses.field(default_factory=list)
    rates: list[float] = dataclasses.field(default_factory=list)

    def load(self) -> None: ...
    def save_state(self, epoch: int, tracks: object) -> None: ...
    def save_results(self, epoch, table, weights, *, finished) -> None:
        self.table = table


@cache
def job(settings: Comparison) -> KeptJob:
    """The job of the settings' first rule."""
    found, step = KeptJob(), Trainer.step

    def recorded(trainer, x, y, noise):
        log = step(trainer, x, y, noise)
        learning = [o for o in trainer._optimisers if o is not None]
        if learning:
            found.batches.append((x.clone(), y.clone()))
            found.rates.append(learning[0].param_groups[0]["lr"])
        return log

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", recorded)
        cpu, data = torch.device("cpu"), data_of(settings)
        Job(settings, settings.rules[0], 1, data, found, cpu, lambda *args, **kw: None).run()
    return found


def test_every_setting_is_tried():
    assert {f.name for f in dataclasses.fields(Comparison)} == {*OTHER, *NOT_OF_A_JOB}


@pytest.mark.parametrize("name", OTHER)
def test_a_setting_changes_the_numbers_of_the_job(name):
    """All else equal, the table that is written differs."""
    first = dataclasses.replace(SMALL, **OTHER[name][0])
    second = dataclasses.replace(first, **OTHER[name][1])
    one, two = (job(settings).table for settings in (first, second))
    assert not one.equals(two)


def test_shuffled_labels_are_what_is_learned():
    """Each image comes with the label that the shuffle of its seed dealt to it."""
    images = demo_training_images(96, 64).subset(64, 32, 1)
    x, true = normalise(images.x_train), torch.as_tensor(images.y_train)
    settings = dataclasses.replace(SMALL, augmentation="none")
    for name in LABELS:
        dealt = {key.numpy().tobytes(): int(label)
                 for key, label in zip(x, LABELS[name](true, 1), strict=True)}  # fmt: skip
        for batch, labels in job(dataclasses.replace(settings, labels=name)).batches:
            assert [dealt[image.numpy().tobytes()] for image in batch] == labels.tolist()


def test_the_rate_falls_over_all_batches_of_all_epochs():
    """2 epochs of 2 batches: cosine at 0, 1/4, 1/2, 3/4 of the way; never an epoch late."""
    settings = dataclasses.replace(SMALL, epochs=2, checkpoints=(0, 2))
    expected = 1e-3 * 0.5 * (1 + np.cos(np.pi * np.arange(4) / 4))
    np.testing.assert_allclose(job(settings).rates, expected, rtol=1e-12)


def test_calibration_reads_training_images_and_no_test_image():
    data = data_of(SMALL)
    read = torch.cat(list(data.evaluation.calibration.clean))
    assert torch.equal(read, data.x_train[:32])
    held_out = {image.numpy().tobytes() for image in data.x_test}
    assert not any(image.numpy().tobytes() in held_out for image in read)
    augmented = data.evaluation.calibration.augmented()
    assert next(iter(augmented)).shape == (SMALL.batch_size, 3, 32, 32)


@pytest.mark.parametrize("right", [0, 1, 300, 777])
def test_accuracy_counts_every_batch(right):
    """A learner that names the first ``right`` of 777 images: that share, whatever the batches."""
    labels = torch.arange(777) % 10
    shown = torch.where(torch.arange(777) < right, labels, (labels + 1) % 10)
    one_hot = SimpleNamespace(
        output_layer="head",
        represent=lambda x: {"head": torch.nn.functional.one_hot(x[:, 0].long(), 10).float()},
    )
    assert accuracy_of(one_hot, shown[:, None].float(), labels) == right / 777
