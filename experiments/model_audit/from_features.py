"""An audit of features that other code made, for people who cannot give the model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.model_audit.evidence import Array, Evidence, completed
from neurosim.experiments.model_audit.features import LayerFacts, Seen, look_at
from neurosim.experiments.model_audit.inputs import Given, Shown, order_of
from neurosim.experiments.model_audit.order import find_order
from neurosim.models.interop.module_layers import Layer
from neurosim.models.interop.module_states import (
    AS_GIVEN,
    GIVEN,
    INITIALISED,
    NO_STATISTICS,
    RANDOM,
    STIMULI,
    State,
)
from neurosim.rsa import UndefinedPatternWarning, load_features, reference_rdms


@dataclass(frozen=True, eq=False)
class Features:
    """Features of one network in as many states as there are, each a mapping from layers to
    (n_stimuli, ...) arrays, or to tables whose index names the stimuli.

    given: the network as it is. random: of its architecture with random weights, as initialised,
    one per seed. of_stimuli, random_of_stimuli: both with the normalisation statistics of the
    stimuli. keeps_statistics: False for a network that keeps none.
    """

    given: Mapping[str, Any]
    random: Sequence[Mapping[str, Any]] = ()
    of_stimuli: Mapping[str, Any] | None = None
    random_of_stimuli: Sequence[Mapping[str, Any]] = ()
    keeps_statistics: bool = True

    def states(self) -> dict[State, Mapping[str, Any]]:
        """Every state that was given."""
        own, fresh = (
            (AS_GIVEN, INITIALISED) if self.keeps_statistics else (NO_STATISTICS, NO_STATISTICS)
        )
        found = {State(GIVEN, -1, own): self.given}
        found |= {State(RANDOM, i, fresh): each for i, each in enumerate(self.random)}
        if self.of_stimuli is not None:
            found[State(GIVEN, -1, STIMULI)] = self.of_stimuli
        each = enumerate(self.random_of_stimuli)
        return found | {State(RANDOM, i, STIMULI): layers for i, layers in each}

    def checked(self) -> Features:
        """Itself.

        Raises:
            ValueError: states that cannot be of one comparison.
        """
        calibrated = self.of_stimuli is not None or len(self.random_of_stimuli) > 0
        if calibrated and not self.keeps_statistics:
            raise ValueError(
                "a network that keeps no statistics has no others: leave of_stimuli and "
                "random_of_stimuli out"
            )
        if calibrated and len(self.random_of_stimuli) not in (0, len(self.random)):
            raise ValueError(
                f"there are {len(self.random)} random networks as initialised and "
                f"{len(self.random_of_stimuli)} with the statistics of the stimuli: give the same "
                "seeds of both"
            )
        return self


def features_of(given: Any) -> Mapping[str, Any]:
    """Layers of what was given: a mapping as it is, a folder or file as ``rsa`` reads it.

    Raises:
        ValueError, FileNotFoundError: there is no such folder, or it holds no features.
    """
    if isinstance(given, Mapping):
        return given
    if not Path(given).exists():
        raise ValueError(
            f"the model is a torch.nn.Module or features of its layers; there is no folder of "
            f"features {os.fspath(given)!r}"
        )
    return load_features(given)


def examine_features(
    features: Features, given: Given, shown: Shown, *, layers: Sequence[str] | None = None,
    n_permutations: int = 1000, n_samples: int = 1000,
) -> Evidence:  # fmt: skip
    """Hold features against the brain, and say nothing of what only the model could tell."""
    states = features.checked().states()
    own = next(iter(states))
    wanted = list(features.given) if layers is None else list(layers)
    found: list[Layer] = []
    rdms: dict[tuple[State, int, int], dict[tuple[str, str], Array]] = {}
    facts: dict[str, LayerFacts] = {}
    named = True
    for state, tables in states.items():
        seen = Seen()
        for name in wanted:
            flat, matched = _rows(tables, name, state, given)
            named &= matched
            layer = Layer(name, 0, 1, flat.shape[1:])
            if state == own:
                found.append(layer)
            elif layer not in found:
                width = found[wanted.index(name)].n_features
                raise ValueError(
                    f"{state.in_words()}: layer {name!r} has {flat.shape[1]} features, as given "
                    f"{width}: give states of one architecture"
                )
            look_at(layer, flat, seen)
        rdms[state, 0, 0] = {key: row for key, row in seen.rdms.items() if key[1] == "whole"}
        facts = facts or seen.facts
    pictures = shown.pixels()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedPatternWarning)  # an image of one colour
        references = {n: r.dissimilarities for n, r in reference_rdms(pictures).items()}
    order = find_order(
        given, references, rdms[own, 0, 0], pictures, made_elsewhere=True, rows_named=named
    )
    kinds = (AS_GIVEN, INITIALISED, STIMULI) if features.keeps_statistics else (NO_STATISTICS,)
    evidence = Evidence(
        given, shown, found, tuple(range(len(features.random))), "whole", None, facts, order, kinds,
        rdms, pd.DataFrame(), references, {}, {}, {},
        n_permutations=n_permutations, n_samples=n_samples,
    )  # fmt: skip
    return completed(evidence)


def _rows(
    tables: Mapping[str, Any], name: str, state: State, given: Given
) -> tuple[np.ndarray, bool]:
    """(n_stimuli, n_features) of a layer in the order of the images, and whether names say so."""
    if name not in tables:
        known = ", ".join(list(tables)[:10])
        raise ValueError(f"{state.in_words()}: there are no features of {name!r}; of {known}")
    table, n = tables[name], len(given.images)
    index = getattr(table, "index", None)
    values = np.asarray(table)
    if values.dtype.kind not in "fiub" or values.ndim < 2:
        raise ValueError(
            f"{state.in_words()}: {name!r} is {values.dtype} of shape {values.shape}; features are "
            "numbers, one row per stimulus"
        )
    flat = np.ascontiguousarray(values.reshape(len(values), -1), dtype=np.float32)
    names = None if index is None or isinstance(index, pd.RangeIndex) else [str(x) for x in index]
    order = order_of(names, given.stimuli, "features") if names and given.stimuli else None
    if order is not None:
        return flat[order], True
    if len(flat) != n:
        raise ValueError(
            f"{state.in_words()}: {name!r} has {len(flat)} rows, and there are {n} images: give "
            "one row per image"
        )
    return flat, False
