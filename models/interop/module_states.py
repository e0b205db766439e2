"""The states of a network: whose weights, and whose statistics of normalisation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

GIVEN, RANDOM, PERMUTED = "given", "random", "permuted"
AS_GIVEN, INITIALISED, STIMULI, TRAINING = (
    "as given",
    "as initialised",
    "of the stimuli",
    "training",
)
#: Of a network that keeps no statistics.
NO_STATISTICS = "none"
_ONE_DRAW = 0.999
#: Makes the random network of a seed.
Fresh = Callable[[int], nn.Module]
_FIRST_SEED = 8_675_309_000


@dataclass(frozen=True)
class State:
    """weights: ``given``, ``random`` or ``permuted``; seed: of the draw, -1 of those given."""

    weights: str
    seed: int
    statistics: str

    def in_words(self) -> str:
        drawn = f" (seed {self.seed})" * (self.seed >= 0)
        return f"{self.weights} weights{drawn}, statistics {self.statistics}"


@contextmanager
def own_random_numbers(seed: int = 0) -> Iterator[None]:
    """Random numbers of the model's own: the caller's generator stays where it is."""
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        yield


def as_read(model: nn.Module, images: Tensor) -> Tensor:
    """Images on the device and in the precision of a model's weights."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    return images if weight is None else images.to(weight.device, weight.dtype)


def kept_statistics(model: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """Module -> its running mean and variance, of every module that keeps them, of any class."""
    found = {}
    for name, module in model.named_modules():
        kept = dict(module.named_buffers(recurse=False))
        if "running_mean" in kept and "running_var" in kept:
            found[name] = (kept["running_mean"], kept["running_var"])
    return found


def copied(model: nn.Module) -> nn.Module:
    """A copy to work on: the caller's model is not touched.

    Raises:
        ValueError: it cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise ValueError(
            f"the model cannot be copied ({error}), and the audit works on copies: detach tensors "
            "that it keeps of earlier passes, or give a function that makes the model anew"
        ) from error


@torch.no_grad()
def randomise(model: nn.Module, seed: int) -> tuple[str, ...]:
    """Draw every parameter anew in place, by each module's own ``reset_parameters``.

    The global generator stays where it is. A parameter that no module resets, or whose reset brings
    what was learned back, is drawn from the normal of its own mean and sd.

    Returns:
        The names of those.
    """
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    left = []
    # Far from the seeds that people give: a model drawn under manual_seed(0) is no twin of itself.
    with own_random_numbers(_FIRST_SEED + seed):
        for module in model.modules():
            owns = next(module.parameters(recurse=False), None) is not None
            for name in ("reset_parameters", "_reset_parameters"):
                reset = getattr(module, name, None)
                if callable(reset) and owns:
                    reset()
                    break
        for name, parameter in model.named_parameters():
            old = before[name].float()
            spread = float(old.std()) if old.numel() > 1 else 0.0
            if spread > 0 and _is_what_it_was(old, parameter.float()):
                parameter.copy_(float(old.mean()) + spread * torch.randn_like(old))
                left.append(name)
    return tuple(left)


def _is_what_it_was(old: Tensor, new: Tensor) -> bool:
    """Equal to the bit, or as good as: no two draws of ten numbers and more correlate so."""
    if torch.equal(old, new):
        return True
    if old.numel() < 10 or not bool(new.std() > 0):
        return False
    both = torch.stack([old.flatten(), new.flatten()]).double()
    return bool(torch.corrcoef(both)[0, 1] > _ONE_DRAW)


@torch.no_grad()
def permute(model: nn.Module, seed: int) -> None:
    """Permute the entries of every parameter among themselves: its distribution stays."""
    generator = torch.Generator().manual_seed(_FIRST_SEED + seed)
    for parameter in model.parameters():
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))


@torch.no_grad()
def set_statistics(model: nn.Module, source: nn.Module | None) -> None:
    """Copy the statistics of another copy of the network; None: mean 0 and variance 1."""
    theirs = {} if source is None else kept_statistics(source)
    for name, (mean, var) in kept_statistics(model).items():
        if source is None:
            mean.zero_()
            var.fill_(1.0)
        else:
            mean.copy_(theirs[name][0])
            var.copy_(theirs[name][1])


@torch.no_grad()
def calibrate(model: nn.Module, batches: Iterable[Tensor], seed: int = 0) -> int:
    """Set the statistics to those of images; returns the number of batches.

    They are taken in training mode, as those that a network comes with were: with dropout and
    stochastic depth, and every layer reads what the layers below make under the batch's own mean
    and (biased) variance. Over batches these are averaged, which for one batch is exact and for
    several is what ``torch.optim.swa_utils.update_bn`` does. Modes are left as they were, and so is
    the global random generator; seed: of what dropout draws.
    """
    sums: dict[str, list[Tensor]] = {}
    kept = kept_statistics(model)

    def take(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> None:
            x = args[0]
            axes = [axis for axis in range(x.dim()) if axis != 1]
            var, mean = torch.var_mean(x.float(), axes, correction=0)
            kept[name][0].copy_(mean)
            kept[name][1].copy_(var)
            old = sums.setdefault(name, [torch.zeros_like(mean), torch.zeros_like(var)])
            old[0] += mean
            old[1] += var

        return hook

    modes = [(module, module.training) for module in model.modules()]
    handles = [model.get_submodule(n).register_forward_pre_hook(take(n)) for n in kept]
    n = 0
    try:
        model.train()
        with own_random_numbers(_FIRST_SEED + seed):
            for batch in batches:
                model(as_read(model, batch))
                n += 1
    finally:
        for module, mode in modes:
            module.training = mode
        for handle in handles:
            handle.remove()
    for name, (mean, var) in sums.items():
        kept[name][0].copy_(mean / n)
        kept[name][1].copy_(var / n)
    return n


def unregistered(model: nn.Module) -> tuple[str, ...]:
    """Modules with parameters that a model holds in lists, mappings or plain attributes: torch does
    not know them, so that no mode, no device and no fresh draw reaches them."""
    known = set(model.modules())
    found = []
    for place, module in model.named_modules():
        for name, value in vars(module).items():
            if name in ("_modules", "_parameters", "_buffers"):
                continue
            held = value.values() if isinstance(value, dict) else value
            several = held if isinstance(value, dict | list | tuple | set) else [value]
            if any(
                isinstance(each, nn.Module)
                and each not in known
                and next(each.parameters(), None) is not None
                for each in several
            ):
                found.append(f"{place}.{name}" if place else name)
    return tuple(found)


def weights_in_buffers(model: nn.Module) -> tuple[str, ...]:
    """Buffers of numbers that hold a tenth of what the parameters hold, and more: weights that a
    fresh draw leaves as they are. Tables of places and masks are smaller."""
    statistics = {t.data_ptr() for pair in kept_statistics(model).values() for t in pair}
    n = sum(p.numel() for p in model.parameters())
    return tuple(
        name for name, b in model.named_buffers()
        if b.is_floating_point() and b.numel() > 0.1 * n and b.data_ptr() not in statistics
    )  # fmt: skip


def weighted(
    model: nn.Module, weights: str, seed: int, fresh: Fresh | None = None
) -> tuple[nn.Module, tuple[str, ...]]:
    """A copy with these weights, its statistics still as given, and what had to be drawn.

    fresh: makes the random network of a seed, in place of ``randomise``.
    """
    if weights == RANDOM and fresh is not None:
        return _made_fresh(model, fresh, seed), ()
    made = copied(model)
    if weights == RANDOM:
        drawn = randomise(made, seed)
        set_statistics(made, model)
        return made, drawn
    if weights == PERMUTED:
        permute(made, seed)
    return made, ()


def _made_fresh(model: nn.Module, fresh: Fresh, seed: int) -> nn.Module:
    """The random network that the caller makes, in the state of the given one.

    Raises:
        ValueError: it is no module, or of another architecture.
    """
    with own_random_numbers(seed):
        made = fresh(seed)
    if not isinstance(made, nn.Module):
        raise ValueError(f"random makes a {type(made).__name__}, not a torch.nn.Module")
    theirs, ours = ({n: tuple(t.shape) for n, t in m.state_dict().items()} for m in (made, model))
    if theirs != ours:
        odd = next(n for n in {**ours, **theirs} if theirs.get(n) != ours.get(n))
        raise ValueError(
            f"the random network of seed {seed} is of another architecture: {odd!r} is "
            f"{theirs.get(odd, 'missing')} there and {ours.get(odd, 'missing')} in the model"
        )
    made = copied(made).eval()
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    if weight is not None:
        made = made.to(weight.device, weight.dtype)
    set_statistics(made, model)
    return made


def statistics_of(model: nn.Module, with_training: bool) -> tuple[str, ...]:
    """The states of statistics that a network has."""
    if not kept_statistics(model):
        return (NO_STATISTICS,)
    return (AS_GIVEN, INITIALISED, STIMULI, *((TRAINING,) if with_training else ()))
