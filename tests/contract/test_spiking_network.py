"""Laws of the convolutional spiking network and of competition."""

from __future__ import annotations

import pytest
import torch

from neurosim.models.network.builders import convolutional_network
from neurosim.models.network.normalisation import Batch
from neurosim.models.spiking.dynamics import Homeostasis, SpikingDynamics
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.models.spiking.stdp import opponent_weight, spiking_network, stdp_part
from neurosim.rule import run_batch
from neurosim.spiking.cells.registry import CELLS, SnntorchLIF
from neurosim.spiking.encoders.lgn import CIFAR_SD, LGN, OPPONENT, blur
from neurosim.spiking.encoders.registry import ENCODERS
from neurosim.spiking.population.competition import (
    AbstractCompetition,
    NoCompetition,
    WinnerTakeAll,
)
from neurosim.training import without_learning
from neurosim.types import Drive

CELL = SnntorchLIF(tau_mem_ms=20.0, dt_ms=5.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 6, px: int = 32, seed: int = 1) -> torch.Tensor:
    return pink_noise(n, px, generator(seed))


def part(**options):
    shared = convolutional_network(generator=generator(), channels=(3, 8, 12, 16))
    dynamics = SpikingDynamics(**{"duration_ms": 30.0, **options})
    return shared, stdp_part(shared, generator(), dynamics=dynamics, calibration=images(8, seed=9))


@pytest.fixture(scope="module")
def net():
    return part()[1].net


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("each", [False, True], ids=["by map", "by neuron"])
def test_winner_take_all_kernel_equals_torch_operators(pool, dtype, each):
    """Same spikes, pooled spikes, counts and voltages; odd sizes drop the border in pooling.

    A threshold a map or a neuron, infinite for some (refractory) neurons.
    """
    v = torch.randn((3, 9, 7, 5), generator=generator(), dtype=dtype)
    threshold = torch.linspace(0.3, 2.0, 9, dtype=dtype)
    if each:
        threshold = 0.3 + 2 * torch.rand(v.shape, generator=generator(1), dtype=dtype)
        threshold[torch.rand(v.shape, generator=generator(2)) < 0.2] = torch.inf
    competition = WinnerTakeAll()
    fast = competition.fire(CELL, v.clone(), threshold, pool)
    plain = competition._fire_anywhere(v.clone(), threshold, pool)
    for name in ("spikes", "pooled", "voltage", "n_spikes"):
        assert torch.equal(getattr(fast, name), getattr(plain, name)), name
    assert 0 < int(fast.n_spikes.sum()) < v.numel() // 9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cell", [CELL, CELLS["norse-lif"](dt_ms=5.0), CELLS["adaptive-lif"]()])
def test_a_compiled_tick_is_the_cells_own_tick(cell, dtype):
    """Integration, competition and resets in one pass: to the bit what they are one by one, tick
    after tick, and the state of the tick before stays as it was."""
    shape = (2, 6, 5, 4)
    threshold = torch.linspace(0.5, 2.0, 6, dtype=dtype)
    state = ours = cell.rest(torch.zeros(shape, dtype=dtype))
    g, n_spikes = generator(), 0
    for _ in range(4):
        current = torch.randn(shape, generator=g, dtype=dtype)
        earlier = [tensor.clone() for tensor in ours]
        args = (state[0], tuple(state[1:]), threshold, 2)
        plain, memory = AbstractCompetition.step(WinnerTakeAll(), cell, current.clone(), *args)
        args = (ours[0], tuple(ours[1:]), threshold, 2)
        fast, own_memory = WinnerTakeAll().step(cell, current.clone(), *args)
        for name in ("spikes", "pooled", "voltage", "n_spikes"):
            assert torch.equal(getattr(fast, name), getattr(plain, name)), name
        assert all(torch.equal(a, b) for a, b in zip(earlier, ours, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(memory, own_memory, strict=True))
        state, ours = (plain.voltage, *memory), (fast.voltage, *own_memory)
        n_spikes += int(fast.n_spikes.sum())
    assert n_spikes > 0


def test_one_winner_a_place_silences_and_resets_the_others():
    """At most one spike a place, by the largest v / theta; all maps of that place return to 0."""
    v = torch.randn((2, 6, 4, 4), generator=generator())
    threshold = torch.tensor([0.2, 0.5, 1.0, 1.0, 2.0, 0.1])
    fired = WinnerTakeAll().fire(CELL, v.clone(), threshold, 1)
    ratio = v / threshold.view(-1, 1, 1)
    strongest, winner = ratio.max(1)
    assert torch.equal(fired.spikes.sum(1), (strongest > 1).byte())
    assert torch.equal(fired.spikes.argmax(1)[strongest > 1], winner[strongest > 1])
    kept = (strongest <= 1).unsqueeze(1)
    assert torch.equal(fired.voltage, v * kept)


def test_without_competition_the_cell_decides():
    """NoCompetition is the cell's own step."""
    current = torch.randn((2, 6, 4, 4), generator=generator())
    threshold = torch.full((6,), 0.5)
    voltage = CELL.integrate(current, torch.zeros_like(current))
    fired = NoCompetition().fire(CELL, voltage, threshold, 1)
    spikes, after = CELL.step(current, torch.zeros_like(current), 0.5)
    assert torch.equal(fired.pooled, spikes)
    assert torch.equal(fired.voltage, after)
    assert torch.equal(fired.n_spikes, spikes.sum((0, 2, 3)).long())


def test_lgn_is_on_minus_off_of_a_difference_of_gaussians():
    """On and off never together; on - off is the normalised difference; a flat image is silent.

    1e-5: float32 blurs against the same blurs.
    """
    x, lgn = images(2), LGN(saturation_sd=100.0)
    on, off = lgn(x).split(3, 1)
    assert torch.equal(torch.minimum(on, off), torch.zeros_like(on))
    luminance = torch.einsum("j,bjhw->bhw", torch.tensor(CIFAR_SD), x).unsqueeze(1)
    difference = blur(luminance, 0.6) - blur(luminance, 1.6)
    difference = difference / difference.std((2, 3), keepdim=True, correction=0) / 100
    assert ((on - off)[:, :1] - difference).abs().max() < 1e-5
    assert lgn(torch.zeros(1, 3, 32, 32)).abs().max() == 0
    with pytest.raises(ValueError, match="larger images"):
        lgn(torch.zeros(1, 3, 8, 8))


def test_opponent_filters_answer_as_the_rgb_filters_do():
    """cat(V, -V) on (on, off) of the opponent planes is proportional to W on RGB, norm kept.

    1e-5: float32 with an inverted 3 x 3 matrix.
    """
    rgb = torch.randn((4, 3, 3, 3), generator=generator())
    x = torch.randn((2, 3, 8, 8), generator=generator(1))
    planes = torch.einsum("ij,bjhw->bihw", torch.tensor(OPPONENT), x)
    # Of the picture, whatever its channels are divided by: grey is neither red nor blue.
    grey = torch.tensor(OPPONENT) / torch.tensor(CIFAR_SD) @ torch.ones(3)
    torch.testing.assert_close(grey, torch.tensor([1.0, 0.0, 0.0]))
    weight = opponent_weight(rgb)
    ours = torch.conv2d(torch.cat([planes.relu(), (-planes).relu()], 1), weight)
    theirs = torch.conv2d(x, rgb)
    scale = (ours * theirs).sum((0, 2, 3)) / theirs.square().sum((0, 2, 3))
    assert (ours - scale.view(-1, 1, 1) * theirs).abs().max() < 1e-5 * theirs.abs().max()
    assert torch.allclose(weight.flatten(1).norm(dim=1), rgb.flatten(1).norm(dim=1), rtol=1e-6)


def test_the_start_is_shared():
    """Conv2 and Conv3 are the shared weights to the bit; Conv1 is a function of them alone."""
    shared, stdp = part()
    for ours, theirs in zip(stdp.net.layers[1:], shared.layers[1:3], strict=True):
        assert torch.equal(ours.weight, theirs.weight)
        assert ours.weight.data_ptr() != theirs.weight.data_ptr()
    assert torch.equal(stdp.net.layers[0].weight, opponent_weight(shared.layers[0].weight))


@pytest.mark.parametrize("name", list(ENCODERS))
def test_activity_of_an_image_is_its_own(name):
    """represent() of an image does not depend on the batch, and leaves every tensor as it was."""
    # Ten ticks: what Delta needs to fade an image in.
    net = part(encoder=ENCODERS[name](), duration_ms=50.0)[1].net
    before = {key: value.clone() for key, value in net.named_weights().items()}
    x = images(5)
    together = net.represent(x)
    alone = net.represent(x[2:3])
    for layer, counts in together.items():
        assert torch.equal(counts[2:3], alone[layer])
        assert counts.sum() > 0
    for key, value in net.named_weights().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("px", [24, 50])
def test_images_of_any_size(net, px):
    """Each pooling halves the size, dropping an odd border."""
    shapes = [tuple(t.shape[2:]) for t in net.represent(images(2, px)).values()]
    assert shapes == [(px // 2,) * 2, (px // 4,) * 2, (px // 8,) * 2]


def test_large_batches_go_in_chunks(net, monkeypatch):
    """A bound on memory does not change the numbers."""
    x = images(5)
    whole, rates = net.represent(x), net.rates(x)
    monkeypatch.setattr("neurosim.models.spiking.dynamics._PIXELS", 2 * 32 * 32)
    for layer, counts in net.represent(x).items():
        assert torch.equal(counts, whole[layer])
        # Rates are float32 averages over chunks: one rounding a chunk.
        assert torch.allclose(net.rates(x)[layer], rates[layer], rtol=1e-5)


def test_batch_statistics_are_refused(net):
    """As by every network: activity may not depend on the batch."""
    with pytest.raises(ValueError, match="Batch statistics"):
        net.represent(images(1), Batch())


def test_homeostasis_moves_thresholds_as_stated():
    """theta exp(gain clip(rate / target - 1, -1, 2)), map by map; 1e-6: float32."""
    layer = part()[1].net.layers[0]
    layer.threshold.fill_(1.0)
    rates = torch.tensor([0.0, 0.5, 1.0, 2.0, 3.0, 9.0, 1.0, 1.0]) * layer.target_rate
    Homeostasis(gain=0.1).adapt(layer, rates)
    expected = torch.exp(0.1 * torch.tensor([-1.0, -0.5, 0.0, 1.0, 2.0, 2.0, 0.0, 0.0]))
    assert torch.allclose(layer.threshold, expected, rtol=1e-6)


def test_thresholds_adapt_in_learning_passes_only():
    """They move at learning rate 0 too, as statistics do, and never at evaluation."""
    stdp = without_learning(part()[1])
    thresholds = [layer.threshold.clone() for layer in stdp.net.layers]

    def moved():
        return [
            not torch.equal(a.threshold, b)
            for a, b in zip(stdp.net.layers, thresholds, strict=True)
        ]

    run_batch(stdp.rule, stdp.net, Drive(images(), learning=False))
    assert not any(moved())
    run_batch(stdp.rule, stdp.net, Drive(images(), learning=True))
    assert all(moved())


@pytest.mark.parametrize("name", list(CELLS))
def test_no_layer_is_silent_or_saturated_after_calibration(name):
    """On images like those it was calibrated on, each layer fires within a factor 2 of target."""
    net = part(cell=CELLS[name](dt_ms=5.0))[1].net
    for layer, rate in zip(net.layers, net.rates(images(16)).values(), strict=True):
        assert layer.target_rate / 2 < float(rate.mean()) < 2 * layer.target_rate


def test_no_layer_counts_more_than_ticks(net):
    """A pooled place counts at most one spike a tick."""
    for counts in net.represent(images(2)).values():
        assert 0 <= float(counts.min()) <= float(counts.max()) <= net.dynamics.n_ticks()


def test_misfits_are_refused_when_built():
    """A duration of no whole number of ticks, and a target rate for a layer that is not there."""
    with pytest.raises(ValueError, match="whole number of ticks"):
        SpikingDynamics(duration_ms=12.0)
    with pytest.raises(ValueError, match="target rates"):
        spiking_network(
            convolutional_network(generator=generator(), channels=(3, 4, 4)),
            SpikingDynamics(),
            generator(),
            rates=(0.02, 0.012, 0.007),
        )


@pytest.mark.parametrize("bad", [float("nan"), -1.0, 0.0])
def test_a_threshold_that_is_not_positive_is_refused(bad):
    """By layer, at evaluation and in learning, before the first tick; NaN images likewise."""
    _, stdp = part()
    layer = stdp.net.layers[1]
    layer.threshold[2] = bad
    with pytest.raises(ValueError, match=f"layer {layer.name}: the threshold must be positive"):
        stdp.net.represent(images(2))
    drive = Drive(images(2), generator=generator(), learning=True)
    with pytest.raises(ValueError, match=f"layer {layer.name}: the threshold must be positive"):
        stdp.net.dynamics.operating_point(stdp.net, drive)


def test_images_that_are_no_numbers_are_refused(net):
    x = images(2)
    x[0, 0, 3, 3] = float("nan")
    with pytest.raises(ValueError, match="images hold NaN or infinity"):
        net.represent(x)
