"""Names of stimuli in files of features, as file names of the images that were shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

_IMAGE = re.compile(r"\.(jpe?g|png|bmp|gif|tiff?|webp|ppm|eps)$", re.IGNORECASE)


class FeatureFileError(ValueError):
    """Feature files that are damaged, or do not fit each other; names file and array."""


def is_image(name: str) -> bool:
    """Whether a name is one of an image file."""
    return _IMAGE.search(name) is not None


def stimulus_names(files: Sequence[str], where: str) -> list[str]:
    """Names of images without folder and ending; with the folder where two would be one.

    Raises:
        FeatureFileError: an image is named twice.
    """
    parts = [_IMAGE.sub("", file).replace("\\", "/").split("/") for file in files]
    for n in (1, 2, max(map(len, parts), default=1)):
        names = ["/".join(each[-n:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    twice = next(name for name in names if names.count(name) > 1)
    raise FeatureFileError(f"{where} names {twice!r} twice")
