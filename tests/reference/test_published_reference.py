"""The published learners against the same pipeline written plainly in torch.

The plain versions loop, build every intermediate and use autograd throughout; they share nothing
with the learners but their initial tensors and their random draws. float64, so that a difference
of formulas is not taken for rounding. Adam divides a gradient by its own size, which blows the
rounding of the smallest ones up: agreement to 1e-8 of steps of 1e-3.
"""

import math

import pytest
import torch
import torch.nn.functional as F

from neurosim.arrays.streams import generator
from neurosim.models.published import learners
from neurosim.models.published.starts import OwnStart
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.training import Trainer

N_STEPS = 2
BATCH = 4
CLOSE = {"rtol": 1e-9, "atol": 1e-8}


def start(rule: str) -> OwnStart:
    return OwnStart.of(SharedStart(3, dtype=torch.float64), rule)


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    draws = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(BATCH, 3, 32, 32, generator=draws, dtype=torch.float64) + 0.3,
            torch.randint(0, 10, (BATCH,), generator=draws),
        )
        for _ in range(N_STEPS)
    ]


def trained(learner: Learner) -> dict[str, torch.Tensor]:
    trainer = Trainer(learner.parts, N_STEPS)
    for index, (x, y) in enumerate(batches()):
        trainer.step(x, y, generator(3, "noise", index))
    return learner.tensors()


class Plain:
    """Named tensors of a learner, and the blocks they make."""

    def __init__(self, learner: Learner) -> None:
        self.w = {name: t.clone() for name, t in learner.tensors().items()}

    def norm(self, i: int, a: torch.Tensor) -> torch.Tensor:
        """Batch norm by its formula; the running statistics move, the variance unbiased."""
        mean, var = a.mean((0, 2, 3)), a.var((0, 2, 3), correction=0)
        n = a.numel() // a.shape[1]
        with torch.no_grad():
            for name, now in (("mean", mean), ("var", var * n / (n - 1))):
                kept = self.w[f"Conv{i}.running_{name}"]
                kept.mul_(0.9).add_(0.1 * now)
        unit = (a - mean.view(1, -1, 1, 1)) / (var.view(1, -1, 1, 1) + 1e-5).sqrt()
        gamma, beta = self.w[f"Conv{i}.gamma"], self.w[f"Conv{i}.beta"]
        return gamma.view(1, -1, 1, 1) * unit + beta.view(1, -1, 1, 1)

    def block(self, i: int, x: torch.Tensor, *, rectify: bool = False) -> torch.Tensor:
        a = F.conv2d(x, self.w[f"Conv{i}.weight"], padding=1)
        if rectify:
            a = a.relu()
        return F.max_pool2d(self.norm(i, a).relu(), 2)

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        hidden = F.linear(features.flatten(1), self.w["FC1.weight"], self.w["FC1.bias"]).relu()
        return F.linear(hidden, self.w["head.weight"], self.w["head.bias"])

    def learning(self, *prefixes: str) -> list[torch.Tensor]:
        """Make leaves of the tensors whose names start so."""
        chosen = [t for name, t in self.w.items() if name.startswith(prefixes)]
        return [t.requires_grad_() for t in chosen]


def assert_same(learner: Learner, plain: Plain) -> None:
    for name, tensor in trained(learner).items():
        torch.testing.assert_close(
            tensor, plain.w[name].detach(), **CLOSE, msg=lambda m, name=name: f"{name}: {m}"
        )


def test_predictive_coding():
    learner = learners.predictive_coding(start("pc"))
    plain = Plain(learner)
    readout = torch.optim.Adam(plain.learning("FC1", "head"), lr=1e-3)
    for x, y in batches():
        with torch.no_grad():
            r1 = plain.block(1, x)
            r2 = plain.block(2, r1)
            r3 = plain.block(3, r2)
            at_rest = r1, r2
            for _ in range(10):
                p1 = F.conv_transpose2d(r2, plain.w["prediction.2"], padding=1)
                p2 = F.conv_transpose2d(r3, plain.w["prediction.3"], padding=1)
                e1 = r1 - torch.tanh(p1.repeat_interleave(2, 2).repeat_interleave(2, 3))
                e2 = r2 - torch.tanh(p2.repeat_interleave(2, 2).repeat_interleave(2, 3))
                up2 = F.avg_pool2d(F.conv2d(e1, plain.w["Conv2.weight"], padding=1), 2)
                up3 = F.avg_pool2d(F.conv2d(e2, plain.w["Conv3.weight"], padding=1), 2)
                r1 = (r1 - 0.02 * e1).relu()
                r2 = (r2 + 0.02 * (up2 - e2)).relu()
                r3 = (r3 + 0.02 * up3).relu()
            # The update looks at Conv1 and Conv2 once more, which moves their statistics.
            plain.block(2, plain.block(1, x))
            for i, below, now, rest in ((1, x, r1, at_rest[0]), (2, r1, r2, at_rest[1])):
                error = (now - rest).clamp(-0.5, 0.5).mean((0, 2, 3)).tolist()
                mean = below.mean((0, 2, 3)).tolist()
                change = [[1e-4 * max(-0.01, min(0.01, e * m)) for m in mean] for e in error]
                change = torch.tensor(change, dtype=torch.float64)
                plain.w[f"Conv{i}.weight"] += change[..., None, None]
        readout.zero_grad()
        F.cross_entropy(plain.logits(r3), y).backward()
        readout.step()
    assert_same(learner, plain)


@pytest.mark.parametrize("invert", [True, False])
def test_stdp(invert):
    builder = learners.StdpBuilder(learners.ChannelMeanBody(), invert=invert, reach_gains=True)
    learner = builder(start("stdp"))
    plain = Plain(learner)
    names = [f"Conv{i}.{p}" for i in (1, 2, 3) for p in ("gamma", "beta")]
    readout = torch.optim.Adam(plain.learning("FC1", "head", *names), lr=1e-3)
    for index, (x, y) in enumerate(batches()):
        noise = generator(3, "noise", index)
        with torch.no_grad():
            below = x
            for i in (1, 2, 3):
                rate = F.conv2d(below, plain.w[f"Conv{i}.weight"], padding=1).relu()
                times = [first_spikes(t.mean((2, 3)), noise) for t in (below, rate)]
                below = plain.block(i, below, rectify=True)
                plain.w[f"Conv{i}.weight"] += 5e-4 * mean_change(*times, invert)[..., None, None]
                plain.w[f"Conv{i}.weight"].clamp_(-1, 1)
        x3 = x
        for i in (1, 2, 3):
            x3 = plain.block(i, x3, rectify=True)
        readout.zero_grad()
        F.cross_entropy(plain.logits(x3), y).backward()
        readout.step()
    assert_same(learner, plain)


def first_spikes(mean: torch.Tensor, noise: torch.Generator) -> list[list[int]]:
    """Image by image and channel by channel, the tick of the first spike; 11 for none."""
    rate = torch.sigmoid(mean)
    draws = torch.rand((10, *rate.shape), generator=noise, dtype=rate.dtype)
    return [
        [
            next((t for t in range(10) if draws[t, b, c] < rate[b, c] / 10), 11)
            for c in range(rate.shape[1])
        ]
        for b in range(rate.shape[0])
    ]


def mean_change(pre: list[list[int]], post: list[list[int]], invert: bool) -> torch.Tensor:
    """The window in plain words, pair by pair."""

    def window(lag: int) -> float:
        if invert:
            return 0.003 * math.exp(-max(lag, 0) / 20) - 0.003 * math.exp(min(lag, 0) / 20)
        return 0.0 if lag == 0 else math.copysign(0.003 * math.exp(-abs(lag) / 20), lag)

    table = {lag: window(lag) for lag in range(-11, 12)}
    change = torch.zeros(len(post[0]), len(pre[0]), dtype=torch.float64)
    for b in range(len(pre)):
        lags = torch.tensor(post[b])[:, None] - torch.tensor(pre[b])[None, :]
        change += torch.tensor([[table[int(lag)] for lag in row] for row in lags.tolist()])
    return (change / len(pre)).clamp(-0.002, 0.002)


class _RandomBack(torch.autograd.Function):
    """A convolution whose error returns through B."""

    @staticmethod
    def forward(ctx, x, weight, back):
        ctx.save_for_backward(x, weight, back)
        return F.conv2d(x, weight, padding=1)

    @staticmethod
    def backward(ctx, error):
        x, weight, back = ctx.saved_tensors
        to_weight = torch.nn.grad.conv2d_weight(x, weight.shape, error, padding=1)
        return F.conv_transpose2d(error, back, padding=1), to_weight, None


def test_feedback_alignment():
    """Dropout off on both sides: its masks are another test's business."""
    learner = learners.feedback_alignment(start("fa"))
    (part,) = learner.parts
    for layer in part.net.layers:
        layer.dropout = 0.0
    back = part.rule.dynamics.feedback.weights
    plain = Plain(learner)
    names = [name for name in plain.w if "running" not in name]
    parameters = plain.learning(*names)
    optimiser = torch.optim.SGD(parameters, lr=5e-4, momentum=0.9, weight_decay=1e-4)
    for step, (x, y) in enumerate(batches()):
        for i in (1, 2, 3):
            weight = plain.w[f"Conv{i}.weight"]
            a = _RandomBack.apply(x, weight, back[f"Conv{i}"]) if i > 1 else F.conv2d(
                x, weight, padding=1
            )  # fmt: skip
            x = F.max_pool2d(plain.norm(i, a).relu(), 2)
        optimiser.zero_grad()
        F.cross_entropy(plain.logits(x), y).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = 5e-4 * 0.5 * (1 + math.cos(math.pi * step / N_STEPS))
        optimiser.step()
    assert set(back) == {"Conv2", "Conv3"}
    assert_same(learner, plain)
