"""Starting processes below this one: how, and what they do not see of the user's program."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.context import BaseContext


def process_context() -> BaseContext:
    """How processes begin: a fork server on Linux, whose one thread forks safely; else anew.

    macOS cannot fork what has loaded its frameworks.
    """
    return get_context("forkserver" if sys.platform == "linux" else "spawn")


@contextmanager
def program_kept_from_children() -> Iterator[None]:
    """Processes that are started inside do not run the user's script a second time.

    Python runs the main script again in each process that it starts, for functions that may be
    defined there. A script that calls ``compare(workers=2)`` without ``if __name__ == "__main__"``
    would start workers of workers. Workers of neurosim need nothing of that script.
    """
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    main.__spec__ = None
    main.__dict__.pop("__file__", None)
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)
