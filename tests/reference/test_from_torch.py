"""``from_torch``: the reference is what the module itself computes, and its autograd."""

from __future__ import annotations

import copy
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch_modules import MODULES, N_CLASSES, Block, Functional, Residual, example, made

from neurosim import Drive, run_batch
from neurosim.models import UntranslatableError, backprop, from_torch
from neurosim.models.network.normalisation import BatchNorm

every_module = pytest.mark.parametrize("name", MODULES)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def target(n: int = 6) -> torch.Tensor:
    return torch.arange(n) % N_CLASSES


@every_module
@DTYPES
def test_it_computes_what_the_module_computes(name, dtype):
    """At evaluation; to the bit but for the mean over space, summed in another order."""
    module, x = made(name, dtype), example(dtype)
    before = copy.deepcopy(module.state_dict())
    net = from_torch(module, x)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(net(x), module.eval()(x).detach(), rtol=0, atol=tolerance)
    assert all(torch.equal(t, before[key]) for key, t in module.state_dict().items())
    net.layers[0].weight.data.zero_()
    assert any(p.any() for p in module.parameters()), "the weights are copies"


@every_module
@DTYPES
def test_bp_is_the_autograd_of_the_module(name, dtype):
    """While learning, batch statistics included. 1e-5 and 1e-11 of the largest change: torch may
    sum a mean, or two errors, in another order. Of a bias before batch norm rounding is left."""
    module, x = made(name, dtype).train(), example(dtype)
    net = from_torch(module, x)
    changes = run_batch(backprop(), net, Drive(x, target())).changes
    F.cross_entropy(module(x), target()).backward()
    modules = dict(module.named_modules())
    tolerance = 1e-5 if dtype == torch.float32 else 1e-11
    compared = 0
    for layer in net.layers:
        for key in ("weight", "bias"):
            path = layer.name if layer.name in modules else layer.name.removeprefix("layer")
            expected = getattr(modules[path], key)
            if expected is None:
                continue
            found, compared = changes[f"{layer.name}.{key}"], compared + 1
            scale = float(expected.grad.abs().max())
            assert float((found + expected.grad).abs().max()) <= tolerance * max(scale, 1e-2), (
                layer.name, key,
            )  # fmt: skip
    assert compared >= len(net.layers)
    # The pass has moved the running statistics as torch does.
    of_module = [m for m in module.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    of_net = [layer.norm for layer in net.layers if isinstance(layer.norm, BatchNorm)]
    assert len(of_module) == len(of_net)
    sums = [sorted(float(n.running_mean.sum()) for n in norms) for norms in (of_module, of_net)]
    assert sums[0] == pytest.approx(sums[1], rel=1e-4)


def test_a_shortcut_is_added_where_the_module_adds_it():
    net = from_torch(Residual(), example(torch.float32))
    added = {layer.name: layer.added for layer in net.layers if layer.added}
    assert added == {
        "layer1.0.conv2": ("stem",),
        "layer1.1.conv2": ("layer1.0.conv2",),
        "layer2.downsample.0": ("layer2.conv2",),
    }


def test_dropout_acts_while_learning_alone():
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 50), nn.ReLU(), nn.Dropout(0.5),
                           nn.Linear(50, 3))  # fmt: skip
    x = example(torch.float32)
    net = from_torch(module, x)
    assert [layer.dropout for layer in net.layers] == [0.5, 0.0]
    torch.testing.assert_close(net(x), module.eval()(x).detach())


def test_weights_drawn_anew_are_those_of_a_seed():
    nets = [
        from_torch(made("chain"), example(), generator=torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    ]
    first, same, other = (net.layers[0].weight for net in nets)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(nets[0].layers[0].norm.gamma, torch.ones(6, dtype=torch.float64))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(192, 192)

    def forward(self, x):
        return self.fc(self.fc(x.flatten(1)))


class Branches(Twice):
    def forward(self, x):
        return self.fc(x.flatten(1)) if x.sum() > 0 else x


class Late(Functional):
    """The sum of two activities that have passed their activation."""

    def forward(self, x):
        x = self.relu(self.conv1(x))
        return self.conv2(x + self.relu(self.conv2(x)))


class Inside(Functional):
    """A way on from before the activation."""

    def forward(self, x):
        current = self.conv1(x)
        return self.conv2(self.relu(current)) + current


class Scaled(Functional):
    def forward(self, x):
        return self.conv2(torch.add(self.conv1(x), self.conv1(x), alpha=2))


class Parameter(Twice):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(192))

    def forward(self, x):
        return self.fc(x.flatten(1) * self.gain)


def after_conv(*modules: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *modules)


REFUSED = {
    "twice": (Twice(), "fc is called twice.*give each call a module"),
    "branches": (Branches(), "torch.fx cannot trace Branches.*without branches"),
    "late": (Late(), r"add: a sum of activities.*sum before the activation"),
    "inside": (Inside(), "conv2 hears conv1 before its normalisation"),
    "scaled": (Scaled(), "conv1 is called twice"),
    "parameter": (Parameter(), "gain: a tensor of its own outside a module"),
    "lstm": (after_conv(nn.Upsample(scale_factor=2)), "1: Upsample, which is not one of the known"),
    "overlap": (after_conv(nn.MaxPool2d(3, 2, 1)), "1: windows that overlap or are padded"),
    "overlap of averages": (after_conv(nn.AvgPool2d(3, 1), nn.Conv2d(4, 4, 1)), "windows that"),
    "uneven": (after_conv(nn.AdaptiveAvgPool2d(3), nn.Conv2d(4, 4, 1)), "windows differ in size"),
    "padding": (after_conv(nn.Conv2d(4, 4, (3, 1))), r"1: the Conv2d has kernel_size=\(3, 1\)"),
    "affine": (after_conv(nn.BatchNorm2d(4, affine=False)), "1: a normalisation without gain"),
    "statistics": (
        after_conv(nn.BatchNorm2d(4, track_running_stats=False)), "without running statistics"
    ),
    "pre-activation": (nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3)), "0: ReLU of the input"),
    "late norm": (after_conv(nn.ReLU(), nn.BatchNorm2d(4)), "2: a normalisation that does not"),
    "two activations": (after_conv(nn.ReLU(), nn.Tanh()), "2: a second activation, Tanh"),
    "pool after tanh": (after_conv(nn.MaxPool2d(2), nn.Tanh()), "2: a second activation, Tanh"),
    "linear on maps": (after_conv(nn.Linear(8, 4)), "1: a Linear on maps: flatten"),
    "ends in a mean": (after_conv(nn.AdaptiveAvgPool2d(1)), "the output hears layer0 before"),
    "another size": (after_conv(nn.Flatten(), nn.Linear(9, 4)), "does not take the example"),
    "no layer": (nn.Flatten(), "must end with the output of its last Conv2d or Linear"),
}  # fmt: skip


def test_weights_that_are_not_finite_are_named():
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    module[1].bias.data[0] = torch.nan
    with pytest.raises(UntranslatableError, match=r"1\.bias holds NaN or infinity"):
        from_torch(module, torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_named(case):
    module, message = REFUSED[case]
    with pytest.raises(UntranslatableError) as refused:
        from_torch(module, example(torch.float32))
    said = str(refused.value)
    assert re.search(message, said.replace("\n", " ")), said
    assert said.count(". ") == 0, "one sentence"


def test_the_block_of_a_module_inside_another():
    """A block alone ends in a sum, which is the output of its last layer."""
    block = Block(3, 3).eval()
    net = from_torch(block, example(torch.float32))
    x = example(torch.float32)
    torch.testing.assert_close(net(x), block(x).detach(), rtol=0, atol=1e-5)
    assert [layer.out.shape for layer in net.sweep(Drive(x))] == [x.shape] * 2
