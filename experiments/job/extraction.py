"""How activity is taken from a learner: in which batches, and what becomes of its state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from neurosim.models.rules.learner import Learner

#: Images go through a network in batches of about this many pixels, to bound memory.
_PIXELS_A_BATCH = 128 * 32 * 32


class ChangedStateError(RuntimeError):
    """An evaluation changed the learner it evaluated."""


@dataclass
class Watch:
    """``changed``: whether the learner's fingerprint differs from before; known at the end."""

    changed: bool = False


@dataclass(frozen=True)
class Extraction:
    """The manner of an evaluation.

    images: in one batch, whatever their size, where features may depend on the batch (128 in
        Leutenegger 2026, arXiv 2605.30556); None: what memory allows, since none depends on it.
    may_change: a change of the learner's state is written down and passes; else it is an error.
    """

    images: int | None = None
    may_change: bool = False

    @property
    def says(self) -> str:
        """In a sentence."""
        if not self.may_change:
            return "Evaluation changed no weight and no statistic (a fingerprint was compared)."
        return (
            f"Stimuli were shown in batches of {self.images}; a change of state by evaluation was "
            "written down and not undone."
        )

    def batch_size(self, px: int) -> int:
        """Images shown at once at this size."""
        return self.images or max(1, _PIXELS_A_BATCH // px**2)

    @contextmanager
    def watch(self, learner: Learner) -> Iterator[Watch]:
        """Compare the learner's fingerprint before and after what happens inside.

        Raises:
            ChangedStateError: it differs, and the extraction does not let that pass.
        """
        before, watch = learner.fingerprint(), Watch()
        yield watch
        watch.changed = learner.fingerprint() != before
        if watch.changed and not self.may_change:
            raise ChangedStateError(
                f"evaluating {learner.name!r} changed its weights or statistics: its "
                "represent() must not write to them"
            )


PURE, RECORDED = Extraction(), Extraction(images=128, may_change=True)
