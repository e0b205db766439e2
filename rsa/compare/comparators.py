"""The registered comparators.

To add one that is a function of two vectors, write the function and one line here; the law
tests then cover it.
"""

from __future__ import annotations

from neurosim.rsa.compare.comparator import Comparator, Pairwise
from neurosim.rsa.compare.correlations import InnerProduct, RankCorrelation
from neurosim.rsa.compare.geometry import Procrustes, Whitened
from neurosim.rsa.compare.kendall import tau_a, tau_b
from neurosim.rsa.compare.transport import GromovWasserstein

COMPARATORS: dict[str, Comparator] = {
    c.name: c
    for c in (
        RankCorrelation("spearman"),
        RankCorrelation("rho-a", tie_corrected=False),
        Pairwise("kendall-tau-a", tau_a, is_correlation=True, of_ranks=True),
        Pairwise("kendall-tau-b", tau_b, is_correlation=True, of_ranks=True),
        InnerProduct("pearson", centred=True),
        InnerProduct("cosine", centred=False),
        Whitened("whitened-cosine", centred=False),
        Whitened("whitened-correlation", centred=True),
        Whitened("linear-cka", centred=False),
        Procrustes("procrustes"),
        GromovWasserstein("gromov-wasserstein"),
    )
}


def find_comparator(method: str | Comparator) -> Comparator:
    """The registered comparator of this name, or the object itself."""
    if isinstance(method, Comparator):
        return method
    if method not in COMPARATORS:
        raise ValueError(
            f"unknown comparison method {method!r}; known: {', '.join(sorted(COMPARATORS))} "
            "(or give a Comparator object)"
        )
    return COMPARATORS[method]
