"""Declared objects that answer an unknown setting with the known ones."""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from neurosim.choices import nearest


class KnownSettings:
    """Base of dataclasses that users build by keyword, often from a registry of names.

    Python's own message names ``__init__`` and the word given, not what would have been right.
    """

    def __new__(cls, *args: Any, **given: Any) -> Self:
        # Only what Python itself would refuse.
        if dataclasses.is_dataclass(cls):
            known = [field.name for field in dataclasses.fields(cls) if field.init]
            for name in given:
                if name not in known:
                    raise TypeError(unknown_setting(cls.__name__, name, known))
        return super().__new__(cls)


def unknown_setting(of: str, name: str, known: list[str]) -> str:
    """The sentence that answers an unknown setting."""
    near = nearest(name, known)
    hint = f" (did you mean {near!r}?)" if near else ""
    takes = ", ".join(known) or "none"
    return f"{of} has no setting {name!r}{hint}: it takes {takes}"
