"""The network of a comparison: what its layers are called and what they are for."""

from __future__ import annotations

from functools import lru_cache

from neurosim.experiments.settings.config import Comparison
from neurosim.models.network.graph import Network, Roles
from neurosim.models.rules.learner import SharedStart


def network_of(settings: Comparison) -> Network:
    """The network that the rules of a comparison start from, with weights of no seed of it."""
    return _network(settings.network, settings.training_px, settings.norm)


def roles_of(settings: Comparison) -> Roles:
    """What its layers are for."""
    return network_of(settings).roles


@lru_cache(maxsize=8)
def _network(name: str, px: int, norm: str) -> Network:
    return SharedStart(0, px, architecture=name, norm=norm).network()
