"""Audit a torch model against a brain, or features of one, or a run: by its argument.

neurosim audit ./mymodel.py:make --images brain92 --size 224
neurosim audit timm_zoo:resnet --images pictures/ --brain rdms.h5 --out resnet-audit
neurosim audit features/resnet50 --images brain92 --random features/random-0 features/random-1
neurosim audit runs/headline
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.experiments.settings.options import Parser, require_folder
from neurosim.experiments.system.failures import exit_status
from neurosim.experiments.system.threads import one_thread
from neurosim.naming import own

if TYPE_CHECKING:
    from torch import nn


def parser() -> Parser:
    """The command line of models; a folder takes the options of a comparison."""
    p = Parser(description=__doc__.split("\n")[0], epilog="docs/audit.md says what verdicts mean.")
    p.add_argument(
        "targets", nargs="+", metavar="MODULE:FUNCTION | FILE.py:FUNCTION | FOLDER",
        help="a function that makes the model (or the model and its preprocessing), a folder of "
        "features (thingsvision, Net2Brain), or a folder of a run or of activations",
    )  # fmt: skip
    p.add_argument("--images", "--stimuli", dest="images", help="a stimulus set, or a folder")
    p.add_argument("--brain", help="a file of RDMs; default: that of the stimulus set")
    p.add_argument("--layers", nargs="+", help="names or globs; default: found by themselves")
    p.add_argument("--size", type=int, help="px that the model reads; default: as images are")
    p.add_argument("--mean", type=float, nargs="+", default=[0.0], help="of intensities 0 to 1")
    p.add_argument("--sd", type=float, nargs="+", default=[1.0], help="of intensities 0 to 1")
    p.add_argument("--readout", default="whole", help="whole, 4x4, mean or class")
    p.add_argument("--seeds", type=int, default=5, help="how many random networks (default 5)")
    p.add_argument(
        "--random", nargs="+", default=[],
        help="a function from a seed to a random network, default: reset_parameters; of features, "
        "folders of random networks",
    )  # fmt: skip
    p.add_argument("--of-stimuli", help="features with the normalisation statistics of the stimuli")
    p.add_argument("--random-of-stimuli", nargs="+", default=[], help="those of random networks")
    p.add_argument("--no-statistics", action="store_true", help="features: the network keeps none")
    p.add_argument("--training-images", help="a folder, for statistics of training images")
    p.add_argument("--out", type=Path, help="folder for audit.html, audit.json, scores.csv")
    p.add_argument("--strict", action="store_true", help="exit status 1 where a verdict warns too")
    p.add_argument("--data-dir", type=Path, help="default: $NEUROSIM_DATA, else the user's cache")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Audit; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    first = words[0] if words else "-"
    if _holds(first) and not _holds_features(first):
        from neurosim.experiments.training_dynamics import main as of_folders

        return of_folders(["--audit", *words])
    one_thread()
    return exit_status(partial(_command, words), interrupted="nothing was written")


def _holds(target: str) -> bool:
    folder = Path(target)
    return folder.is_dir() and any(folder.iterdir())


def _holds_features(target: str) -> bool:
    """Whether a folder holds features that other tools wrote, and no run nor files of our own."""
    folder = Path(target)
    if not folder.is_dir() or (folder / "run.json").exists():
        return False
    from neurosim.experiments.audit.activations import holds_activations
    from neurosim.rsa.io.thingsvision_files import holds_thingsvision

    places = (folder, *(p for p in folder.iterdir() if p.is_dir()))
    return any(map(holds_thingsvision, places)) or (
        any(folder.glob("*.npz")) and not holds_activations(folder)
    )


def _command(argv: Sequence[str]) -> int:
    chosen = parser().parse_args(argv)
    for target in chosen.targets:
        if ":" not in target and not _holds(target):
            raise ValueError(
                f"{target} is no folder that holds a run, activations or features: give one, or "
                "the function that makes a model, FILE.py:FUNCTION or MODULE:FUNCTION"
            )
    if chosen.images is None:
        raise ValueError("say which images to show: --images, a stimulus set or a folder")
    require_folder(chosen.out or Path("audits"))
    from neurosim.experiments.model_audit.door import audit

    status = 0
    for target in chosen.targets:
        if _holds_features(target):
            name = Path(target).resolve().name
            found = audit(
                target, chosen.images, chosen.brain, layers=chosen.layers, size=chosen.size,
                random=chosen.random, of_stimuli=chosen.of_stimuli,
                random_of_stimuli=chosen.random_of_stimuli,
                keeps_statistics=not chosen.no_statistics, data_dir=chosen.data_dir, name=name,
            )  # fmt: skip
        else:
            model, preprocess = load_model(target)
            place, _, function = target.rpartition(":")
            name = f"{Path(place).stem}:{function}"
            found = audit(
                model, chosen.images, chosen.brain, layers=chosen.layers, preprocess=preprocess,
                mean=_one(chosen.mean), sd=_one(chosen.sd), size=chosen.size,
                readout=chosen.readout, seeds=chosen.seeds, random=_maker(chosen.random),
                training_images=chosen.training_images, data_dir=chosen.data_dir, name=name,
                progress=True,
            )  # fmt: skip
        folder = chosen.out or Path("audits")
        if len(chosen.targets) > 1 or not chosen.out:
            folder = folder / name.replace(":", "-")
        page = found.write(folder)
        print(f"{found}\n{found.badge()}\n{page}")
        status = max(status, found.status(chosen.strict))
    return status


def _maker(targets: Sequence[str]) -> Any:
    """The function from a seed to a random network that ``--random`` names; None where not."""
    if not targets:
        return None
    if len(targets) > 1:
        raise ValueError(f"--random takes one function of a model; got {len(targets)}")
    made = own.located(targets[0])
    if not callable(made):
        raise ValueError(f"{targets[0]} is not a function from a seed to a random network")
    return made


def _one(values: list[float]) -> Any:
    return values[0] if len(values) == 1 else values


def load_model(target: str) -> tuple[nn.Module, Any]:
    """The model that ``MODULE:FUNCTION`` or ``FILE.py:FUNCTION`` makes, and its preprocessing.

    Raises:
        ValueError: no such file, module, function or model; one sentence.
    """
    from torch import nn

    made = own.located(target)
    if not isinstance(made, nn.Module):
        made = made() if callable(made) else made
    model, preprocess = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"{target} makes a {type(model).__name__}, not a torch.nn.Module (nor one and its "
            "preprocessing)"
        )
    return model, preprocess
