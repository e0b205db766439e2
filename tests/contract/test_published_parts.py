"""Laws of the parts of the published pipeline, and of what they share with the reference."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from neurosim.arrays.streams import generator
from neurosim.models.catalogue import RULES
from neurosim.models.network.policies import calibrate
from neurosim.models.published import learners
from neurosim.models.published.channel_errors import RelaxingNetwork
from neurosim.models.published.first_spikes import FirstSpikePairs
from neurosim.models.published.leak import LeakingLearner
from neurosim.models.published.starts import OwnStart
from neurosim.models.published.windows import InvertedWindow, SumOf, inverted
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.spiking.timing.reductions import SumOverBatch
from neurosim.spiking.timing.rules import AllPairs, NearestPair
from neurosim.spiking.timing.traces import TraceSTDP
from neurosim.spiking.timing.weight_dependence import Logistic
from neurosim.synapses import Dense
from neurosim.training import Trainer, movement
from neurosim.types import LocalSignal

START = SharedStart(5)
BUILDERS = {
    "fa": learners.feedback_alignment,
    "pc": learners.predictive_coding,
    "stdp": learners.StdpBuilder(learners.ChannelMeanBody(), invert=True, reach_gains=True),
    "stdp, gains out of reach": learners.StdpBuilder(learners.ChannelMeanBody(), invert=True),
}


def images(n: int = 8, px: int = 32, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, 3, px, px, generator=torch.Generator().manual_seed(seed)) + 0.2


def train(learner: Learner, n_steps: int = 2) -> Trainer:
    trainer = Trainer(learner.parts, 10)
    for index in range(n_steps):
        y = torch.arange(8) % 10
        trainer.step(images(seed=index), y, generator(5, "noise", index))
    return trainer


@pytest.fixture(params=BUILDERS)
def learner(request) -> Learner:
    return BUILDERS[request.param](START)


def test_the_inverted_window_depresses_causal_pairs():
    """W(lag) = A (exp(-lag / tau) - 1) for lag > 0, its negative mirrored: by hand at +-10 ms."""
    window = InvertedWindow(0.003, 0.003, 20.0, 20.0).window([-10, 0, 10])
    expected = 0.003 * (np.exp(-0.5) - 1)
    np.testing.assert_allclose(window, [-expected, 0, expected], rtol=1e-12, atol=1e-18)


def test_the_inverted_window_is_a_sum_of_two_of_all_pairs():
    """At every lag, unequal amplitudes and decays included, to rounding."""
    inverse = InvertedWindow(0.7, 1.3, 11.0, 23.0)
    lags = np.linspace(-60, 60, 121)
    total = sum(pairs.window(lags) for pairs in inverse.as_pairs())
    np.testing.assert_allclose(total, inverse.window(lags), rtol=1e-12, atol=1e-12)


def test_inverted_trace_stdp_is_the_double_sum_over_the_inverted_window():
    """The kernel that runs both windows against pair by pair, in float64."""
    draws = torch.Generator().manual_seed(2)
    pre = (torch.rand(20, 2, 4, generator=draws) < 0.3).double()
    post = (torch.rand(20, 2, 3, generator=draws) < 0.3).double()
    timing = AllPairs(0.7, 1.3, 11.0, 23.0, coincidence="potentiate")
    plasticity = inverted(TraceSTDP(timing, SumOverBatch()))

    class OneLayer:
        name, synapse = "dense", Dense(4, 3)

        def plastic_parameters(self):
            return {"weight": torch.zeros(3, 4, dtype=torch.float64)}

    memory = plasticity.begin(OneLayer())
    for a, b in zip(pre, post, strict=True):
        memory = plasticity.observe(OneLayer(), memory, LocalSignal(a, b, {"dt": 5.0}))
    window = InvertedWindow.of(timing)
    expected = torch.zeros(3, 4, dtype=torch.float64)
    for s, t in np.ndindex(20, 20):
        expected += float(window.window((t - s) * 5.0)) * torch.einsum("bo,bi->oi", post[t], pre[s])
    found = plasticity.delta(OneLayer(), memory)["weight"]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_only_trace_stdp_of_all_pairs_can_be_inverted():
    for timing in (NearestPair(), AllPairs(dependence=Logistic())):
        with pytest.raises(ValueError, match=r"all-pairs.*--without stdp_window_inverted"):
            InvertedWindow.of(timing)
    with pytest.raises(ValueError, match="got SumOf: leave the switch off"):
        inverted(SumOf(()))


def test_first_spike_change_by_hand():
    """One image: pre at tick 2 and silent (11), post at tick 5: lags 3 and -6."""
    timing = AllPairs(0.003, 0.003, 20.0, 20.0, coincidence="both")
    change = FirstSpikePairs(timing).mean_change(torch.tensor([[2, 11]]), torch.tensor([[5]]), 1.0)
    np.testing.assert_allclose(change, timing.window([[3, -6]]), rtol=1e-12)


@pytest.mark.parametrize("name", ["pc", "stdp"])
def test_every_tap_of_a_channel_pair_moves_alike(name):
    """To the rounding of adding a change to weights (float32)."""
    learner = BUILDERS[name](START)
    before = {name: t.clone() for name, t in learner.tensors().items()}
    train(learner)
    moved = learner.tensors()["Conv2.weight"] - before["Conv2.weight"]
    assert moved.abs().max() > 0
    spread = moved.flatten(2).max(2).values - moved.flatten(2).min(2).values
    assert spread.max() < 1e-7


def test_what_never_learns_in_published_predictive_coding():
    learner = BUILDERS["pc"](START)
    before = {name: t.clone() for name, t in learner.tensors().items()}
    train(learner)
    after = learner.tensors()
    still = {name for name, t in after.items() if torch.equal(t, before[name])}
    assert {"Conv3.weight", "prediction.2", "prediction.3", "Conv1.gamma", "Conv1.beta"} <= still
    assert not {"Conv1.weight", "Conv2.weight", "FC1.weight", "head.weight"} & still


def test_cross_entropy_reaches_the_gains_only_where_the_switch_is_on():
    for name, reached in (("stdp", True), ("stdp, gains out of reach", False)):
        learner = BUILDERS[name](START)
        train(learner)
        gamma = learner.tensors()["Conv1.gamma"]
        assert torch.equal(gamma, torch.ones_like(gamma)) != reached


def test_feedback_alignment_carries_the_error_exactly_through_dense_layers():
    (part,) = BUILDERS["fa"](START).parts
    assert set(part.rule.dynamics.feedback.weights) == {"Conv2", "Conv3"}


def test_two_parts_on_one_network_are_represented_once(learner):
    activity = learner.represent(images())
    assert list(activity) == ["Conv1", "Conv2", "Conv3", "FC1", "head"]
    assert activity["head"].shape == (8, 10)


def test_representation_is_pure_and_does_not_depend_on_the_batch(learner):
    """1e-5: convolutions of other batch sizes may sum in another order (float32)."""
    train(learner)
    before = learner.fingerprint()
    x = images(6, px=48)
    whole = learner.represent(x)
    alone = [learner.represent(x[i : i + 1]) for i in range(6)]
    assert learner.fingerprint() == before
    for name, activity in whole.items():
        single = torch.cat([a[name] for a in alone])
        torch.testing.assert_close(activity, single, rtol=1e-4, atol=1e-5)


def test_the_zero_point_moves_statistics_as_learning_at_rate_zero_does(learner):
    still = replace(
        learner,
        parts=tuple(
            replace(p, optimiser=replace(p.optimiser, lr=0.0, lr_end=0.0)) for p in learner.parts
        ),
    )
    kept = {name: t.clone() for name, t in learner.tensors().items()}
    train(still)
    moved = {name: t.clone() for name, t in still.tensors().items()}
    learner.load(kept)
    train(learner.without_learning())
    for name, tensor in learner.tensors().items():
        torch.testing.assert_close(tensor, moved[name], rtol=1e-6, atol=1e-7)
        if "running" not in name:
            assert torch.equal(tensor, kept[name]), name


def test_state_survives_a_round_through_a_file(learner, tmp_path):
    from neurosim.arrays.storage import read_tree, write_tree

    train(learner)
    write_tree(tmp_path / "x.h5", dict(learner.tensors()))
    fingerprint = learner.fingerprint()
    train(learner)
    learner.load(read_tree(tmp_path / "x.h5"))
    assert learner.fingerprint() == fingerprint


@pytest.mark.parametrize("rule", ["pc", "stdp"])
def test_a_leak_normalises_by_the_images_it_sees_and_leaves_its_mark(rule):
    """Conv1 then has mean 0 and variance 1 over the evaluated images before gamma, beta; so the
    same image is represented differently in other company, and the state has moved."""
    learner = BUILDERS[rule](START)
    leaking = LeakingLearner(learner.name, learner.parts)
    before = leaking.fingerprint()
    x = images(6)
    whole = leaking.represent(x)["Conv1"]
    assert leaking.fingerprint() != before
    in_other_company = leaking.represent(x[:3])["Conv1"]
    assert (whole[:3] - in_other_company).abs().max() > 1e-3
    assert leaking.normalised_layers() == []
    # What the leak computes is calibration on the evaluated images themselves.
    statistics = calibrate(learner.normalised_layers(), [x])
    torch.testing.assert_close(
        learner.represent(x, statistics)["Conv1"], whole, rtol=1e-4, atol=1e-4
    )


def test_relaxation_needs_three_convolutions():
    with pytest.raises(ValueError, match=r"three convolutions.*give the body of conv3"):
        RelaxingNetwork(START.network(), START.stream("generative"))


def test_own_start():
    """Kaiming-normal where the paper has it: sd sqrt(2 / fan_in) within 4 standard errors."""
    for rule, kaiming in (("fa", True), ("stdp", True), ("bp", False), ("pc", False)):
        net = OwnStart.of(START, rule).network()
        shared = START.network()
        for own, common in zip(net.layers[:3], shared.layers[:3], strict=True):
            assert own.bias is None
            assert torch.equal(own.weight, common.weight) != kaiming
            if kaiming:
                sd = (2 / own.synapse.fan_in) ** 0.5
                error = sd / (2 * own.weight.numel()) ** 0.5
                assert abs(float(own.weight.detach().std()) - sd) < 4 * error
        assert torch.equal(net.layers[3].weight, shared.layers[3].weight)


def test_displacement_is_bounded_by_the_clamps():
    """At most .01 x 1e-4 a step and tap (PC): n steps move a layer by at most
    n x 1e-6 sqrt(n_weights) / |W|; 2,480 steps give 2.2, 7.3 % of Conv1, Conv2."""
    learner = BUILDERS["pc"](START)
    before = {k: t.clone() for k, t in learner.tensors().items()}
    train(learner, 3)
    for name in ("Conv1.weight", "Conv2.weight"):
        weight = before[name]
        bound = 3e-6 * weight.numel() ** 0.5 / float(weight.norm())
        assert 0 < movement(weight, learner.tensors()[name]).displacement <= bound * 1.01


def test_reference_rules_do_not_know_the_published_ones():
    code = (
        "from neurosim.models.catalogue import RULES; from neurosim.models.rules.learner import "
        "SharedStart; RULES['pc'](SharedStart(1)); import sys; "
        "print([m for m in sys.modules if 'published' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert "published" not in " ".join(RULES)
