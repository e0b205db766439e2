"""Laws of every rule in the catalogue: shared start, locality, zero learning rate, purity."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import pytest
import torch

from neurosim.arrays.streams import generator
from neurosim.experiments.job.batches import AUGMENTATIONS, LABELS, epoch_batches
from neurosim.experiments.settings import config
from neurosim.models.catalogue import CONTROL_OF, RULES
from neurosim.models.network.builders import NETWORKS
from neurosim.models.network.normalisation import NORMS, Batch, Running
from neurosim.models.network.policies import POLICIES, Calibration
from neurosim.models.network.readouts import READOUTS
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.models.spiking.bounded_stdp import RULE_DEPENDENCES
from neurosim.models.spiking.stdp import RULE_TIMINGS
from neurosim.spiking.cells.registry import CELLS
from neurosim.spiking.encoders.registry import ENCODERS
from neurosim.training import SCHEDULES, Trainer, without_learning

START = SharedStart(7)
N = 8


@cache
def built(rule: str) -> Learner:
    """Building a spiking network calibrates its thresholds, which takes a second."""
    return RULES[rule](START)


def fresh(rule: str) -> Learner:
    """An untouched learner."""
    return deepcopy(built(rule))


def batch(seed: int = 1, n: int = N) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, 32, 32, generator=draws)
    # Correlated in space, as images are: white noise would leave the spiking net silent.
    x = torch.nn.functional.avg_pool2d(x, 5, 1, 2) * 4
    return x, torch.randint(0, 10, (n,), generator=draws)


def steps(learner: Learner, n_steps: int = 1) -> Trainer:
    trainer = Trainer(learner.parts, 10)
    for index in range(n_steps):
        trainer.step(*batch(index), generator(7, "noise", index))
    return trainer


def copied(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in learner.tensors().items()}


@pytest.fixture(params=RULES)
def rule(request) -> str:
    return request.param


def test_the_command_line_knows_the_catalogue_and_the_registries():
    assert set(config.RULE_NAMES) == set(RULES.built_in)
    assert set(config.POLICY_NAMES) == set(POLICIES)
    assert set(config.READOUT_NAMES) == set(READOUTS)
    assert set(config.SCHEDULE_NAMES) == set(SCHEDULES)
    assert set(config.AUGMENTATION_NAMES) == set(AUGMENTATIONS)
    assert set(config.NORM_NAMES) == set(NORMS)
    assert set(config.NETWORK_NAMES) == set(NETWORKS)
    assert set(config.LABEL_NAMES) == set(LABELS)
    assert set(config.CELL_NAMES) == set(CELLS)
    assert set(config.ENCODER_NAMES) == set(ENCODERS)
    assert tuple(RULE_TIMINGS) == config.TIMING_NAMES
    assert tuple(RULE_DEPENDENCES) == config.DEPENDENCE_NAMES


def test_all_rules_of_a_seed_start_from_the_same_weights(rule):
    shared = START.network().named_weights()
    own = fresh(rule).tensors()
    # The spiking network rewrites Conv1 from RGB to LGN channels; its other weights are shared.
    names = ["Conv2.weight", "Conv3.weight", "FC1.weight", "FC1.bias", "head.weight"]
    names += [] if rule in config.SPIKING_RULES else ["Conv1.weight", "Conv1.bias"]
    assert all(torch.equal(own[name], shared[name]) for name in names)


def test_learning_rate_zero_leaves_the_untrained_network(rule):
    """Both ways of not learning: learning rate 0, and the same passes with frozen synapses.

    Statistics and thresholds move, and in both ways alike; 1e-6 because predictive coding
    computes its sweep by operators of its own (float32).
    """
    learner = fresh(rule)
    still = Learner(
        rule,
        tuple(
            replace(p, optimiser=replace(p.optimiser, lr=0.0, lr_end=0.0)) for p in learner.parts
        ),
    )
    before = copied(learner)
    steps(still)
    frozen = fresh(rule).without_learning()
    steps(frozen)
    for name, tensor in still.tensors().items():
        if not name.endswith(("running_mean", "running_var", "threshold")):
            assert torch.equal(tensor, before[name]), name
    for name, tensor in frozen.tensors().items():
        torch.testing.assert_close(tensor, still.tensors()[name], rtol=1e-5, atol=1e-6)


def test_a_learning_rule_moves_every_weight_it_claims(rule):
    learner = fresh(rule)
    before = copied(learner)
    claimed = {
        name for part in learner.parts for name in part.rule.parameters(part.net)
        if name.endswith("weight")
    }  # fmt: skip
    steps(learner)
    moved = {name for name, t in learner.tensors().items()
             if name.endswith("weight") and not torch.equal(t, before[name])}  # fmt: skip
    assert moved == claimed
    assert bool(claimed) == (rule != "untrained")


@pytest.mark.parametrize("name", ["pc", "stdp", "frozen-conv", "frozen-stdp"])
def test_no_error_of_the_readout_reaches_the_convolutions(name):
    """Other labels, same images: the convolutions (weights, gains, thresholds) end the same."""
    ends = []
    for shift in (0, 3):
        learner = fresh(name)
        trainer = Trainer(learner.parts, 10)
        x, y = batch()
        trainer.step(x, (y + shift) % 10, generator(7, "noise"))
        ends.append(learner.tensors())
    for key in ends[0]:
        if key.startswith("Conv"):
            assert torch.equal(ends[0][key], ends[1][key]), key
    assert not torch.equal(ends[0]["FC1.weight"], ends[1]["FC1.weight"])


@pytest.mark.parametrize("name", ["pc", "stdp"])
def test_every_tap_of_a_kernel_learns_its_own_change(name):
    learner = fresh(name)
    before = copied(learner)
    steps(learner)
    for layer in ("Conv1", "Conv2", "Conv3"):
        change = learner.tensors()[f"{layer}.weight"] - before[f"{layer}.weight"]
        taps = change.flatten(2)
        differ = (taps != taps[..., :1]).any(-1)
        moved = (taps != 0).any(-1)
        assert (differ | ~moved).float().mean() > 0.95, layer


def test_representation_changes_nothing_and_belongs_to_the_image(rule):
    """Same fingerprint before and after; an image alone gives what it gives in a batch.

    1e-4: convolutions may sum in another order for another batch size (float32).
    """
    learner = fresh(rule)
    steps(learner)
    x, _ = batch(5)
    before = learner.fingerprint()
    together = learner.represent(x)
    alone = learner.represent(x[2:3])
    assert learner.fingerprint() == before
    assert list(together)[:4] == ["Conv1", "Conv2", "Conv3", "FC1"]
    for layer, activity in alone.items():
        torch.testing.assert_close(activity[0], together[layer][2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("px", [24, 48])
def test_other_sizes_reach_the_same_layers(rule, px):
    learner = fresh(rule)
    x = torch.nn.functional.interpolate(batch(5, 2)[0], (px, px), mode="bilinear")
    activity = learner.represent(x)
    assert activity["Conv3"].shape[-1] == px // 8
    assert activity["FC1"].shape == (2, 512)


def test_batch_statistics_are_refused_at_evaluation(rule):
    with pytest.raises(ValueError, match="refuses Batch statistics"):
        fresh(rule).represent(batch()[0], Batch())


def test_a_stored_learner_goes_on_as_the_first_would_have(rule):
    """Weights, statistics and optimiser through plain arrays: the next step is the same bits."""
    first = fresh(rule)
    trainer = steps(first, 2)
    second = fresh(rule)
    second.load({name: t.numpy().copy() for name, t in first.tensors().items()})
    resumed = Trainer(second.parts, 10)
    resumed.load_state(trainer.state())
    for t in (trainer, resumed):
        t.step(*batch(9), generator(7, "noise", 9))
    assert first.fingerprint() == second.fingerprint()


def test_stdp_takes_cell_and_encoder_by_name():
    """Every other pair learns in a small network in test_stdp_learning.py."""
    start = replace(START, image_px=16, cell="norse-lsnn", encoder="population")
    learner = RULES["stdp"](start)
    before = copied(learner)
    x, y = batch()
    Trainer(learner.parts, 10).step(x[..., :16, :16], y, generator(7, "noise"))
    assert not torch.equal(learner.tensors()["Conv1.weight"], before["Conv1.weight"])
    dynamics = learner.parts[0].rule.dynamics
    assert isinstance(dynamics.cell, CELLS["norse-lsnn"])
    assert isinstance(dynamics.encoder, ENCODERS["population"])


@pytest.mark.parametrize("encoder", ["current", "poisson"])
def test_a_frozen_control_is_its_rule_with_the_change_of_weights_absent(encoder):
    """Its convolutions go through what those of the rule go through at learning rate 0, thresholds
    included and to the bit; its readout learns as the rule's does."""
    start = replace(START, image_px=16, encoder=encoder)
    for control, rule in CONTROL_OF.items():
        frozen, learner = RULES[control](start), RULES[rule](start)
        assert frozen.fingerprint() == learner.fingerprint()
        readout, theirs = frozen.parts[1], learner.parts[1]
        assert readout.rule == theirs.rule
        assert readout.optimiser == theirs.optimiser
        assert frozen.rule_of("Conv1") == "none"
        still, before = learner.without_learning(), copied(frozen)
        for each in (frozen, still):
            trainer = Trainer(each.parts, 10)
            for index in range(3):
                x, y = batch(index)
                trainer.step(x[..., :16, :16], y, generator(7, "noise", index))
        after = frozen.tensors()
        for name, tensor in still.tensors().items():
            if name.startswith("Conv"):
                assert torch.equal(after[name], tensor), name
                assert torch.equal(tensor, before[name]) == name.endswith("weight"), name
            elif name.endswith("weight"):
                assert not torch.equal(after[name], tensor), name


def test_a_learner_refuses_tensors_of_another():
    tensors = RULES["bp"](START).tensors()
    with pytest.raises(ValueError, match=r"missing .*feedback"):
        RULES["kolen-pollack"](START).load(tensors)


@pytest.mark.parametrize(
    ("norm", "told"),
    [("batch", "a statistic of the network is not finite"), ("none", "not finite at step 0")],
)
def test_a_change_that_is_not_finite_stops_training_and_spares_the_weights(norm, told):
    learner = RULES["bp"](replace(START, norm=norm))
    before = learner.fingerprint()
    x, y = batch()
    with pytest.raises(ArithmeticError, match=told):
        Trainer(learner.parts, 10).step(x * 1e37, y, generator(7, "noise"))
    assert learner.fingerprint() == before


def test_without_learning_keeps_everything_but_plasticity():
    part = RULES["bp"](START).parts[0]
    frozen = without_learning(part)
    assert frozen.rule.dynamics is part.rule.dynamics
    assert frozen.rule.parameters(frozen.net) == {}


@pytest.mark.parametrize(
    ("name", "quantities"),
    [
        ("bp", set()),
        ("fa", {"alignment_angle_deg"}),
        ("kolen-pollack", {"alignment_angle_deg"}),
        ("stdp", {"spikes_per_tick", "dead_map_share"}),
    ],
)
def test_dynamics_tell_what_only_they_can(name, quantities):
    learner = fresh(name)
    log = Trainer(learner.parts, 10).step(*batch(), generator(7, "noise"))
    part, outcome = learner.parts[0], log.outcomes[0]
    found = part.rule.dynamics.measurements(outcome.point, outcome.settled.state)
    assert set(found) == quantities
    if name == "stdp":
        counts = outcome.settled.state["post"][0].float()
        assert 0 < found["spikes_per_tick"]["Conv1"] < 1
        assert 0 <= found["dead_map_share"]["Conv1"] < 1
        assert counts.max() <= 1, "a neuron fires at most once a tick"


def test_an_unknown_rule_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown learning rule 'stdb' \(did you mean 'stdp'"):
        RULES["stdb"]


def test_order_and_augmentation_belong_to_the_image_not_to_the_batch():
    """Two batch sizes: the same images in the same order with the same crops and flips."""
    images = torch.randn(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20)

    def epoch(size: int, n: int = 1):
        batches = list(epoch_batches(images, labels, seed=3, epoch=n, batch_size=size,
                                     augmentation="flip-crop"))  # fmt: skip
        return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])

    (small_x, small_y), (large_x, large_y) = epoch(4), epoch(10)
    assert torch.equal(small_x, large_x)
    assert torch.equal(small_y, large_y)
    assert not torch.equal(small_y, epoch(4, n=2)[1])
    assert len(epoch(8)[0]) == 16, "the last partial batch is dropped"


def test_crops_are_shifts_of_the_reflected_image():
    """Every augmented image is found among the 81 shifts x 2 flips of its padded original."""
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    ((x, y),) = epoch_batches(
        images, torch.arange(6), seed=3, epoch=1, batch_size=6, augmentation="flip-crop"
    )
    padded = torch.nn.functional.pad(images, (4,) * 4, mode="reflect")
    for image, label in zip(x, y, strict=True):
        candidates = [
            crop
            for dy in range(9)
            for dx in range(9)
            for crop in (padded[label, :, dy : dy + 32, dx : dx + 32],)
        ]
        candidates += [crop.flip(-1) for crop in candidates]
        assert any(torch.equal(image, crop) for crop in candidates)


def test_policies_agree_with_torch_and_with_themselves():
    """calibrated = torch's own biased statistics of the currents, layer by layer; at the training
    size calibrated-at-px is calibrated; running is identity in a network that saw no batch."""
    learner = RULES["bp"](START)
    layers = learner.normalised_layers()
    x, _ = batch(4, 16)
    images = Calibration(x.split(5))
    found = POLICIES["calibrated"](layers, images, 64)
    at_px = POLICIES["calibrated-at-px"](layers, images, 32)
    a = x
    for layer in layers[:3]:
        current = layer.current(a)
        var, mean = torch.var_mean(current, (0, 2, 3), correction=0)
        torch.testing.assert_close(found[layer.name].mean, mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[layer.name].var, var, rtol=1e-4, atol=1e-5)
        assert torch.equal(found[layer.name].var, at_px[layer.name].var)
        a = layer.respond(current, found[layer.name])
    identity = learner.represent(x, POLICIES["identity"](layers, Calibration(), 32))
    running = learner.represent(x, Running())
    assert all(torch.equal(identity[k], running[k]) for k in running)


def test_crops_shift_both_axes_independently_and_flip_half():
    """Of 4,000 images that hold their own row and column numbers: every one of the 81 shifts comes,
    each axis is uniform, and shifts and flips are uncorrelated, within 5 standard errors."""
    n = 4000
    ramp = torch.arange(16.0)
    image = torch.stack([ramp[:, None].expand(16, 16), ramp.expand(16, 16), torch.zeros(16, 16)])
    batches = epoch_batches(image.expand(n, 3, 16, 16), torch.zeros(n, dtype=torch.int64),
                            seed=3, epoch=1, batch_size=n, augmentation="flip-crop")  # fmt: skip
    ((x, _),) = batches
    # Away from the border: the pixel (8, 8) shows where it came from.
    down, flipped = x[:, 0, 8, 8] - 8, x[:, 1, 8, 8] > x[:, 1, 8, 9]
    across = x[:, 1, 8, 8] - torch.where(flipped, 7.0, 8.0)
    draws = torch.stack([down, across, flipped.float()])
    assert len(torch.unique(draws[:2], dim=1).t()) == 81
    assert draws[:2].abs().max() == 4
    error = 5 / n**0.5
    assert (draws[:2].mean(1).abs() < (60 / 9) ** 0.5 * error).all(), "variance (81 - 1) / 12"
    assert abs(float(draws[2].mean()) - 0.5) < 0.5 * error
    correlation = torch.corrcoef(draws)
    assert (correlation - torch.eye(3)).abs().max() < error
