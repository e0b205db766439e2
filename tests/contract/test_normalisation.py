"""Normalisation: policies, architectures without batch norm, and readouts against their laws."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neurosim.arrays.streams import generator
from neurosim.experiments.job.batches import LABELS, first_batches
from neurosim.experiments.settings.config import SPIKING_RULES
from neurosim.models.catalogue import RULES
from neurosim.models.network import readouts
from neurosim.models.network.builders import convolutional_network
from neurosim.models.network.layers import max_pool
from neurosim.models.network.normalisation import (
    NORMS,
    Accumulate,
    Batch,
    Fixed,
    GroupNorm,
    Running,
    identity_statistics,
)
from neurosim.models.network.policies import POLICIES, Calibration
from neurosim.models.rules.learner import SharedStart
from neurosim.rsa import compute_rdm
from neurosim.training import Trainer

START = SharedStart(7, image_px=16)
BN_FREE = [name for name in NORMS if name != "batch"]


def images(n: int = 24, px: int = 16) -> torch.Tensor:
    """Correlated in space: white noise would leave the spiking network silent."""
    draws = torch.Generator().manual_seed(3)
    return torch.nn.functional.avg_pool2d(torch.randn(n, 3, px, px, generator=draws), 5, 1, 2) * 4


def test_augmented_accumulated_is_what_training_passes_accumulate():
    """The untrained network after k batches holds, to the bit, what the policy gives for them."""
    x = images()
    batches = list(first_batches(x, seed=5, batch_size=8, augmentation="flip-crop", n_batches=7))
    passed = RULES["untrained"](START)
    trainer = Trainer(passed.parts, 7)
    for batch in batches:
        trainer.step(batch, torch.zeros(8, dtype=torch.int64), generator(7, "noise"))
    fresh = RULES["untrained"](START)
    before = fresh.fingerprint()
    found = POLICIES["augmented-accumulated"](
        fresh.normalised_layers(), Calibration(augmented=lambda: batches), 16
    )
    assert fresh.fingerprint() == before, "a policy changes nothing"
    for name in ("Conv1", "Conv2", "Conv3"):
        statistics = found[name]
        assert isinstance(statistics, Fixed)
        assert torch.equal(statistics.mean, passed.tensors()[f"{name}.running_mean"])
        assert torch.equal(statistics.var, passed.tensors()[f"{name}.running_var"])
    assert found["FC1"] == Running()


def test_first_batches_are_those_of_training_across_epochs():
    x = images(20)
    few = list(first_batches(x, seed=1, batch_size=8, augmentation="none", n_batches=5))
    assert [len(batch) for batch in few] == [8] * 5, "2 an epoch: three epochs, none partial"
    assert not torch.equal(few[0], few[2]), "each epoch has its own order"
    with pytest.raises(ValueError, match="do not fill a batch"):
        next(first_batches(x, seed=1, batch_size=32, augmentation="none"))


def test_augmented_accumulated_says_what_it_needs():
    layers = RULES["bp"](START).normalised_layers()
    with pytest.raises(ValueError, match="needs augmented training batches"):
        POLICIES["augmented-accumulated"](layers, Calibration(images().split(8)), 16)


def test_accumulated_statistics_are_refused_at_evaluation():
    learner = RULES["bp"](START)
    start = identity_statistics(learner.normalised_layers()[0].norm)
    with pytest.raises(ValueError, match="refuses Batch statistics"):
        learner.represent(images(2), Accumulate(start.mean, start.var))


@pytest.mark.parametrize("norm", BN_FREE)
def test_no_draw_depends_on_the_normalisation(norm):
    """Same initial weights as the default network, so architectures pair."""
    default = START.network().named_weights()
    other = replace(START, norm=norm).network().named_weights()
    assert all(torch.equal(tensor, default[name]) for name, tensor in other.items())
    assert not any("running" in name for name in other)


@pytest.mark.parametrize("norm", BN_FREE)
@pytest.mark.parametrize("rule", [name for name in RULES if name not in SPIKING_RULES])
def test_every_rule_learns_without_batch_norm(rule, norm):
    """Weights stay finite, every claimed weight moves, and no feature depends on its batch.

    1e-4: convolutions may sum in another order for another batch size (float32).
    """
    learner = RULES[rule](replace(START, norm=norm))
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    claimed = {n for p in learner.parts for n in p.rule.parameters(p.net) if n.endswith("weight")}
    Trainer(learner.parts, 4).step(images(8), torch.arange(8), generator(7, "noise"))
    after = learner.tensors()
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    moved = {n for n in after if n.endswith("weight") and not torch.equal(after[n], before[n])}
    assert moved == claimed
    assert learner.normalised_layers() == [], "there is no statistic that a policy could choose"
    together, alone = learner.represent(images(6)), learner.represent(images(6)[2:3])
    for layer, activity in alone.items():
        torch.testing.assert_close(activity[0], together[layer][2], rtol=1e-4, atol=1e-4)


def test_stdp_has_no_normalisation_to_leave_out():
    """Its convolutions spike; the same weights, thresholds and readout under every choice."""
    tensors = RULES["stdp"](START).tensors()
    other = RULES["stdp"](replace(START, norm="none")).tensors()
    assert tensors.keys() == other.keys()
    assert all(torch.equal(tensors[name], other[name]) for name in tensors)


def test_group_norm_is_batch_norm_of_each_image_and_group():
    """One image, one channel a group: what batch norm makes of that image alone."""
    a = images(3)
    net = GroupNorm(3, 3)
    alone = [torch.nn.functional.batch_norm(x[None], None, None, training=True) for x in a]
    torch.testing.assert_close(net(a, Running()), torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert torch.equal(net(a, Running()), net(a, Batch())), "no source makes a difference"


def test_groups_must_divide_channels_and_unknown_norms_are_named():
    with pytest.raises(ValueError, match="20 channels cannot be split into 3 groups"):
        GroupNorm(20, 3)
    with pytest.raises(ValueError, match="unknown normalisation of the architecture 'goup'"):
        convolutional_network(generator=torch.Generator(), norm="goup")


def test_sketch_keeps_inner_products_on_average():
    """Unbiased: over 400 independent groupings the mean lies within 4 standard errors."""
    x, y = torch.randn(2, 300, generator=torch.Generator().manual_seed(1))
    found = []
    for k in range(400):  # padding by k zeros gives another draw of signs and groups
        padded = torch.nn.functional.pad(torch.stack([x, y]), (0, k))
        a, b = readouts.sketch(padded, 64)
        found.append(float(a @ b))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - float(x @ y)) < 4 * error
    predicted = float((x @ x) * (y @ y) + (x @ y) ** 2) / 64
    assert np.var(found) == pytest.approx(predicted, rel=0.3), "sd of a variance of 400: 7 %"


def test_a_large_map_keeps_its_geometry_and_a_small_one_its_units():
    """Full maps: exact up to the limit; beyond it correlations within 5 / sqrt(limit)."""
    draws = torch.Generator().manual_seed(2)
    shared = torch.rand(12, 4, generator=draws) @ torch.rand(4, 8 * 24 * 24, generator=draws)
    x = torch.relu(shared + torch.randn(12, 8 * 24 * 24, generator=draws)).view(12, 8, 24, 24) + 3
    exact = compute_rdm(readouts.patterns(x, "full").numpy()).dissimilarities
    assert readouts.full_map(x).shape == (12, 8 * 24 * 24)
    small = readouts.patterns(x, "full(max_units=1024)")
    assert small.shape == (12, 1024)
    assert torch.equal(small[3:4], readouts.full_map(x[3:4], max_units=1024)), (
        "a pattern is its image's own"
    )
    assert np.abs(compute_rdm(small.numpy()).dissimilarities - exact).max() < 5 / 32


def test_projected_pixels_keep_the_geometry_of_the_grid():
    """A linear projection of 48 numbers to 512 keeps angles: Pearson of RDMs above .95."""
    x = images(20, 32)
    grid = readouts.pooled_4x4(x)
    cosine = torch.nn.functional.cosine_similarity(grid[:, None], grid[None], dim=-1)
    projected = compute_rdm(readouts.projected_pixels(x).numpy()).dissimilarities
    upper = np.triu_indices(20, 1)
    assert np.corrcoef(1 - cosine.numpy()[upper], projected)[0, 1] > 0.95


def test_shuffled_labels_are_the_same_labels_on_other_images():
    labels = torch.arange(500) % 10
    shuffled = LABELS["shuffled"](labels, 3)
    assert torch.equal(shuffled.bincount(), labels.bincount())
    agreement = float((shuffled == labels).double().mean())
    assert abs(agreement - 0.1) < 4 * (0.1 * 0.9 / 500) ** 0.5, "chance within 4 sd"
    assert torch.equal(shuffled, LABELS["shuffled"](labels, 3)), "one deal a seed"
    assert not torch.equal(shuffled, LABELS["shuffled"](labels, 4))


@pytest.mark.parametrize(
    ("shape", "side"), [((2, 3, 8, 8), 2), ((2, 3, 7, 9), 2), ((1, 2, 9, 9), 3)]
)
def test_pooling_without_gradients_is_torchs(shape, side):
    """The same bits: a maximum rounds nothing."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(max_pool(x, side), torch.nn.functional.max_pool2d(x, side))


@pytest.mark.parametrize("rule", [name for name in RULES if "stdp" not in name])
def test_running_statistics_move_by_a_tenth_per_batch(rule):
    """k passes of one batch with the weights held: (1 - .9^k) of its statistics, from (0, 1).

    The momentum of torch and of the published network; 1e-4: rules sweep by operators of their own
    (float32).
    """
    learner, x = RULES[rule](START).without_learning(), images(16)
    conv1 = next(layer for layer in learner.normalised_layers() if layer.name == "Conv1")
    var, mean = torch.var_mean(conv1.current(x), (0, 2, 3))
    trainer = Trainer(learner.parts, 3)
    for _ in range(3):
        trainer.step(x, torch.zeros(16, dtype=torch.int64), generator(7, "noise"))
    found, left = learner.tensors(), 0.9**3
    expected = {"running_mean": (1 - left) * mean, "running_var": left + (1 - left) * var}
    for name, value in expected.items():
        torch.testing.assert_close(found[f"Conv1.{name}"], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.3, 0.5])
def test_dropout_keeps_the_mean(dropout):
    """Outputs are 0, or the undropped ones over 1 - p; a share p is 0, within 5 standard errors."""
    net = convolutional_network(generator=generator(0, "init"), image_px=16, dropout=dropout)
    layer = net.layers[3]
    x = torch.rand(64, layer.synapse.n_in, generator=generator(0, "x"))
    whole, dropped = (
        layer.respond(layer.current(x), source, generator(1, "noise"))
        for source in (Running(), Batch())
    )
    live = whole > 0
    kept = live & (dropped != 0)
    torch.testing.assert_close(dropped[kept], whole[kept] / (1 - dropout))
    share, n = float((live & ~kept).sum() / live.sum()), int(live.sum())
    assert abs(share - dropout) < 5 * (dropout * (1 - dropout) / n) ** 0.5


def block_means(x: torch.Tensor, side: int) -> torch.Tensor:
    """Means over a side x side grid of equal blocks, by reshaping."""
    n, channels, height, width = x.shape
    return x.reshape(n, channels, side, height // side, side, width // side).mean((3, 5))


def test_readouts_average_space():
    x = torch.randn(3, 5, 16, 16, generator=generator(0, "x"))
    torch.testing.assert_close(readouts.patterns(x, "4x4"), block_means(x, 4).flatten(1))
    torch.testing.assert_close(readouts.patterns(x, "gap"), block_means(x, 1).flatten(1))
    assert torch.equal(readouts.patterns(x, "full"), x.flatten(1))


@pytest.mark.parametrize("rule", ["bp", "pc", "stdp"])
def test_fc1_reads_a_larger_image_through_block_means(rule):
    """At four times the training size FC1 hears the mean of each 4 x 4 block of Conv3."""
    learner = RULES[rule](START)
    activity = learner.represent(images(4, 64))
    tensors = learner.tensors()
    read = block_means(activity["Conv3"].float(), 2).flatten(1)
    expected = torch.relu(read @ tensors["FC1.weight"].t() + tensors["FC1.bias"])
    torch.testing.assert_close(activity["FC1"], expected, rtol=1e-4, atol=1e-5)
