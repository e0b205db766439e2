"""Cells on a device that is not there: what CUDA and MPS refuse is refused, the rest runs.

    python emulated_device.py OUT RULE ...

Computes each rule's cell on ``cpu`` and on a device ``emulated`` whose tensors keep their values
in a tensor of the CPU. It refuses what a real device refuses: float64 (MPS), operations on tensors
of two devices, generators of another device, and NumPy's view of its memory. Prints one line a
rule: ``RULE same``, ``RULE differs by X`` or ``RULE ERROR``. ``--refusals`` prints what is refused.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from neurosim.experiments.data.loaded import data_of
from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.engine import job_tasks
from neurosim.experiments.engine.job_tasks import JobTask
from neurosim.experiments.engine.tasks import run_task
from neurosim.experiments.job.store import read_table
from neurosim.experiments.settings.config import Comparison

NAME = "emulated"
_setup_privateuseone_for_python_backend(NAME)


class OnDevice(torch.Tensor):
    """A tensor on the device; ``values`` is where it really is."""

    values: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, values: torch.Tensor) -> OnDevice:
        if values.dtype in (torch.float64, torch.complex128):
            raise TypeError(
                "Cannot convert an emulated tensor to float64 dtype: as MPS, it has none"
            )
        made = torch.Tensor._make_wrapper_subclass(
            cls, values.shape, strides=values.stride(), storage_offset=values.storage_offset(),
            dtype=values.dtype, device=torch.device(NAME, 0),
        )  # fmt: skip
        made.values = values
        return made

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


class Emulation(TorchDispatchMode):
    """Sees operations that make tensors on the device, too."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [t for t in given if isinstance(t, OnDevice)]
    asked = None if kwargs.get("device") is None else torch.device(kwargs["device"])
    on_device = bool(there) if asked is None else asked.type == NAME
    copies = function.overloadpacket in (torch.ops.aten.copy_, torch.ops.aten._to_copy)
    # A number in a tensor of the CPU goes with tensors of any device.
    here = [t for t in given if not isinstance(t, OnDevice) and t.dim() > 0]
    indexes = function.overloadpacket in (torch.ops.aten.index, torch.ops.aten.index_put_)
    if there and here and not copies and not indexes:
        raise RuntimeError(f"{function}: expected all tensors to be on the same device")
    if on_device and kwargs.get("generator") is not None:
        raise RuntimeError(f"{function}: expected a generator of the device, found one of the CPU")
    if asked is not None:
        kwargs = {**kwargs, "device": "cpu"}

    def values(leaf: Any) -> Any:
        return leaf.values if isinstance(leaf, OnDevice) else leaf

    out = function(*tree_map(values, args), **tree_map(values, kwargs))
    if asked is not None and copies and out is values(args[0]):
        out = out.clone()
    if not on_device or (copies and not isinstance(args[0], OnDevice) and asked is None):
        return out
    # In-place operations return what they were given.
    same = {id(t.values): t for t in there}

    def placed(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return same[id(leaf)] if id(leaf) in same else OnDevice(leaf)

    return tree_map(placed, out)


def _new_tensor(like: torch.Tensor, data: Any) -> torch.Tensor:
    """torch's own makes tensors below what a mode sees."""
    return torch.tensor(data, dtype=like.dtype).to(like.device)


torch.Tensor.new_tensor = _new_tensor
SETTINGS = Comparison(
    training="demo", stimuli="demo", n_train=4, n_test=2, seeds=(1,), epochs=1,
    checkpoints=(0, 1), batch_size=4, evaluation_px=(32,), n_calibration=2,
    normalisation=("running", "calibrated"), readouts=("gap",),
)  # fmt: skip


def few_stimuli() -> None:
    """Every fifth stimulus: each operation on the device goes through Python."""
    images, stimuli = data_of("demo", "demo", None)
    brain = stimuli.brain.select(stimuli=stimuli.brain.stimuli[::5])
    few = StimulusSet.of("demo", stimuli.images[::5], brain, stimuli.category[::5])
    job_tasks.data_of = lambda *where: (images, few)  # type: ignore[assignment]


def cell(out: Path, rule: str, device: str) -> Any:
    """The table of one cell."""
    folder = out / device
    folder.mkdir(parents=True, exist_ok=True)
    task = JobTask(SETTINGS, rule, device, seed=1, folder=folder)
    run_task(task, lambda event, /, **values: None)
    return read_table(folder / "cells" / f"{task.stem}.h5").select_dtypes("number")


def compare(out: Path, rule: str) -> str:
    plain = cell(out, rule, "cpu")
    try:
        with Emulation():
            found = cell(out, rule, NAME)
    except Exception as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    difference = np.nanmax(np.abs(found.to_numpy(float) - plain.to_numpy(float)))
    missing = (found.isna() != plain.isna()).to_numpy().any()
    return "same" if difference == 0 and not missing else f"differs by {difference:.2g}"


def refusals() -> None:
    """Print what it says to float64, two devices, a generator of the CPU, and NumPy's view."""
    with Emulation():
        x = torch.ones(3).to(NAME)
        draws = torch.Generator()
        for refused in (
            lambda: x.double(),
            lambda: x + torch.ones(3),
            lambda: torch.rand(3, generator=draws, device=NAME),
            lambda: x.numpy(),
        ):
            try:
                refused()
                print("nothing")
            except Exception as error:
                print(type(error).__name__)


if __name__ == "__main__":
    if sys.argv[1:] == ["--refusals"]:
        refusals()
    else:
        few_stimuli()
        for name in sys.argv[2:]:
            print(name, compare(Path(sys.argv[1]), name), flush=True)
