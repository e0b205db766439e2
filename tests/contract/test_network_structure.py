"""What a network is: wiring, parts, roles, statistics at evaluation, and what it refuses."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from small_networks import (
    BUILT,
    GRAPHS,
    N_CLASSES,
    PX,
    SMALL,
    built,
    by_hand,
    drive,
    seeded,
    tangled,
)

from neurosim.models.catalogue import RULES, untrained
from neurosim.models.network.builders import NETWORKS, NetworkContext, convolutional_network
from neurosim.models.network.graph import Network, Roles
from neurosim.models.network.layers import Layer, identity
from neurosim.models.network.normalisation import BatchNorm, Fixed, Running
from neurosim.models.network.policies import accumulate, calibrate
from neurosim.models.rules.learner import SharedStart
from neurosim.models.rules.pc_hybrid import HybridPredictiveCoding
from neurosim.models.spiking.dynamics import SpikingDynamics
from neurosim.models.spiking.stdp import stdp_part, target_rates
from neurosim.rule import run_batch
from neurosim.spiking.cells.membrane import Millivolts
from neurosim.synapses import Conv2d, Dense
from neurosim.training import Trainer
from neurosim.types import Drive

every_graph = pytest.mark.parametrize("graph", GRAPHS)
every_builder = pytest.mark.parametrize("name", NETWORKS)


def test_every_builder_has_a_small_network_here():
    assert set(SMALL) == set(NETWORKS)


@every_graph
def test_roles_name_layers(graph):
    net = GRAPHS[graph](torch.float64)
    names = [layer.name for layer in net.layers]
    net.roles.check(names)
    assert net.roles.scored == tuple(name for name in names if name in net.roles.scored)
    assert names[-1] not in net.roles.scored


@every_builder
def test_body_and_readout_are_the_network_in_two(name):
    """They share its weights and roles, and one after the other gives its output."""
    net = built(name)
    body, readout = net.body(), net.readout()
    assert [*body.layers, *readout.layers] == net.layers
    assert body.roles == readout.roles == net.roles
    x = drive().x
    assert torch.equal(readout(body(x)), net(x))


@every_builder
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("norm", ["batch", "group", "layer", "none"])
def test_builders_take_their_context(name, n_channels, norm):
    """One value per class for images of any colour; without a norm there is no gamma."""
    net = built(name, torch.float32, n_channels=n_channels, norm=norm, n_classes=3)
    assert net(torch.zeros(2, n_channels, PX, PX)).shape == (2, 3)
    assert (norm == "none") == all(layer.norm is None for layer in net.layers)


@every_builder
def test_the_head_is_linear(name):
    """Twice the features give twice the evidence, negative as well: no rectifier stands behind."""
    head = built(name, torch.float32).layers[-1]
    current = torch.linspace(-1.0, 1.0, 5)
    assert torch.equal(head.activation(current), current)


@every_builder
def test_initial_weights_are_those_of_the_generator(name):
    one, same = built(name), built(name)
    assert all(torch.equal(t, same.named_weights()[k]) for k, t in one.named_weights().items())


@pytest.mark.parametrize(("depth", "n_convolutions"), [(8, 7), (14, 13), (20, 19)])
def test_resnet_has_the_depth_it_is_asked_for(depth, n_convolutions):
    """6 n + 2 weighted layers on the longest way; a projection where the shape changes, twice."""
    net = built("resnet", depth=depth)
    assert max(net.levels()) + 1 == depth
    convolutions = [layer for layer in net.layers if isinstance(layer.synapse, Conv2d)]
    assert len(convolutions) == n_convolutions + 2
    assert not net.is_chain
    assert sum(bool(layer.added) for layer in net.layers) == (depth - 2) // 2


@pytest.mark.parametrize("depth", [1, 7, 9, 10, 12, 13, 15, 19])
def test_the_depth_that_a_refusal_names_is_the_nearest_one(depth):
    with pytest.raises(ValueError, match="give for example") as refusal:
        built("resnet", depth=depth)
    named = int(str(refusal.value).rsplit(" ", 1)[1])
    assert named == min(range(8, 40, 6), key=lambda known: abs(known - depth))
    built("resnet", depth=named)


def test_resnet_is_the_one_of_he_et_al():
    """Written by hand: what is added to a block is linear, and its sum is rectified once."""
    net = built("resnet", torch.float64, depth=14, width=4, norm="none")
    w = {name: torch.randn(t.shape, generator=seeded(), dtype=t.dtype) / 5
         for name, t in net.named_weights().items()}  # fmt: skip
    for name, tensor in net.named_weights().items():
        tensor.data.copy_(w[name])
    x = torch.randn(3, 3, PX, PX, generator=seeded(1), dtype=torch.float64)

    def conv(name, x, stride):
        weight = w[f"{name}.weight"]
        return F.conv2d(x, weight, w[f"{name}.bias"], stride, padding=weight.shape[-1] // 2)

    y = F.relu(conv("Stem", x, 1))
    for block in range(1, 7):
        stride = 2 if block in (3, 5) else 1
        a = F.relu(conv(f"Block{block}a", y, stride))
        y = F.relu(
            conv(f"Block{block}", a, 1) + (conv(f"Block{block}s", y, stride) if stride > 1 else y)
        )
    logits = F.linear(y.mean((2, 3)), w["head.weight"], w["head.bias"])
    torch.testing.assert_close(net(x), logits, rtol=1e-12, atol=1e-12)


def test_vgg_of_three_convolutions_is_conv3():
    one = NETWORKS["vgg"](NetworkContext(seeded()), depth=3)
    other = convolutional_network(generator=seeded())
    x = torch.randn(2, 3, 32, 32, generator=seeded(1))
    assert torch.equal(one(x), other(x))
    assert one.roles == other.roles


@pytest.mark.parametrize(("depth", "ends"), [(4, "124"), (6, "246"), (8, "258")])
def test_vgg_scores_the_ends_of_its_stages(depth, ends):
    net = built("vgg", depth=depth)
    assert net.roles.scored == (*(f"Conv{i}" for i in ends), "FC1")
    assert [layer.name for layer in net.layers if layer.pool == 2] == [f"Conv{i}" for i in ends]


def test_levels_are_longest_paths():
    net = tangled()
    assert dict(zip([la.name for la in net.layers], net.levels(), strict=True)) == {
        "a": 4, "b": 3, "c": 2, "d": 1, "shortcut": 1, "head": 0,
    }  # fmt: skip


@every_graph
def test_calibrated_statistics_are_those_of_the_images_themselves(graph):
    """Layer by layer over batches of 4 and 2 as over all 6 at once, where normalising by the
    batch is the same: 1e-10, rounding of pooled sums."""
    net = GRAPHS[graph](torch.float64)
    for layer in net.layers:
        layer.dropout = 0.0
    x = drive().x
    found = net.represent(x, calibrate(net.layers, x.split(4)))[net.layers[-1].name]
    expected = by_hand(copy.deepcopy(net), drive())
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("graph", BUILT)
def test_accumulated_statistics_are_those_of_learning_passes(graph):
    """Two passes with dropout off move the running statistics as ``accumulate`` says, to 1e-12."""
    net = GRAPHS[graph](torch.float64)
    for layer in net.layers:
        layer.dropout = 0.0
    x = drive().x
    found = accumulate(net.layers, [x, x])
    for _ in range(2):
        run_batch(untrained(), net, drive())
    for layer in net.layers:
        kept = found[layer.name]
        if isinstance(layer.norm, BatchNorm):
            assert isinstance(kept, Fixed)
            torch.testing.assert_close(kept.mean, layer.norm.running_mean, rtol=0, atol=1e-12)
            torch.testing.assert_close(kept.var, layer.norm.running_var, rtol=0, atol=1e-12)
        else:
            assert isinstance(kept, Running)


@every_builder
def test_larger_images_are_represented(name):
    for activity in built(name).represent(drive().x.repeat(1, 1, 2, 2)).values():
        assert len(activity) == 6


def unit(name: str, n_in: int, n_out: int, **options) -> Layer:
    return Layer(name, Dense(n_in, n_out), generator=seeded(), **options)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "unknown": (
        lambda: Network([unit("first", 3, 3), unit("second", 3, 3, source="frist")]),
        r"layer second hears 'frist' \(did you mean 'first'\?\), but before it stand only image, "
        "first",
    ),
    "order": (
        lambda: Network([unit("first", 3, 3, added=("second",)), unit("second", 3, 3)]),
        "put layers in the order in which activity passes",
    ),
    "unheard": (
        lambda: Network([unit("a", 3, 3), unit("b", 3, 3, source="image"), unit("c", 3, 3)]),
        "nothing reads or adds the output of a: a network has one output",
    ),
    "names": (lambda: Network([unit("a", 3, 3), unit("a", 3, 3)]), "different names"),
    "input": (lambda: Network([unit("image", 3, 3)]), "'image' names the input"),
    "shape": (
        lambda: Network([unit("a", 3, 1), unit("b", 1, 3, added=("a",))])(torch.zeros(2, 3)),
        r"layer b adds a of shape \(1,\) to a current of shape \(3,\): add a layer that projects",
    ),
    "two shapes": (
        lambda: Network([unit("a", 3, 1), unit("b", 1, 3), unit("c", 3, 3, added=("b", "a"))])(
            torch.zeros(2, 3)
        ),
        r"outputs of shapes \(3,\) and \(1,\): they must have one shape",
    ),
    "cut": (
        lambda: built("resnet").part(2, None),
        "cut a network only where one layer alone is heard further on",
    ),
    "no body": (lambda: Network([unit("a", 3, 3)]).body(), "is all readout"),
    "roles": (lambda: Roles(("a",), ("a",), "b").check(["a", "b"]), "headline b must be one of"),
    "body": (
        lambda: Roles(("a",), ("b",), "a").check(["a", "b"]),
        "the body must be the first layers",
    ),
    "depth": (lambda: built("resnet", depth=9), "depth 6 n .* got 9: give for example 8"),
    "stages": (lambda: built("vgg", depth=2), "depth=2 for 3 stages"),
    "no layer": (lambda: built("mlp", depth=0), "depth must be"),
    "hybrid": (
        lambda: HybridPredictiveCoding.like(built("resnet").body(), seeded()),
        "no place for a shortcut: give it a chain such as conv3, or take pc-supervised",
    ),
    "hybrid without pooling": (
        lambda: HybridPredictiveCoding.like(built("mlp").body(), seeded()),
        "layer FC1 is not a convolution with pooling by 2",
    ),
    "spikes": (
        lambda: stdp_part(built("resnet"), seeded()),
        "STDP runs on a chain of convolutions and dense layers, such as conv3, vgg or mlp",
    ),
    "spikes of grey images": (
        lambda: stdp_part(built("conv3", n_channels=1), seeded()),
        "the LGN before it takes square RGB images: build the network with n_channels=3",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_sentence(case):
    build, words = REFUSED[case]
    with pytest.raises(ValueError, match=words) as refused:
        build()
    assert "\n" not in str(refused.value)


def test_an_identity_layer_alone_passes_the_error_on_as_it_is():
    """A projected shortcut is a layer with ``f = identity``: nothing of autograd is needed."""
    net = Network([unit("a", 3, 3, activation=identity)])
    swept = net.linearise(Drive(torch.zeros(2, 3)))[0]
    error = torch.ones(2, 3)
    assert swept.pull(error).delta is error


#: The LGN's widest Gaussian reaches 12 px.
LGN_PX = 16
#: Rules that need a chain of their own kind, and the builders that have none of it.
NEEDS = {"pc": ("mlp", "vgg", "resnet"), "stdp": ("resnet",), "frozen-stdp": ("resnet",)}


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_learns_on_every_network_or_says_why_not(rule, architecture, monkeypatch):
    """Two steps on small images: what learns is what the rule names, scored layers are there."""
    monkeypatch.setattr(
        SharedStart,
        "network",
        lambda start: built(start.architecture, torch.float32, image_px=start.image_px),
    )
    start = SharedStart(5, image_px=LGN_PX, n_classes=N_CLASSES, architecture=architecture)
    if architecture in NEEDS.get(rule, ()):
        with pytest.raises(ValueError, match=r"conv3"):
            RULES[rule](start)
        return
    learner = RULES[rule](start)
    before = {name: t.clone() for name, t in learner.tensors().items()}
    trainer = Trainer(learner.parts, 2)
    for step in range(2):
        given = drive(torch.float32, px=LGN_PX)
        trainer.step(given.x, given.target, seeded(step))
    changed = {k for k, t in learner.tensors().items() if not torch.equal(t, before[k])}
    activity = learner.represent(drive(torch.float32, px=LGN_PX).x)
    for name in learner.roles.scored:
        assert name in activity
        assert (f"{name}.weight" in changed) == (learner.rule_of(name) != "none")
    assert learner.roles.headline in learner.roles.scored


@pytest.mark.parametrize("architecture", ["conv3", "mlp", "vgg"])
@pytest.mark.parametrize("membrane", [None, Millivolts()])
def test_stdp_of_any_depth(architecture, membrane):
    """One presentation: sides fit the synapses, dense layers are ``(batch, units)``, and every
    layer starts near its target: a rate that is 0 or beyond three times it would be a failed
    start."""
    dynamics = SpikingDynamics(membrane=membrane)
    shared = built(architecture, torch.float32, image_px=LGN_PX)
    part = stdp_part(shared, seeded(), dynamics=dynamics, calibration_px=LGN_PX)
    layers = part.net.layers
    assert [layer.name for layer in layers] == list(shared.roles.body)
    given = drive(torch.float32, px=LGN_PX)
    counts = part.net.represent(given.x)
    for layer in layers:
        dense = isinstance(layer.synapse, Dense)
        assert counts[layer.name].dim() == (2 if dense else 4)
    point = dynamics.operating_point(part.net, given)
    state = dynamics.tick(point, dynamics.initial_state(point), 0)
    for layer, signal in zip(layers, dynamics.local_signals(point, state), strict=True):
        layer.synapse.check_sides(signal.pre.shape[1:], signal.post.shape[1:])
        if membrane is not None:
            assert signal["voltage"].shape == signal.post.shape


def test_target_rates_are_the_published_ones_and_can_be_reached():
    """Those of conv3 to the bit; for other depths between them, falling, and below the one spike
    a place and tick that winner-take-all leaves to all maps."""
    assert target_rates([32, 64, 128]) == (0.02, 0.012, 0.007)
    for n_maps in ([32], [32, 64], [32, 32, 64, 64, 128, 128], [512, 512], [1000] * 9):
        rates = target_rates(n_maps)
        assert all(0 < rate * n < 1 for rate, n in zip(rates, n_maps, strict=True))
        assert list(rates) == sorted(rates, reverse=True)
