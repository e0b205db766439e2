"""Laws of STDP as a learning rule on the convolutional network."""

from __future__ import annotations

import pytest
import torch

from neurosim.models.network.builders import convolutional_network
from neurosim.models.rules.error_circuit import ErrorCircuit
from neurosim.models.rules.feedback import Transpose
from neurosim.models.spiking.dynamics import SpikingDynamics
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.models.spiking.stdp import RULE_TIMINGS, FilterNorm, stdp_part
from neurosim.plasticity import ErrorTimesPre
from neurosim.rule import LearningRule, run_batch
from neurosim.solvers import Direct, Ticks
from neurosim.spiking import Clopath, Millivolts, Triplet
from neurosim.spiking.cells.registry import CELLS, SnntorchLIF
from neurosim.spiking.encoders.registry import ENCODERS, Current
from neurosim.spiking.timing.rules import AllPairs
from neurosim.spiking.timing.traces import SumOverBatch, TraceSTDP
from neurosim.synapses import Conv2d
from neurosim.training import Optimiser, Part, Trainer, without_learning
from neurosim.types import Drive, LocalSignal


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 8, seed: int = 1) -> torch.Tensor:
    return pink_noise(n, 16, generator(seed))


def part(cell=None, encoder=None, **options):
    shared = convolutional_network(
        generator=generator(), channels=(3, 8, 12, 16), image_px=16, n_hidden=20
    )
    cell = SnntorchLIF(tau_mem_ms=20.0, dt_ms=5.0) if cell is None else cell
    encoder = Current() if encoder is None else encoder
    dynamics = SpikingDynamics(cell=cell, encoder=encoder, duration_ms=50.0)
    return shared, stdp_part(
        shared, generator(), dynamics=dynamics, calibration=images(8, seed=9), **options
    )


def chain(stdp: Part, shared) -> tuple[Part, Part]:
    """STDP below, backpropagation in FC1 and head above."""
    rule = LearningRule("bp", ErrorCircuit(Transpose()), Direct(), ErrorTimesPre())
    return stdp, Part(rule, shared.readout())


def weights(net) -> list[torch.Tensor]:
    return [layer.weight.clone() for layer in net.layers]


@pytest.mark.parametrize("name", list(CELLS))
def test_every_layer_and_every_tap_learns(name):
    """After one batch the nine taps of each (out, in) pair moved by different amounts."""
    _, stdp = part(CELLS[name](dt_ms=5.0))
    changes = run_batch(stdp.rule, stdp.net, Drive(images())).changes
    assert set(changes) == {"Conv1.weight", "Conv2.weight", "Conv3.weight"}
    for change in changes.values():
        taps = change.flatten(2)
        moved = taps[taps.abs().amax(2) > 0]
        assert len(moved) > 0.2 * taps[..., 0].numel()
        assert (moved.amax(1) - moved.amin(1)).gt(0).float().mean() > 0.95


@pytest.mark.parametrize("name", list(ENCODERS))
def test_every_encoder_drives_learning(name):
    """One batch changes every layer, and the first has a weight for each unit of an input."""
    encoder = ENCODERS[name]()
    _, stdp = part(encoder=encoder)
    assert stdp.net.layers[0].weight.shape[1] == 6 * len(encoder.preferred)
    changes = run_batch(stdp.rule, stdp.net, Drive(images(), generator=generator())).changes
    assert all(change.abs().max() > 0 for change in changes.values())


def conv_change(pre_tick: int, post_tick: int, coincidence: str = "none") -> torch.Tensor:
    """The change of a 3 x 3 kernel by one spike on each side, at the same place."""

    class Layer:
        name, synapse = "one", Conv2d(1, 1, 3, padding=1)

        def plastic_parameters(self):
            return {}

    timing = AllPairs(0.01, 0.01, 20.0, 20.0, coincidence)
    stdp = TraceSTDP(timing, SumOverBatch())
    memory = stdp.begin(Layer())
    for tick in range(4):
        pre, post = torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
        pre[..., 2, 2], post[..., 2, 2] = tick == pre_tick, tick == post_tick
        memory = stdp.observe(Layer(), memory, LocalSignal(pre, post, {"dt": 5.0}))
    return stdp.delta(Layer(), memory)["weight"]


@pytest.mark.parametrize(
    ("ticks", "coincidence", "lag_ms"),
    [((0, 2), "none", 10.0), ((2, 0), "none", -10.0), ((1, 1), "potentiate", 0.0)],
)
def test_causal_potentiates_in_the_convolution(ticks, coincidence, lag_ms):
    """Pre before post strengthens, post before pre weakens, at the one tap that joins the two.

    1e-8: float32 of numbers near .006.
    """
    change = conv_change(*ticks, coincidence)
    centre = change[0, 0, 1, 1].item()
    expected = float(AllPairs(0.01, 0.01, 20.0, 20.0, coincidence).window(lag_ms))
    assert centre == pytest.approx(expected, abs=1e-8)
    assert change.abs().sum().item() == pytest.approx(abs(centre), abs=1e-12)


def test_learning_rate_zero_leaves_the_weights_to_the_bit():
    """With the constraint applied after each step, and without plasticity."""
    for adjust in (lambda p: p, without_learning):
        shared, stdp = part(optimiser=Optimiser(kind="sgd", lr=0.0))
        stdp = adjust(stdp)
        before = weights(stdp.net)
        trainer = Trainer(chain(stdp, shared), 2)
        for step in range(2):
            trainer.step(images(seed=step), torch.arange(8), generator())
        assert all(map(torch.equal, weights(stdp.net), before))


@pytest.mark.parametrize("name", list(RULE_TIMINGS))
def test_every_timing_of_the_comparison_learns(name):
    """One batch of each: a change in every layer, finite, and of its own."""
    _, stdp = part(timing=RULE_TIMINGS[name])
    changes = run_batch(stdp.rule, stdp.net, Drive(images())).changes
    _, default = part()
    others = run_batch(default.rule, default.net, Drive(images())).changes
    for layer, change in changes.items():
        assert bool(change.isfinite().all())
        assert change.abs().max() > 0
        assert torch.equal(change, others[layer]) == (name == "all-pairs")


def test_no_gradient_of_the_readout_reaches_a_spiking_layer():
    """With other labels the readout learns other weights, the spiking layers the same ones."""
    outcomes = []
    for labels in (torch.arange(8), torch.zeros(8, dtype=torch.int64)):
        shared, stdp = part()
        trainer = Trainer(chain(stdp, shared), 2)
        for step in range(2):
            trainer.step(images(seed=step), labels, generator())
        tensors = {k: v.clone() for k, v in stdp.net.named_weights().items()}
        outcomes.append((tensors, shared.layers[-1].weight.clone()))
    (ours, head), (theirs, other_head) = outcomes
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not torch.equal(head, other_head)
    assert not any(p.requires_grad for p in stdp.net.parameters())


def test_learning_stays_alive_and_bounded():
    """Six batches: every layer moved, none silent or saturated, filters keep mean and norm.

    Mean and norm to 1e-5: float32 sums of up to 100 weights. Clipped filters are left out: a
    bound lowers their norm.
    """
    shared, stdp = part()
    before = weights(stdp.net)
    trainer = Trainer(chain(stdp, shared), 6)
    for step in range(6):
        trainer.step(images(16, seed=step), torch.arange(16) % 10, generator())
    for layer, old in zip(stdp.net.layers, before, strict=True):
        new = layer.weight
        assert (new - old).norm() > 0.05 * old.norm()
        bound = 2.5 / layer.synapse.fan_in**0.5
        inside = new.abs().amax((1, 2, 3)) < bound
        assert inside.float().mean() > 0.2
        assert torch.allclose(*(w.mean((1, 2, 3))[inside] for w in (new, old)), atol=1e-5)
        assert torch.allclose(*(w.flatten(1).norm(dim=1)[inside] for w in (new, old)), rtol=1e-5)
        assert new.abs().max() <= bound
    for layer, rate in zip(stdp.net.layers, stdp.net.rates(images(16)).values(), strict=True):
        assert 0.2 * layer.target_rate < float(rate.mean()) < 5 * layer.target_rate


def test_filter_norm_restores_a_filter():
    """A filter that was shifted and scaled returns to where it was; 1e-6: float32."""
    _, stdp = part()
    layer, constraint = stdp.net.layers[1], FilterNorm(stdp.net)
    before = layer.weight.clone()
    layer.weight.mul_(3).add_(0.1)
    constraint.apply(stdp.net)
    assert torch.allclose(layer.weight, before, atol=1e-6)


def test_trace_stdp_names_what_it_can_run():
    """Built with a wrong timing or a wrong solver, it says what would fit."""
    with pytest.raises(TypeError, match="AllPairs"):
        TraceSTDP("all-pairs")  # type: ignore[arg-type]
    _, stdp = part()
    with pytest.raises(TypeError, match="use Ticks"):
        LearningRule("stdp", stdp.rule.dynamics, Direct(), stdp.rule.plasticity)
    assert isinstance(stdp.rule.solver, Ticks)


def test_rules_of_all_timings_depress_alike():
    """By 1.05 for each presynaptic spike at full trace, the pair rules' amplitude, or where the
    membrane stands at its threshold; what the papers fitted keeps its proportions."""
    for name in ("all-pairs", "nearest-pair", "nearest-pair-centred", "nearest-pair-reduced"):
        rule = RULE_TIMINGS[name].rule
        assert (rule.a_plus, rule.a_minus) == (1.0, 1.05), name
    for name, interaction in (("triplet", "all"), ("triplet-nearest", "nearest")):
        fit, rule = Triplet.visual_cortex(interaction), RULE_TIMINGS[name].rule
        assert rule.a_minus == 1.05, name
        assert rule.a3_plus / rule.a_minus == pytest.approx(fit.a3_plus / fit.a2_minus), name
    voltage, fit = RULE_TIMINGS["clopath"], Clopath()
    assert isinstance(voltage, Clopath)
    at_threshold = Millivolts().threshold - voltage.theta_minus
    assert voltage.a_ltd * at_threshold == pytest.approx(1.05)
    assert voltage.a_ltp / voltage.a_ltd == pytest.approx(fit.a_ltp / fit.a_ltd)
