"""The registered dissimilarities.

To add one, write an object of class ``Dissimilarity`` (or a function that makes one from its
options) and one line here; the law tests then cover it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurosim.rsa.rdm.distances import CORRELATION, COSINE, Dissimilarity, Euclidean
from neurosim.rsa.rdm.multivariate_noise import Crossnobis, Mahalanobis
from neurosim.rsa.rdm.spike_distances import VanRossum, VictorPurpura
from neurosim.rsa.rdm.spike_rates import PoissonKL

DISSIMILARITIES: dict[str, Callable[..., Dissimilarity]] = {
    "correlation": lambda: CORRELATION,
    "cosine": lambda: COSINE,
    "euclidean": lambda: Euclidean(),
    "sqeuclidean": lambda: Euclidean(squared=True),
    "mahalanobis": Mahalanobis,
    "crossnobis": Crossnobis,
    "poisson-kl": PoissonKL,
    "victor-purpura": VictorPurpura,
    "van-rossum": VanRossum,
}


def find_dissimilarity(metric: str | Dissimilarity, **options: Any) -> Dissimilarity:
    """The registered dissimilarity of this name with these options, or the object itself."""
    if isinstance(metric, Dissimilarity):
        if options:
            raise TypeError(f"{metric!r} has its options already; got {sorted(options)} besides")
        return metric
    if metric not in DISSIMILARITIES:
        raise ValueError(
            f"unknown dissimilarity {metric!r}; known: {', '.join(sorted(DISSIMILARITIES))} "
            "(or give a Dissimilarity object)"
        )
    try:
        return DISSIMILARITIES[metric](**options)
    except TypeError as error:
        raise TypeError(
            f"dissimilarity {metric!r} with options {sorted(options)}: {error}"
        ) from error
