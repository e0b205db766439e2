"""Photographs that stay on disk: too many or too large to be held at their native size."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import final, overload

import numpy as np
from PIL import Image

from neurosim.experiments.data.types import BrokenDataError


@final
class ImageFiles(Sequence[np.ndarray]):
    """Image files as a sequence of (height, width, 3) uint8, decoded when asked for.

    They may differ in size. Grey ones get three equal channels.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> ImageFiles: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | ImageFiles:
        """Raises BrokenDataError, which names the file."""
        if isinstance(index, slice):
            return ImageFiles(self.paths[index])
        path = self.paths[index]
        try:
            with Image.open(path) as image:
                return np.asarray(image.convert("RGB"))
        # Pillow raises a dozen types on damaged files, none of them documented.
        except Exception as error:
            raise BrokenDataError(
                f"{path} cannot be read as an image ({error}); unpack it anew."
            ) from error

    def digest(self) -> np.ndarray:
        """(n, 32) uint8: the SHA-256 of each file, whatever decodes it."""
        digests = [hashlib.sha256(path.read_bytes()).digest() for path in self.paths]
        return np.frombuffer(b"".join(digests), np.uint8).reshape(len(self), 32)
