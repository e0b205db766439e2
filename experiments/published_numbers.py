"""The published profile against the published numbers: weights moved, and training accuracy.

    python experiments/published_numbers.py --data-dir DIR --out runs/published

Trains each rule as the profile ``published`` does (8,000 CIFAR-10 images, 40 epochs, seed 42) and
evaluates nothing. One file a rule, rewritten after each epoch: running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from neurosim.experiments.settings.config import PRESETS, Comparison
from neurosim.experiments.settings.options import Parser
from neurosim.experiments.system.failures import exit_status
from neurosim.experiments.system.threads import one_thread

#: Rule -> what arXiv 2605.30556 and its checks give after 40 epochs: percent that Conv1 to Conv3
#: moved (relative Frobenius; None: not given), and training accuracy.
PUBLISHED: Mapping[str, tuple[tuple[float | None, ...], float]] = {
    "bp": ((29.0, 90.0, 119.0), 0.80),
    "fa": ((None, None, None), 0.37),
    "pc": ((2.1, 7.2, 0.0), 0.60),
    "stdp": ((0.1, 0.1, 0.1), 0.63),
}
#: For STDP the published figure is a bound.
BOUNDED = ("stdp",)
LAYERS = ("Conv1", "Conv2", "Conv3")


@dataclass(frozen=True)
class Training:
    """One rule's training."""

    settings: Comparison
    rule: str
    seed: int
    path: Path

    def run(self, images: Any, report: Any) -> dict[str, list[float]]:
        """Train to the end, from where the file is; returns a list an epoch for each quantity."""
        import torch

        from neurosim.experiments.job.batches import epoch_batches, normalise
        from neurosim.experiments.job.job import build_learner
        from neurosim.experiments.job.profiles import profile_of
        from neurosim.storage import read_tree, write_tree
        from neurosim.streams import generator
        from neurosim.training import Trainer, movement

        settings = self.settings
        subset = images.subset(settings.n_train, None, self.seed)
        x, y = normalise(subset.x_train), torch.as_tensor(subset.y_train)
        learner = build_learner(settings, self.rule, self.seed, len(images.class_names))
        initial = {name: t.clone() for name, t in learner.tensors().items()}
        n_steps = len(x) // settings.batch_size * settings.epochs
        trainer = Trainer(learner.parts, n_steps)
        identity = f"{settings.cell_settings()} {self.rule} {self.seed} {images.sha256}"
        log: dict[str, list[float]] = {name: [] for name in (*LAYERS, "accuracy")}
        if self.path.is_file():
            tree = read_tree(self.path)
            if tree["identity"] != identity:
                raise ValueError(f"{self.path} is of another training: give another --out")
            learner.load(tree["tensors"])
            trainer.load_state(tree["trainer"])
            log = {name: list(map(float, values)) for name, values in tree["log"].items()}
        augmentations = profile_of(settings).augmentations
        for epoch in range(len(log["accuracy"]) + 1, settings.epochs + 1):
            n_correct = n_seen = 0
            noise = generator(self.seed, f"noise/{self.rule}", epoch)
            for batch in epoch_batches(
                x, y, seed=self.seed, epoch=epoch, batch_size=settings.batch_size,
                augmentation=settings.augmentation, augmentations=augmentations,
            ):  # fmt: skip
                done = trainer.step(*batch, noise)
                n_correct, n_seen = n_correct + done.n_correct, n_seen + done.n_images
            now = learner.tensors()
            for name in LAYERS:
                moved = movement(initial[f"{name}.weight"], now[f"{name}.weight"])
                log[name].append(100 * moved.displacement)
            log["accuracy"].append(n_correct / n_seen)
            state = {"tensors": now, "trainer": trainer.state(), "log": log}
            write_tree(self.path, {"identity": identity, **state})
            report(f"{self.rule} epoch {epoch}: accuracy {log['accuracy'][-1]:.3f}")
        return log


def compared(measured: Mapping[str, Mapping[str, Sequence[float]]]):
    """A table: rule, quantity, measured (last epoch), published, ``deviation`` (relative; NaN where
    the published figure is absent, a bound or 0), ``agrees`` (within 15 %, or within the bound)."""
    import numpy as np
    import pandas as pd

    rows = []
    for rule, log in measured.items():
        moved, accuracy = PUBLISHED[rule]
        targets = [*zip((f"{name} moved (%)" for name in LAYERS), LAYERS, moved, strict=True),
                   ("training accuracy", "accuracy", accuracy)]  # fmt: skip
        for quantity, key, published in targets:
            value, agrees = log[key][-1], None
            relative = np.nan
            if published is not None:
                bound = rule in BOUNDED and key != "accuracy"
                if not bound and published:
                    relative = value / published - 1
                # 0.0 is printed to one decimal.
                agrees = value < max(published, 0.05) if bound or not published else (
                    abs(relative) <= 0.15
                )  # fmt: skip
            rows.append(
                {
                    "rule": rule,
                    "quantity": quantity,
                    "epochs": len(log[key]),
                    "measured": value,
                    "published": published,
                    "deviation": relative,
                    "agrees": agrees,
                }
            )
    return pd.DataFrame(rows)


def parser() -> Parser:
    """The command line."""
    p = Parser(description=__doc__.split("\n")[0])
    p.add_argument("--rules", nargs="+", choices=PUBLISHED, default=list(PUBLISHED))
    p.add_argument("--seed", type=int, default=42, help="default: %(default)s")
    p.add_argument("--epochs", type=int, default=40, help="default: %(default)s")
    p.add_argument("--training", default="cifar10", help="images by name; default: %(default)s")
    p.add_argument("--n-train", type=int, default=8000, help="default: %(default)s")
    p.add_argument("--without", nargs="+", default=[], metavar="SWITCH", help="left off")
    p.add_argument("--data-dir", type=Path, help="default: $NEUROSIM_DATA, else the user's cache")
    p.add_argument("--out", type=Path, default=Path("runs/published"), help="default: %(default)s")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Train, compare and write; returns the exit status."""
    one_thread()
    return exit_status(
        partial(_command, argv),
        interrupted="run again to resume",
        refused=(ValueError, OSError, ArithmeticError),
    )


def _command(argv: Sequence[str] | None) -> None:
    arguments = parser().parse_args(argv)
    from neurosim.experiments.data.registry import load_training_images
    from neurosim.storage import write_text

    settings = replace(
        PRESETS["paper"],
        training=arguments.training,
        n_train=arguments.n_train,
        epochs=arguments.epochs,
        checkpoints=tuple(dict.fromkeys((0, arguments.epochs))),
        profile="published",
        without=tuple(arguments.without),
    )
    images = load_training_images(arguments.training, arguments.data_dir)
    measured = {
        rule: Training(
            settings,
            rule,
            arguments.seed,
            arguments.out / f"{rule}-seed{arguments.seed}.h5",
        ).run(images, lambda line: print(line, file=sys.stderr))
        for rule in arguments.rules
    }
    table = compared(measured)
    write_text(arguments.out / "published_numbers.csv", table.to_csv(index=False))
    print(table.to_string(index=False, float_format=lambda v: f"{v:.4g}", na_rep="-"))


if __name__ == "__main__":
    sys.exit(main())
