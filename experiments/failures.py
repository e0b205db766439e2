"""What a command tells its user in one sentence, beside ValueError and OSError for wrong input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any


class CellsFailedError(RuntimeError):
    """Some cells ended in an error; the others are finished and kept."""


class InUseError(RuntimeError):
    """Another process holds what is asked for."""


class ClusterLostError(RuntimeError):
    """The connection to a cluster broke; what its workers finished is kept."""


def differences(there: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """What a folder or file holds otherwise than asked, an entry in words each."""
    return [
        f"{name}: {there.get(name)!r} there, {asked.get(name)!r} asked"
        for name in sorted({*there, *asked})
        if there.get(name) != asked.get(name)
    ]


def exit_status(
    work: Callable[[], int | None],
    *,
    interrupted: str,
    refused: tuple[type[Exception], ...] = (ValueError, OSError, InUseError),
) -> int:
    """Run a command; what stops it is one sentence on stderr, anything else a traceback.

    Args:
        work: the command; None counts as 0.
        interrupted: what Ctrl-C leaves behind, in words.
        refused: what wrong input raises.

    Returns:
        What ``work`` returns; 2 for wrong input, 1 where work failed, 130 for Ctrl-C.
    """
    try:
        return work() or 0
    except refused as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (CellsFailedError, ClusterLostError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted: {interrupted}", file=sys.stderr)
        return 130
