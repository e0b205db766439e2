"""The full comparison: every rule and seed, trained and held against visual cortex.

    python experiments/training_dynamics.py                          # embedded demo, SIMULATED
    python experiments/training_dynamics.py --preset brain92 --data-dir DIR

Writes one HDF5 file a cell, ``results.csv`` and the figures into the run folder, and prints a
summary. Running it again resumes.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurosim.experiments import config
from neurosim.experiments.config import PRESETS, Comparison
from neurosim.experiments.execute import CellsFailedError, CellTask, one_thread, run_cells

DEVICES = ("cpu", "cuda", "mps")
#: The layer of the printed summary and the headline figure: the readout that keeps layout.
HEADLINE_LAYER = "FC1"


def parser() -> argparse.ArgumentParser:
    """The command line; every default is the preset's."""
    p = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="Running the same command again resumes; other settings need another --out.",
    )
    p.add_argument("--preset", default="demo", choices=list(PRESETS), help="default: %(default)s")
    p.add_argument("--rules", nargs="+", metavar="RULE", help=", ".join(config.RULE_NAMES))
    p.add_argument("--seeds", nargs="+", type=int, metavar="SEED")
    p.add_argument("--epochs", type=int)
    p.add_argument("--checkpoints", nargs="+", type=int, metavar="EPOCH")
    p.add_argument("--evaluation-px", nargs="+", type=int, metavar="PX")
    p.add_argument(
        "--normalisation", nargs="+", metavar="POLICY", help=", ".join(config.POLICY_NAMES)
    )
    p.add_argument("--readouts", nargs="+", metavar="READOUT", help=", ".join(config.READOUT_NAMES))
    p.add_argument("--n-train", type=int, help="training images a seed")
    p.add_argument("--n-test", type=int, help="held-out images")
    p.add_argument("--batch-size", type=int)
    p.add_argument("--augmentation", help=", ".join(config.AUGMENTATION_NAMES))
    p.add_argument("--schedule", help=", ".join(config.SCHEDULE_NAMES))
    p.add_argument("--cell", help="of stdp: " + ", ".join(config.CELL_NAMES))
    p.add_argument("--encoder", help="of stdp: " + ", ".join(config.ENCODER_NAMES))
    p.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="default: all cores")
    p.add_argument("--device", default="cpu", help="cpu, cuda or mps; default: %(default)s")
    p.add_argument("--data-dir", type=Path, help="default: $NEUROSIM_DATA, else the user's cache")
    p.add_argument("--download", action="store_true", help="fetch missing data sets")
    p.add_argument("--out", type=Path, help="run folder; default: runs/PRESET")
    p.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from what the run folder holds; --no-resume refuses a folder with a run",
    )
    return p


def settings_from(arguments: argparse.Namespace) -> Comparison:
    """The preset with every option that was given put in its place.

    ``--epochs`` alone keeps the preset's checkpoints up to it, and adds it as the last.
    """
    preset = PRESETS[arguments.preset]
    given: dict[str, Any] = {
        field.name: tuple(value) if isinstance(value, list) else value
        for field in dataclasses.fields(Comparison)
        if (value := getattr(arguments, field.name, None)) is not None
    }
    if "epochs" in given and "checkpoints" not in given:
        kept = [epoch for epoch in preset.checkpoints if epoch < given["epochs"]]
        given["checkpoints"] = (*kept, given["epochs"])
    return dataclasses.replace(preset, **given)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison; returns the exit status."""
    arguments = parser().parse_args(argv)
    one_thread()
    try:
        if arguments.workers < 1:
            raise ValueError(f"--workers must be at least 1, got {arguments.workers}")
        settings = settings_from(arguments)
        from neurosim.experiments.run_folder import RunFolder

        folder = RunFolder(arguments.out or Path("runs") / arguments.preset)
        run(settings, folder, arguments)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except CellsFailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: finished checkpoints are kept, run again to resume", file=sys.stderr)
        return 130
    return 0


def run(settings: Comparison, folder, arguments: argparse.Namespace) -> None:
    """Check everything, run the cells, write and print the results."""
    images, stimuli = _load_both(settings, arguments)
    for seed in settings.seeds:
        images.subset(settings.n_train, settings.n_test, seed)
    _check_device(arguments.device)
    if not arguments.resume and folder.is_claimed:
        raise ValueError(
            f"{folder.path} already holds a run: give another --out, or leave out --no-resume to "
            "go on from it"
        )
    folder.claim(settings, images, stimuli)
    if stimuli.simulated:
        print("SIMULATED data: images, subjects and ROIs are made by a program.")
    print(
        f"{len(settings.rules)} rules x {len(settings.seeds)} seeds, {settings.epochs} epochs, "
        f"{arguments.workers} worker(s), into {folder.path}"
    )
    tasks = [
        CellTask(settings, rule, seed, folder.cell(rule, seed), arguments.data_dir,
                 arguments.device)
        for rule in settings.rules
        for seed in settings.seeds
    ]  # fmt: skip
    run_cells(tasks, arguments.workers)
    from neurosim.experiments.report import write_results

    print(write_results(folder, settings, stimuli, HEADLINE_LAYER))


def _load_both(settings: Comparison, arguments: argparse.Namespace):
    """Training images and stimuli; everything that is missing is told at once."""
    from neurosim.experiments.data import DataError, load_stimuli, load_training_images

    where = {"data_dir": arguments.data_dir, "download": arguments.download}
    found, missing = [], []
    for load, name in (
        (load_training_images, settings.training),
        (load_stimuli, settings.stimuli),
    ):
        try:
            found.append(load(name, **where))
        except DataError as error:
            missing.append(str(error))
    if missing:
        raise ValueError("\n".join(missing))
    return found


def _check_device(name: str) -> None:
    import torch

    if name.split(":")[0] not in DEVICES:
        raise ValueError(f"unknown device {name!r}: the known ones are {', '.join(DEVICES)}")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0]}): give --device cpu"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
