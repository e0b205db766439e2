"""How patterns become RDMs and RDMs scores: by name, with settings, or of a user's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from neurosim import rsa
from neurosim.experiments.settings.config import COMPARATOR_NAMES, DISSIMILARITY_NAMES, Comparison
from neurosim.naming.choices import Choices
from neurosim.naming.made import made
from neurosim.rsa import Comparator, Dissimilarity
from neurosim.rsa.compare.comparator import Pairwise
from neurosim.rsa.rdm.distances import OfFunction


@dataclass(frozen=True)
class _OfFunction:
    """An entry made of a plain function of arrays, whose keyword arguments are the settings."""

    function: Callable[..., Any]
    kind: Callable[[str, Callable[..., Any]], Any]

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        return self.function

    def __call__(self, **settings: Any) -> Any:
        return self.kind(self.function.__name__, partial(self.function, **settings))


def _adapt(kind: Callable[[str, Callable[..., Any]], Any]) -> Callable[[Any], Any]:
    def adapt(thing: Any) -> Any:
        return _OfFunction(thing, kind) if inspect.isfunction(thing) else thing

    return adapt


def _entry(maker: Any) -> Any:
    """A class, whose fields are settings, or the object that a function without settings makes."""
    return maker if inspect.isclass(maker) else maker()


#: Those of ``rsa`` that compare patterns (n_stimuli, n_units); spike trains and repeated
#: measurements are none.
DISSIMILARITIES: Choices[Any] = Choices(
    "dissimilarity",
    {name: _entry(rsa.DISSIMILARITIES[name]) for name in DISSIMILARITY_NAMES},
    base=Dissimilarity,
    group="neurosim.dissimilarities",
    adapt=_adapt(OfFunction),
)
#: Those of ``rsa`` whose scores are larger where RDMs are closer, as all that is said of a run
#: takes them to be.
COMPARATORS: Choices[Any] = Choices(
    "comparator",
    {name: rsa.COMPARATORS[name] for name in COMPARATOR_NAMES},
    base=Comparator,
    group="neurosim.comparators",
    adapt=_adapt(Pairwise),
)


@dataclass(frozen=True)
class Measures:
    """The dissimilarity of patterns and the comparator of RDMs that scores are made with."""

    dissimilarity: Dissimilarity
    comparator: Comparator

    @classmethod
    def of(cls, settings: Comparison) -> Measures:
        """Those of a comparison.

        Raises:
            ValueError: there is none of that name, or scores would not be what readers take them
                to be: numbers from -1 to 1, larger where RDMs are closer.
        """
        found = cls(
            made(DISSIMILARITIES, settings.dissimilarity), made(COMPARATORS, settings.comparator)
        )
        try:
            found._try_out(settings)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(
                f"the dissimilarity {settings.dissimilarity} or the comparator "
                f"{settings.comparator} cannot be used ({type(error).__name__}: {error})"
            ) from error
        return found

    def _try_out(self, settings: Comparison) -> None:
        if not self.comparator.larger_is_closer:
            raise ValueError(
                f"the comparator {settings.comparator} is a distance, smaller where RDMs are "
                "closer, and figures and verdicts take larger for closer: give one of "
                f"{', '.join(COMPARATOR_NAMES)}"
            )
        draws = np.random.default_rng(0)
        a, b = (self.dissimilarity.condensed(draws.random((6, 4)))[0][None] for _ in range(2))
        scores = np.concatenate([self.comparator(a, a), self.comparator(a, b)], axis=None)
        if not (np.abs(scores) <= 1 + 1e-9).all():
            raise ValueError(
                f"the comparator {settings.comparator} scores an RDM with itself {scores[0]:.3g} "
                f"and with another {scores[1]:.3g}: it has to give numbers from -1 to 1"
            )
        if scores[0] < scores[1]:
            raise ValueError(
                f"the comparator {settings.comparator} scores an RDM with itself lower "
                f"({scores[0]:.3g}) than with another ({scores[1]:.3g}): larger has to be closer"
            )


USUAL = Measures(DISSIMILARITIES["correlation"], COMPARATORS["spearman"])
