"""Where a model's activity is read: by name, by glob, or found by showing it two images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

_INPUT = ":in"
#: The name of what the whole model answers.
OUTPUT = "output"
#: A module that holds more than this share of all weighted modules is looked into.
_MOST_OF_A_MODEL = 1 / 3
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Layer:
    """A place where activity is read.

    name: of the module (its output), ``NAME:in`` (what it reads), or ``output``.
    batch_axis, rows: the axis that grows with the batch, and how many of its entries belong to
        one image (1, but for models that fold windows into the batch).
    shape: of one image's activity, without the batch axis.
    """

    name: str
    batch_axis: int
    rows: int
    shape: tuple[int, ...]

    @property
    def module(self) -> str:
        return "" if self.name == OUTPUT else self.name.removesuffix(_INPUT)

    @property
    def reads_input(self) -> bool:
        return self.name.endswith(_INPUT)

    @property
    def n_features(self) -> int:
        return int(torch.Size(self.shape).numel())

    def of(self, activity: Tensor) -> Tensor:
        """(n_images, *shape) of what the hook saw."""
        first = activity.movedim(self.batch_axis, 0)
        return first.reshape(-1, *self.shape) if self.rows > 1 else first

    def listen(self, model: nn.Module, hear: Callable[[Tensor], None]) -> Any:
        """Register a hook that hands on the layer's activity; returns its handle."""
        module = model.get_submodule(self.module)
        if self.reads_input:
            return module.register_forward_pre_hook(
                lambda _, args, kwargs: hear(self.of(first_tensor((args, kwargs)))),
                with_kwargs=True,
            )
        return module.register_forward_hook(lambda _, args, out: hear(self.of(first_tensor(out))))


def first_tensor(value: Any) -> Tensor:
    """The first floating tensor in what a module reads or answers: tuples, mappings, records.

    Raises:
        ValueError: there is none.
    """
    found = next(_tensors(value), None)
    if found is None:
        raise ValueError(f"a module answers a {type(value).__name__} without a tensor of floats")
    return found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _tensors(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _tensors(getattr(value, name))


@dataclass
class _Call:
    """One call of a module while the model was shown images."""

    name: str
    read: Tensor | None
    answered: Tensor | None = None


@torch.no_grad()
def _calls(model: nn.Module, images: Tensor) -> list[_Call]:
    """Every call of every module, in the order in which they began; tensors are kept alive."""
    calls: list[_Call] = []
    open_calls: list[_Call] = []
    handles = []

    def began(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, kwargs: Any) -> None:
            call = _Call(name, next(_tensors((args, kwargs)), None))
            calls.append(call)
            open_calls.append(call)

        return hook

    def ended(_: nn.Module, args: Any, out: Any) -> None:
        open_calls.pop().answered = next(_tensors(out), None)

    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(began(name), with_kwargs=True))
        handles.append(module.register_forward_hook(ended))
    try:
        model(images)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def find_layers(
    model: nn.Module, images: Tensor, wanted: str | Sequence[str] | None = None
) -> list[Layer]:
    """The layers of a model, in the order of its computation.

    Args:
        images: (n, ...) at least three images, as the model reads them; only three are shown.
        wanted: names of modules, ``NAME:in`` for what a module reads, or globs (``blocks.*``,
            part by part);
            None: the stem, one after each block, what feeds the head. A block is a module with
            weights inside that is no mere container; where there are none, a weighted layer with
            all that follows it up to the next one.

    Raises:
        ValueError: a name that fits nothing that was called once; says what there is.
    """
    if len(images) < 3:
        raise ValueError(f"finding layers needs at least three images; got {len(images)}")
    three = _calls(model, images[:3])
    sizes: dict[str, tuple[int, ...] | None] = {}
    for call in _calls(model, images[:2]):
        for name, seen in ((call.name, call.answered), (call.name + _INPUT, call.read)):
            sizes.setdefault(name, None if seen is None else tuple(seen.shape))
    times = Counter(call.name for call in three)
    found = {}
    for call in three:
        for name, seen in ((call.name + _INPUT, call.read), (call.name, call.answered)):
            name = name or OUTPUT
            if seen is not None and times[call.name] == 1 and name not in (_INPUT,):
                layer = _layer(name, sizes.get(call.name if name == OUTPUT else name), seen)
                if layer is not None:
                    found[name] = layer
    if wanted is None:
        names = _automatic(model, three, times, found)
    else:
        names = _matching([wanted] if isinstance(wanted, str) else wanted, found, times)
    return [found[name] for name in names]


def _layer(name: str, of_two: tuple[int, ...] | None, of_three: Tensor) -> Layer | None:
    """The layer, where one axis grows with the number of images."""
    shape = tuple(of_three.shape)
    if of_two is None or len(of_two) != len(shape):
        return None
    grown = [i for i, (two, three) in enumerate(zip(of_two, shape, strict=True)) if two != three]
    if len(grown) != 1 or shape[grown[0]] * 2 != of_two[grown[0]] * 3:
        return None
    axis = grown[0]
    rows = shape[axis] // 3
    rest = shape[:axis] + shape[axis + 1 :]
    return Layer(name, axis, rows, (rows, *rest) if rows > 1 else rest)


def _matching(wanted: Sequence[str], found: dict[str, Layer], times: Counter[str]) -> list[str]:
    names: list[str] = []
    for pattern in wanted:
        fits = [n for n in found if _fits(n, pattern)]
        if not pattern.endswith(_INPUT):
            fits = [n for n in fits if not n.endswith(_INPUT)]
        if not fits:
            n_times = times.get(pattern.removesuffix(_INPUT), 0)
            why = (
                f"is called {n_times} times per image: name the module before it, or what the next "
                "one reads (NAME:in)"
                if n_times > 1
                else f"is not a module that answers one row per image; there are {_some(found)}"
            )
            raise ValueError(f"layer {pattern!r} {why}")
        names += [n for n in fits if n not in names]
    order = {name: i for i, name in enumerate(found)}
    return sorted(names, key=order.__getitem__)


def _fits(name: str, pattern: str) -> bool:
    """Whether a name fits a glob, part by part: ``blocks.*`` are blocks, not what is in them."""
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _some(names: dict[str, Layer]) -> str:
    outputs = [name for name in names if not name.endswith(_INPUT)]
    more = f" and {len(outputs) - 20} more" * (len(outputs) > 20)
    return ", ".join(outputs[:20]) + more


def _automatic(
    model: nn.Module, calls: list[_Call], times: Counter[str], found: dict[str, Layer]
) -> list[str]:
    units = [name for name in _units(model, times) if _n_weighted(model.get_submodule(name))]
    first_call = {call.name: i for i, call in reversed(list(enumerate(calls)))}
    units.sort(key=first_call.__getitem__)
    if not units:
        return [OUTPUT] if OUTPUT in found else []
    blocks = [_is_block(model.get_submodule(name)) for name in units]
    names: list[str] = []
    for i, name in enumerate(units):
        last = i == len(units) - 1
        if blocks[i]:
            names.append(name)
        elif not last:
            names.append(_named(units[i + 1], calls, found, units))
    head = units[-1]
    if blocks[-1]:
        pass
    elif isinstance(model.get_submodule(head), nn.Linear):
        names += _feeding(units, blocks, calls, found)
    else:
        names.append(OUTPUT)
    order = {name: i for i, name in enumerate(found)}
    kept = sorted({name for name in names if name in found}, key=order.__getitem__)
    return kept or ([OUTPUT] if OUTPUT in found else [])


def _units(model: nn.Module, times: Counter[str]) -> Iterator[str]:
    """The modules that a model is made of: its blocks and the layers between them."""
    classes = Counter(type(m) for name, m in model.named_modules() if times[name])
    total = _n_weighted(model)

    def expand(name: str, module: nn.Module) -> Iterator[str]:
        children = list(module.named_children())
        container = type(module) in _CONTAINERS
        most = classes[type(module)] == 1 and _n_weighted(module) > _MOST_OF_A_MODEL * total
        looked_into = container or most or not name or _is_stage(module)
        if children and _is_block(module) and looked_into:
            for child, below in children:
                yield from expand(f"{name}.{child}" if name else child, below)
        elif times[name]:
            yield name

    return expand("", model)


def _is_stage(module: nn.Module) -> bool:
    """Whether one container in it, with several blocks of a class, holds most of its weights."""
    half = _n_weighted(module) / 2
    for child in module.children():
        if type(child) in _CONTAINERS and _n_weighted(child) > half:
            blocks = Counter(type(each) for each in child.children() if _is_block(each))
            if max(blocks.values(), default=0) > 1:
                return True
    return False


def _owns_weights(module: nn.Module) -> bool:
    return any(p.dim() > 1 for p in module.parameters(recurse=False))


def _n_weighted(module: nn.Module) -> int:
    return sum(map(_owns_weights, module.modules()))


def _is_block(module: nn.Module) -> bool:
    """Whether weights lie below it, in modules of its own."""
    return any(_owns_weights(m) for m in module.modules() if m is not module)


def _named(reader: str, calls: list[_Call], found: dict[str, Layer], units: Sequence[str]) -> str:
    """What a module reads, by the name of the module that made it, if one did that holds no other
    unit."""
    read = next(call.read for call in calls if call.name == reader)
    makers = [
        call.name
        for call in calls
        if call.answered is not None
        and call.answered is read
        and call.name in found
        and not any(unit.startswith(f"{call.name}.") for unit in units)
    ]
    return makers[0] if makers else reader + _INPUT


def _feeding(
    units: list[str], blocks: list[bool], calls: list[_Call], found: dict[str, Layer]
) -> list[str]:
    """What feeds the head, and the maps or tokens it was pooled of where no block answers them."""
    at = next(i for i, call in enumerate(calls) if call.name == units[-1])
    read = calls[at].read
    names = [_named(units[-1], calls, found, units)]
    if len(units) < 2 or blocks[-2]:
        return names
    before = next(i for i, call in enumerate(calls) if call.name == units[-2])
    for call in reversed(calls[before:at]):
        made = call.answered
        if made is None or read is None or made.numel() <= read.numel():
            continue
        if call.name in found:
            return [call.name, *names]
        readers = [c.name + _INPUT for c in calls if c.read is made]
        return [n for n in readers[:1] if n in found] + names
    return names
