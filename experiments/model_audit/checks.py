"""Whether showing a model images is harmless, repeatable and the same in every company."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neurosim.experiments.model_audit.features import (
    activity,
    fingerprint,
)
from neurosim.experiments.model_audit.inputs import Shown
from neurosim.models.interop.module_layers import Layer
from neurosim.models.interop.module_states import copied, own_random_numbers

#: A larger difference, as a share of a layer's root mean square, is not rounding.
ROUNDING = 1e-4
#: Images that are shown in one batch, and how many of them alone as well.
_N_TOGETHER, _N_ALONE = 12, 4


@dataclass(frozen=True)
class Difference:
    """The largest difference between two showings, as a share of the layer's root mean square."""

    size: float
    layer: str
    allowed: float

    @property
    def is_rounding(self) -> bool:
        return self.size <= self.allowed


@dataclass(frozen=True)
class Checks:
    """What showing images did to the model, as it was given and in evaluation mode.

    training: kinds of modules that were given in training mode; empty for evaluation mode.
    mode: between the mode given and evaluation mode. repeated: between two showings of one batch.
    alone: between a batch and its images one by one; company: and with other images, as many as
        the audit shows at once.
    changed: names of tensors and numbers that extraction changed in evaluation mode.
    changed_as_given: in the mode given.
    without_statistics: batch norms that keep none: they read the batch in every mode.
    dropouts: dropout modules that are on in evaluation mode.
    """

    training: Mapping[str, int]
    mode: Difference
    repeated: Difference
    alone: Difference
    company: Difference
    changed: tuple[str, ...]
    changed_as_given: tuple[str, ...]
    without_statistics: tuple[str, ...] = ()
    dropouts: tuple[str, ...] = ()


def check(model: nn.Module, shown: Shown, layers: Sequence[Layer], at_once: int) -> Checks:
    """Show a few images to copies of a model: as it was given, and in evaluation mode.

    at_once: how many the audit shows together; the largest company is as large.
    """
    n = min(len(shown), _N_TOGETHER)
    images = shown.rows(0, n)
    as_given, quiet = copied(model), copied(model).eval()
    before = fingerprint(as_given)
    with own_random_numbers():
        in_mode = activity(as_given, images, layers)
    changed_as_given = _changed(before, fingerprint(as_given))
    before = fingerprint(quiet)
    with own_random_numbers(1):
        first = activity(quiet, images, layers)
        # Other images in between: what a model keeps of them then shows.
        activity(quiet, 0.5 * images.flip(0), layers)
        between = fingerprint(quiet)
        again = activity(quiet, images, layers)
    changed = tuple(sorted({*_changed(before, between), *_changed(before, fingerprint(quiet))}))
    # A model that keeps something of earlier images starts anew for the comparison of batches.
    few = min(_N_ALONE, n)
    apart: list[dict[str, Tensor]] = []
    with own_random_numbers(1):
        for i in range(few):
            apart.append(activity(copied(model).eval(), images[i : i + 1], layers))
        last = shown.rows(max(few, len(shown) - max(n, at_once) + few), len(shown))
        others = activity(copied(model).eval(), torch.cat([images[:few], last]), layers)
    alone = {name: torch.cat([each[name] for each in apart]) for name in first}
    allowed = _allowed(model)
    return Checks(
        _in_training(model),
        _difference(in_mode, first, allowed),
        _difference(first, again, allowed),
        _difference({k: x[:few] for k, x in first.items()}, alone, allowed),
        _difference(
            {k: x[:few] for k, x in first.items()}, {k: x[:few] for k, x in others.items()}, allowed
        ),
        changed,
        changed_as_given,
        tuple(name for name, m in model.named_modules() if _keeps_no_statistics(m)),
        tuple(name for name, m in quiet.named_modules() if _is_dropout(m) and m.training),
    )


def _in_training(model: nn.Module) -> dict[str, int]:
    kinds = Counter(
        "dropout"
        if _is_dropout(m)
        else "batch norm"
        if getattr(m, "running_mean", None) is not None
        else "other modules"
        for m in model.modules()
        if m.training
    )
    return dict(sorted(kinds.items(), key=lambda each: each[0] == "other modules"))


def _is_dropout(module: nn.Module) -> bool:
    return "drop" in type(module).__name__.lower() and not list(module.children())


def _keeps_no_statistics(module: nn.Module) -> bool:
    kind = nn.modules.batchnorm._BatchNorm
    return isinstance(module, kind) and module.running_mean is None


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(n for n in {*before, *after} if before.get(n) != after.get(n)))


def _allowed(model: nn.Module) -> float:
    """Rounding: of sums in single precision, or of a model that computes in half."""
    kinds = {p.dtype for p in model.parameters() if p.is_floating_point()}
    return max([ROUNDING, *(8 * torch.finfo(kind).eps for kind in kinds)])


def _difference(a: Mapping[str, Tensor], b: Mapping[str, Tensor], allowed: float) -> Difference:
    worst, where = 0.0, next(iter(a), "")
    for name, x in a.items():
        y = b[name]
        both = torch.isfinite(x) & torch.isfinite(y)
        gap = float((x - y)[both].abs().max()) if both.any() else 0.0
        if not torch.equal(torch.isfinite(x), torch.isfinite(y)):
            gap = float("inf")
        scale = float(x[both].square().mean().sqrt()) if both.any() else 1.0
        size = gap / scale if scale > 0 else gap
        if size > worst:
            worst, where = size, name
    return Difference(worst, where, allowed)
