"""One network and task, every encoder: accuracy, spikes, synaptic events, time, brain alignment.

    python experiments/encoder_swap.py                                    # demo, SIMULATED data
    python experiments/encoder_swap.py --training cifar10 --stimuli brain92 --data-dir DIR

Writes ``curve.csv`` (accuracy against time and cost), ``energy.csv`` (by layer), ``alignment.csv``
(the RSA table), ``summary.csv`` (means over seeds, with the least and the most) and figures into
the run folder, and prints a summary. Running it again resumes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from neurosim.experiments.settings.options import Layer, Parser, add_options, build
from neurosim.experiments.swap.config import EncoderSwap, SwapExecution
from neurosim.experiments.system.failures import exit_status
from neurosim.experiments.system.threads import one_thread

if TYPE_CHECKING:
    from neurosim.experiments.data.types import StimulusSet, TrainingImages


def parser() -> Parser:
    """The command line."""
    p = Parser(description=__doc__.split("\n")[0], epilog="Running the same command resumes.")
    add_options(p, EncoderSwap, "what is compared")
    add_options(p, SwapExecution, "its execution")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit status."""
    one_thread()
    return exit_status(
        partial(_command, argv), interrupted="finished parts are kept, run again to resume"
    )


def _command(argv: Sequence[str] | None) -> None:
    layer = Layer.from_command_line(parser().parse_args(argv), EncoderSwap, SwapExecution)
    settings = build(EncoderSwap, EncoderSwap(), layer)
    run(settings, build(SwapExecution, SwapExecution(), layer))


def run(settings: EncoderSwap, execution: SwapExecution) -> None:
    """Check everything, run the parts that are missing, write and print the results."""
    from tqdm import tqdm

    from neurosim.experiments.data.registry import load_stimuli, load_training_images
    from neurosim.experiments.swap.folder import SwapFolder
    from neurosim.experiments.swap.part import SwapImages, run_part

    where: dict[str, Any] = {"data_dir": execution.data_dir, "download": execution.download}
    images = load_training_images(settings.training, **where)
    stimuli = load_stimuli(settings.stimuli, **where)
    _check(settings, images, stimuli)
    folder = SwapFolder(execution.out)
    folder.claim(settings, images, stimuli)
    if stimuli.simulated or images.simulated:
        print("SIMULATED data: images, subjects and ROIs are made by a program.")
    parts = [(encoder, seed) for seed in settings.seeds for encoder in settings.encoders]
    there = folder.finished()
    missing = [part for part in parts if part not in there]
    print(f"{len(parts)} parts, {len(parts) - len(missing)} of them there, into {folder.path}")
    data: dict[int, SwapImages] = {}
    with tqdm(missing, unit="part", disable=not sys.stderr.isatty()) as bar:
        for encoder, seed in bar:
            if seed not in data:
                data = {seed: SwapImages.of(settings, seed, images)}
            bar.set_description(f"{encoder}, seed {seed}")
            tree = run_part(settings, encoder, seed, data[seed], stimuli, bar.set_postfix_str)
            folder.keep(encoder, seed, tree)
            if bar.disable:
                print(f"done: {encoder}, seed {seed}", flush=True)
    print(folder.write_results(settings, images, stimuli))


def _check(settings: EncoderSwap, images: TrainingImages, stimuli: StimulusSet) -> None:
    """What only shows in an encoder's or the data's own checks, before long work starts."""
    from neurosim.experiments.swap.config import DT_MS
    from neurosim.spiking.cells.registry import CELLS

    CELLS[settings.cell](dt_ms=DT_MS)
    for seed in settings.seeds:
        images.subset(settings.n_train, settings.n_test, seed)
    if images.x_train.shape[1] != images.x_train.shape[2] or images.x_train.shape[1] < 16:
        raise ValueError(
            f"training images must be square and at least 16 px, got {images.x_train.shape[1:3]}"
        )


if __name__ == "__main__":
    sys.exit(main())
