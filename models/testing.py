"""The laws of a learning rule and of a network as one call each, for a test suite of one's own.

def test_my_rule():
    check_rule("./mine.py:oja(lr=0.01)")
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from neurosim.arrays.streams import generator
from neurosim.models.rule_table import RULES
from neurosim.models.rules.learner import Learner, SharedStart
from neurosim.naming.made import bound, canonical
from neurosim.plasticity import Frozen
from neurosim.rule import run_batch
from neurosim.testing import (
    ContractError,
    check_cell,
    check_encoder,
    check_timing,
    require,
)
from neurosim.training import Part, Trainer
from neurosim.types import Drive

__all__ = [
    "ContractError", "check_cell", "check_encoder", "check_network", "check_rule", "check_timing",
]  # fmt: skip

#: What passes without learning may move: statistics of normalisation and thresholds.
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked", "threshold")
_SEED = 7


def check_rule(rule: Any, *, image_px: int = 16, n_classes: int = 4, **start: str) -> None:
    """A rule starts from the shared start, settles without writing to its network, learns what it
    claims and nothing at learning rate 0, represents without changing, and goes on from a file as
    if it had never stopped.

    Args:
        rule: a name, a text with settings, a ``variant``, or the builder itself.
        image_px, n_classes: of the network it is built on.
        start: other fields of ``SharedStart`` (cell, encoder, ...).

    Raises:
        ContractError: naming the law that does not hold.
        ValueError: there is no such rule, or no text for it.
    """
    text = canonical(RULES, rule)
    chosen = bound(RULES, text)
    shared = SharedStart(_SEED, image_px, n_classes, **start)  # type: ignore[arg-type]

    def build() -> Learner:
        learner = chosen.entry(shared, **chosen.settings)
        if not isinstance(learner, Learner):
            raise ContractError(f"{text}: its builder returns {type(learner).__name__}, no Learner")
        return learner

    learner = build()
    if build().fingerprint() != learner.fingerprint():
        raise ContractError(
            f"{text}: two learners of one seed start apart: draw from start.stream(name)"
        )
    _check_steps(text, deepcopy(learner), image_px, n_classes)
    _check_learning(text, learner, image_px, n_classes)
    _check_pure(text, deepcopy(learner), image_px, n_classes)
    _check_resumed(text, build, image_px, n_classes)


def check_network(
    builder: Callable[[SharedStart], Any], *, image_px: int = 16, n_classes: int = 4
) -> None:
    """A network of one seed is the same twice, gives one output per class, represents an image
    whatever its batch, and its weights are what ``named_weights`` names.

    Args:
        builder: of a network from a ``SharedStart``.

    Raises:
        ContractError: naming the law that does not hold.
    """
    start = SharedStart(_SEED, image_px, n_classes)
    net, twin = builder(start), builder(start)
    weights = net.named_weights()
    same = all(torch.equal(t, twin.named_weights()[name]) for name, t in weights.items())
    require(same, net, "two networks of one seed differ: draw from start.stream('init')")
    x, _ = _batch(0, image_px, n_classes)
    before = {name: tensor.clone() for name, tensor in weights.items()}
    together, alone = net.represent(x), net.represent(x[2:3])
    kept = all(torch.equal(t, before[name]) for name, t in net.named_weights().items())
    require(kept, net, "representing images changes it")
    out = list(together.values())[-1]
    require(
        tuple(out.shape) == (len(x), n_classes), net,
        f"its output is {tuple(out.shape)}, not one value per image and class",
    )  # fmt: skip
    for layer, activity in alone.items():
        # Float32: sums may run in another order in another batch.
        near = torch.allclose(activity[0], together[layer][2], rtol=1e-4, atol=1e-4)
        require(near, net, f"{layer} represents an image otherwise in another batch")


@torch.no_grad()
def _check_steps(text: str, learner: Learner, px: int, n_classes: int) -> None:
    """A batch is settled and read without a change of state, but for what ``adapt`` moves in a
    learning pass alone."""
    x, y = _batch(3, px, n_classes)
    for part in learner.parts:
        rule, dynamics = replace(part.rule, plasticity=Frozen()), part.rule.dynamics
        before = learner.fingerprint()
        point = dynamics.operating_point(part.net, Drive(x, y, generator(_SEED, "noise")))
        for settled in rule.solver.settle(dynamics, point):
            dynamics.local_signals(point, settled.state)
        dynamics.measurements(point, settled.state)
        dynamics.output(point, settled.state)
        if learner.fingerprint() != before:
            raise ContractError(
                f"{text}: settling a batch of {rule.name!r} changes its state: move statistics and "
                "thresholds in adapt(), and nothing anywhere else"
            )
        run_batch(rule, part.net, Drive(x, y, generator(_SEED, "noise"), learning=False))
        if learner.fingerprint() != before:
            raise ContractError(
                f"{text}: a pass without learning of {rule.name!r} changes its state"
            )
        x = run_batch(rule, part.net, Drive(x, y, generator(_SEED, "noise"))).output


def _check_learning(text: str, learner: Learner, px: int, n_classes: int) -> None:
    """What moves is what the parts claim; at learning rate 0 nothing but statistics does."""
    before = {name: tensor.clone() for name, tensor in learner.tensors().items()}
    claimed = {
        name for part in learner.parts for name in part.rule.parameters(part.net)
        if name.endswith("weight")
    }  # fmt: skip
    learning, still = deepcopy(learner), _at_rate_zero(deepcopy(learner))
    for each in (learning, still):
        _train(each, 2, px, n_classes)
    moved = {
        name for name, tensor in learning.tensors().items()
        if name.endswith("weight") and not torch.equal(tensor, before[name])
    }  # fmt: skip
    if moved != claimed:
        only = sorted(moved ^ claimed)
        raise ContractError(
            f"{text}: {', '.join(only)} {'moves' if only[0] in moved else 'does not move'}, "
            "otherwise than the parameters of its parts say"
        )
    odd = [
        name for name, tensor in still.tensors().items()
        if not name.endswith(_STATISTICS) and not torch.equal(tensor, before[name])
    ]  # fmt: skip
    if odd:
        raise ContractError(f"{text}: {', '.join(odd)} moves at learning rate 0")
    infinite = [n for n, tensor in learning.tensors().items() if not tensor.isfinite().all()]
    if infinite:
        raise ContractError(f"{text}: {', '.join(infinite)} is not finite after two batches")


def _check_pure(text: str, learner: Learner, px: int, n_classes: int) -> None:
    x, _ = _batch(5, px, n_classes)
    before = learner.fingerprint()
    together, alone = learner.represent(x), learner.represent(x[2:3])
    if learner.fingerprint() != before:
        raise ContractError(f"{text}: representing images changes its state")
    for layer, activity in alone.items():
        # Float32: sums may run in another order in another batch.
        if not torch.allclose(activity[0], together[layer][2], rtol=1e-4, atol=1e-4):
            raise ContractError(f"{text}: {layer} represents an image otherwise in another batch")


def _check_resumed(text: str, build: Callable[[], Learner], px: int, n_classes: int) -> None:
    first, second = build(), build()
    trainer = _train(first, 2, px, n_classes)
    second.load({name: tensor.numpy().copy() for name, tensor in first.tensors().items()})
    resumed = Trainer(second.parts, 10)
    resumed.load_state(trainer.state())
    for each in (trainer, resumed):
        each.step(*_batch(9, px, n_classes), generator(_SEED, "noise", 9))
    if first.fingerprint() != second.fingerprint():
        raise ContractError(
            f"{text}: one that goes on from its tensors learns otherwise: something it learns with "
            "is in none of them"
        )


def _at_rate_zero(learner: Learner) -> Learner:
    def still(part: Part) -> Part:
        return replace(part, optimiser=replace(part.optimiser, lr=0.0, lr_end=0.0))

    return replace(learner, parts=tuple(map(still, learner.parts)))


def _train(learner: Learner, n_steps: int, px: int, n_classes: int) -> Trainer:
    trainer = Trainer(learner.parts, 10)
    for index in range(n_steps):
        trainer.step(*_batch(index, px, n_classes), generator(_SEED, "noise", index))
    return trainer


def _batch(seed: int, px: int, n_classes: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(8, 3, px, px, generator=draws)
    # Correlated in space, as images are: white noise would leave a spiking network silent.
    x = torch.nn.functional.avg_pool2d(x, 5, 1, 2) * 4
    return x, torch.randint(0, n_classes, (8,), generator=draws)
