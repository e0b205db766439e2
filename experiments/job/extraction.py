"""How activity is taken from a learner: in which batches, and what becomes of its state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import final

from neurosim.models.rules.learner import Learner

#: Images go through a network in batches of about this many pixels, to bound memory.
_PIXELS_A_BATCH = 128 * 32 * 32


class ChangedStateError(RuntimeError):
    """An evaluation changed the learner it evaluated."""


@dataclass
class Watch:
    """``changed``: whether the learner's fingerprint differs from before; known at the end."""

    changed: bool = False


class AbstractExtraction(ABC):
    """The manner of an evaluation; ``says``: in a sentence."""

    @property
    @abstractmethod
    def says(self) -> str:
        """In a sentence."""

    @abstractmethod
    def batch_size(self, px: int) -> int:
        """Images shown at once at this size."""

    @abstractmethod
    def on_change(self, learner: Learner) -> None:
        """What to do about a learner that evaluation has changed."""

    @contextmanager
    def watch(self, learner: Learner) -> Iterator[Watch]:
        """Compare the learner's fingerprint before and after what happens inside."""
        before, watch = learner.fingerprint(), Watch()
        yield watch
        watch.changed = learner.fingerprint() != before
        if watch.changed:
            self.on_change(learner)


@final
@dataclass(frozen=True)
class Pure(AbstractExtraction):
    """A change of state is an error; batches are what memory allows, since none depends on them."""

    says = "Evaluation changed no weight and no statistic (a fingerprint was compared)."

    def batch_size(self, px: int) -> int:
        return max(1, _PIXELS_A_BATCH // px**2)

    def on_change(self, learner: Learner) -> None:
        raise ChangedStateError(
            f"evaluating {learner.name!r} changed its weights or statistics: its "
            "represent() must not write to them"
        )


@final
@dataclass(frozen=True)
class Recorded(AbstractExtraction):
    """A change of state is written down and passes; the batches, on which features may depend,
    have one size whatever the images' (128 in Leutenegger 2026, arXiv 2605.30556)."""

    images: int = 128

    @property
    def says(self) -> str:
        return (
            f"Stimuli were shown in batches of {self.images}; a change of state by evaluation was "
            "written down and not undone."
        )

    def batch_size(self, px: int) -> int:
        return self.images

    def on_change(self, learner: Learner) -> None:
        return None


def unchanged(learner: Learner) -> AbstractContextManager[Watch]:
    """Hold what happens inside to changing nothing in the learner.

    Raises:
        ChangedStateError: the learner's fingerprint differs afterwards.
    """
    return Pure().watch(learner)
