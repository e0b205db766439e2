"""``neurosim.audit``: the public door to the audit of any torch model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from neurosim.experiments.model_audit.evidence import examine
from neurosim.experiments.model_audit.features import MEMORY
from neurosim.experiments.model_audit.inputs import Preprocessing, Shown, gather, images_of
from neurosim.experiments.model_audit.result import ModelAudit
from neurosim.models.interop.module_states import own_random_numbers


def audit(
    model: nn.Module,
    images: Any,
    brain: Any = None,
    *,
    layers: str | Sequence[str] | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    mean: Any = 0.0,
    sd: Any = 1.0,
    size: int | None = None,
    readout: str = "whole",
    seeds: int | Sequence[int] = 5,
    training_images: Any = None,
    stimuli: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    n_permutations: int = 1000,
    n_samples: int = 1000,
    batch: int | None = None,
    memory: int = MEMORY,
    data_dir: Any = None,
    name: str = "",
    progress: bool = False,
) -> ModelAudit:
    """What of a brain score is learning, architecture, normalisation, images, choice, noise.

    The model is shown the images as it is and, as copies, with random and permuted weights, each
    with its normalisation statistics as given, as initialised and of the stimuli. It is left as it
    was, and so is the global random generator.

    Args:
        model: any torch module that reads (n, 3, height, width) and answers a tensor, or a tuple,
            mapping or record that holds one. Scores are of evaluation mode.
        images: (n, height, width, 3) array (uint8, or floats from 0 to 1), a folder, a mapping of
            names to arrays, a ``StimulusSet``, or the name of one (``"brain92"``).
        brain: ``BrainRDMs``, RDMs (subjects, n_pairs) or (subjects, n, n), a mapping from regions
            to RDMs or to responses (one (n, voxels) array per subject), or a file that
            ``rsa.load_rdms`` or ``BrainRDMs.load`` reads. None: that of the stimulus set. Where
            both sides name their stimuli, images are put in the brain's order.
        layers: names of modules, globs, or ``NAME:in`` for what a module reads; None: the stem, one
            after each block, what feeds the head.
        preprocess: a function of one PIL image (torchvision, timm); or
        mean, sd, size: (x - mean) / sd of intensities from 0 to 1, at ``size`` px.
        readout: ``whole``, ``4x4``, ``mean`` or ``class``: which one sentences speak of.
        seeds: of the random networks: how many, or which.
        training_images: some of the model's training images, in any form that ``images`` takes, for
            statistics of theirs.
        sizes: other sizes to show; None: 3/4 and 5/4 of the given one.
        n_permutations, n_samples: relabellings of the stimuli; resamples of an interval.
        batch: images at once; None: as many as keep tensors small.
        memory: bytes of activity that are held at once.
        progress: say on stderr what was done.

    Returns:
        ``ModelAudit``: ``print`` it, ``.table``, ``.findings``, ``.write(folder)``.

    Raises:
        ValueError: what was given does not fit; one sentence says what and the remedy.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is a torch.nn.Module; got a {type(model).__name__}")
    drawn = range(seeds) if isinstance(seeds, int) else tuple(seeds)
    if len(drawn) < 1:
        raise ValueError(f"at least one random network is needed; got seeds={seeds!r}")
    given = gather(images, brain, stimuli=stimuli, data_dir=data_dir)
    how = Preprocessing(mean, sd, size, preprocess)
    shown = Shown(given.images, how)
    training = None
    if training_images is not None:
        training = Shown(images_of(training_images)[0], how)
    # The caller's random numbers stay where they are, even where the model draws some.
    with own_random_numbers():
        found = examine(
            model, given, shown,
            layers=layers, readout=readout, seeds=tuple(drawn), training=training, sizes=sizes,
            n_permutations=n_permutations, n_samples=n_samples, batch=batch, memory=memory,
            tell=(lambda words: print(words, file=sys.stderr)) if progress else lambda words: None,
        )  # fmt: skip
    return ModelAudit.of(name or type(model).__name__, found)
