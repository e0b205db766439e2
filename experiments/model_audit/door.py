"""``neurosim.audit``: the public door to the audit of any torch model."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from neurosim.experiments.model_audit.evidence import examine
from neurosim.experiments.model_audit.features import MEMORY
from neurosim.experiments.model_audit.from_features import (
    Features,
    examine_features,
    features_of,
)
from neurosim.experiments.model_audit.inputs import Preprocessing, Shown, gather, images_of
from neurosim.experiments.model_audit.result import ModelAudit
from neurosim.models.interop.module_states import own_random_numbers
from neurosim.naming.settings import require_count


def audit(
    model: Any,
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
    random: Any = None,
    of_stimuli: Any = None,
    random_of_stimuli: Any = (),
    keeps_statistics: bool = True,
    training_images: Any = None,
    stimuli: Sequence[str] | None = None,
    sizes: int | Sequence[int] | None = None,
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
            mapping or record that holds one. Scores are of evaluation mode. Where it cannot be
            given: features that other code made of the images, a mapping from layers to
            (n, ...) arrays or to tables whose index names the images, or a folder as thingsvision
            or Net2Brain write it (``rsa.load_features``).
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
        random: a function from a seed to a random network of the same architecture, in place of
            ``reset_parameters``; of features, those of one random network per seed.
        of_stimuli, random_of_stimuli: of features, those of the network and of its random networks
            with the normalisation statistics of the stimuli. keeps_statistics: False where a
            network that cannot be given keeps none.
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
    if not isinstance(model, nn.Module | Mapping | str | os.PathLike):
        raise TypeError(
            f"model is a torch.nn.Module, or features of its layers; got a {type(model).__name__}"
        )
    sizes = [sizes] if isinstance(sizes, int) else sizes
    for what, px in (("size", size), *(("sizes", each) for each in sizes or ())):
        if px is not None:
            require_count(what, px)
    given = gather(images, brain, stimuli=stimuli, data_dir=data_dir)
    how = Preprocessing(mean, sd, size, preprocess)
    shown = Shown(given.images, how)
    if not isinstance(model, nn.Module):
        random, random_of_stimuli = (
            tuple(map(features_of, each or ())) for each in (random, random_of_stimuli)
        )
        features = Features(
            features_of(model), random, None if of_stimuli is None else features_of(of_stimuli),
            random_of_stimuli, keeps_statistics,
        )  # fmt: skip
        wanted = [layers] if isinstance(layers, str) else layers
        called = name or ("features" if isinstance(model, Mapping) else Path(model).name)
        return ModelAudit.of(called, examine_features(
            features, given, shown, layers=wanted, n_permutations=n_permutations,
            n_samples=n_samples,
        ))  # fmt: skip
    if of_stimuli is not None or random_of_stimuli or not keeps_statistics:
        raise ValueError(
            "of_stimuli, random_of_stimuli and keeps_statistics are of features; a model is shown "
            "the images in every state itself"
        )
    if random is not None and not callable(random):
        raise ValueError(
            "random is a function from a seed to a random network of the same architecture; got a "
            f"{type(random).__name__}"
        )
    drawn = _seeds(seeds)
    training = None
    if training_images is not None:
        training = Shown(images_of(training_images)[0], how)
    # The caller's random numbers stay where they are, even where the model draws some.
    with own_random_numbers():
        found = examine(
            model, given, shown,
            layers=layers, readout=readout, seeds=drawn, fresh=random, training=training,
            sizes=sizes,
            n_permutations=n_permutations, n_samples=n_samples, batch=batch, memory=memory,
            tell=(lambda words: print(words, file=sys.stderr)) if progress else lambda words: None,
        )  # fmt: skip
    return ModelAudit.of(name or type(model).__name__, found)


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    drawn = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not drawn:
        raise ValueError(f"at least one random network is needed; got seeds={seeds!r}")
    if len(set(drawn)) < len(drawn):
        raise ValueError(f"seeds are of different networks; got one twice in {seeds!r}")
    return drawn
