"""The demo: the same everywhere, hard enough, and its simulated brain gives up its secret."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.experiments.data.demo_brain import GENERATED_BY, ROIS, model_features
from neurosim.experiments.data.demo_data import (
    N_SUBJECTS,
    demo_generating_rdms,
    demo_stimuli,
    demo_training_images,
)
from neurosim.experiments.data.demo_images import (
    CLASSES,
    STIMULI,
    TRAINING,
    draw_scenes,
    render,
)
from neurosim.experiments.data.demo_shapes import SHAPES, TEXTURES
from neurosim.experiments.data.types import StimulusSet, resize
from neurosim.rsa import compare_rdms

Models = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def models() -> Models:
    return demo_generating_rdms()


@pytest.fixture(scope="module")
def stimuli() -> StimulusSet:
    return demo_stimuli()


def test_every_shape_is_one_class_and_every_texture_two_of_different_kind() -> None:
    """Else texture would give the class, or the kind, away."""
    assert sorted(c.shape for c in CLASSES) == sorted(SHAPES)
    for texture in TEXTURES:
        kinds = [c.kind for c in CLASSES if c.texture == texture]
        assert sorted(kinds) == ["angular", "rounded"]


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_negative_inside_positive_outside_and_about_a_distance(name: str) -> None:
    """Outlines are softened by the value, so its slope has to be near 1 on the outline."""
    axis = np.linspace(-1.6, 1.6, 801)
    field = SHAPES[name](axis[None, :], axis[:, None])
    inside = field < 0
    assert 0.15 < inside.sum() * (axis[1] - axis[0]) ** 2 < np.pi
    radius = np.hypot(axis[None, :], axis[:, None])
    assert not inside[radius > 1.2].any()
    slope = np.hypot(*np.gradient(field, axis, axis))
    on_outline = np.abs(field) < 0.02
    assert 0.6 < np.median(slope[on_outline]) < 1.6


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_is_a_share(name: str) -> None:
    axis = np.linspace(-1.2, 1.2, 200)
    share = np.broadcast_to(TEXTURES[name](axis[None, :], axis[:, None]), (200, 200))
    assert share.min() >= 0
    assert share.max() <= 1
    assert share.std() > 0.05


def test_training_images_are_reproducible_balanced_and_labelled_simulated() -> None:
    one, two = demo_training_images(100, 50), demo_training_images(100, 50)
    assert one.sha256 == two.sha256
    assert one.simulated
    assert one.x_train.shape == (100, 32, 32, 3)
    np.testing.assert_array_equal(np.bincount(one.y_train), 10)
    np.testing.assert_array_equal(np.bincount(one.y_test), 5)
    assert not np.array_equal(one.x_train[:50], one.x_test)


def test_labels_come_in_random_order() -> None:
    labels = demo_training_images(200, 10).y_train
    # 200 shuffled labels of 10 classes: 20 equal neighbours expected, sd 4
    assert 2 < np.count_nonzero(labels[1:] == labels[:-1]) < 45


def test_a_scene_is_the_same_at_every_size() -> None:
    """Rendered large and resized it is the small rendering, but for soft outlines."""
    scenes = draw_scenes(np.arange(10), STIMULI, np.random.default_rng(0))
    small = render(scenes, 48).astype(float) / 255
    large = resize(render(scenes, 192), 48)
    for one, other in zip(small, large, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.97


def test_rendering_does_not_depend_on_the_batch() -> None:
    scenes = draw_scenes(np.arange(30) % 10, TRAINING, np.random.default_rng(0))
    together = render(scenes, 32)
    apart = np.concatenate([render(scenes[i : i + 7], 32) for i in range(0, 30, 7)])
    np.testing.assert_array_equal(together, apart)


def test_too_small_a_size_is_refused() -> None:
    scenes = draw_scenes(np.arange(1), STIMULI, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"px is 7.*at least 8"):
        render(scenes, 7)


def test_classes_cannot_be_told_from_mean_colour_alone() -> None:
    """Nearest class mean on mean colour and its spread: chance is .10, the bar .25."""
    data = demo_training_images(1000, 500)

    def summary(images: np.ndarray) -> np.ndarray:
        return np.hstack([images.mean(axis=(1, 2)), images.std(axis=(1, 2))])

    train, test = summary(data.x_train), summary(data.x_test)
    means = np.stack([train[data.y_train == k].mean(axis=0) for k in range(10)])
    guess = np.linalg.norm(test[:, None] - means, axis=2).argmin(axis=1)
    assert np.mean(guess == data.y_test) < 0.25


def test_the_stimuli_are_balanced_and_their_brain_labelled_simulated(stimuli: StimulusSet) -> None:
    assert stimuli.images.shape == (60, 96, 96, 3)
    assert {stimuli.category.count(c.name) for c in CLASSES} == {6}
    assert stimuli.brain.source.startswith("SIMULATED")
    assert stimuli.brain.rdms.shape == (N_SUBJECTS, len(ROIS), 60 * 59 // 2)


def test_noise_bounds_are_those_of_a_good_fmri_study(stimuli: StimulusSet) -> None:
    bounds = stimuli.brain.noise_bounds()
    assert ((bounds[:, 0] > 0.3) & (bounds[:, 0] < 0.6)).all()
    assert (bounds[:, 1] > bounds[:, 0]).all()


@pytest.mark.parametrize("convention", ["subject_mean", "mean_rdm"])
def test_the_model_that_generated_a_roi_scores_highest_on_it(
    stimuli: StimulusSet, models: Models, convention: str
) -> None:
    """By .25 over every other generating model: their largest mutual correlation is .2."""
    brain, rdms = stimuli.brain, np.stack(list(models.values()))
    if convention == "subject_mean":
        scores = brain.subject_scores(rdms).mean(axis=1)
    else:
        scores = brain.mean_rdm_scores(rdms)
    for j, roi in enumerate(brain.rois):
        by_model = dict(zip(models, scores[:, j], strict=True))
        best = by_model.pop(GENERATED_BY[roi])
        assert best > max(by_model.values()) + 0.25


def test_a_generating_model_reaches_the_lower_noise_bound(
    stimuli: StimulusSet, models: Models
) -> None:
    """It is the noise-free truth, so it predicts a subject better than the others do."""
    bounds = stimuli.brain.noise_bounds()
    for j, roi in enumerate(stimuli.brain.rois):
        own = stimuli.brain.subject_scores(models[GENERATED_BY[roi]])[0, :, j].mean()
        assert bounds[j, 0] < own < bounds[j, 1]


def test_the_generating_models_differ(models: Models) -> None:
    rdms = np.stack(list(models.values()))
    between = compare_rdms(rdms, rdms)
    assert np.abs(between[~np.eye(len(rdms), dtype=bool)]).max() < 0.3


def test_a_roi_tends_to_its_model_as_voxels_grow(stimuli: StimulusSet) -> None:
    """1 - Pearson over many voxels of F W is the model's RDM: error ~ 1 / sqrt(n_voxels)."""
    labels = np.repeat(np.arange(10), 6)
    rng = np.random.default_rng(0)
    for roi in ROIS:
        features = model_features(roi.model, stimuli.images, labels)
        truth = np.corrcoef(features)
        patterns = features @ rng.normal(size=(features.shape[1], 40_000))
        assert np.abs(np.corrcoef(patterns) - truth).max() < 5 / np.sqrt(40_000)


def test_stimuli_at_another_size_have_the_same_brain(stimuli: StimulusSet) -> None:
    larger = demo_stimuli(px=128)
    assert larger.images.shape[1:3] == (128, 128)
    np.testing.assert_array_equal(larger.brain.rdms, stimuli.brain.rdms)
