"""What a command tells its user in one sentence, beside ValueError and OSError for wrong input."""

from __future__ import annotations


class CellsFailedError(RuntimeError):
    """Some cells ended in an error; the others are finished and kept."""


class InUseError(RuntimeError):
    """Another process holds what is asked for."""


class ClusterLostError(RuntimeError):
    """The connection to a cluster broke; what its workers finished is kept."""
