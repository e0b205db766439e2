"""The data sets of this process, read once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from neurosim.experiments.data import registry
from neurosim.experiments.data.types import DataError, StimulusSet, TrainingImages

Data = tuple[TrainingImages, StimulusSet]
#: The data sets of the last run in this process, by their names and place.
_DATA: dict[tuple[str, str, Path | None], Data] = {}


def data_of(training: str, stimuli: str, data_dir: Path | None) -> Data:
    """Training images and stimuli, read once per process.

    Raises:
        ValueError: an unknown name, before anything is read.
        DataError: missing or broken data.
    """
    registry.check_names(training, stimuli)
    key = _key(training, stimuli, data_dir)
    if key not in _DATA:
        images = registry.load_training_images(training, data_dir, progress=False)
        _keep(key, (images, registry.load_stimuli(stimuli, data_dir, progress=False)))
    return _DATA[key]


@lru_cache(maxsize=1)
def training_images_of(name: str, data_dir: Path | None) -> TrainingImages:
    """Training images alone, read once per process.

    Raises:
        DataError: they are missing or broken.
    """
    return registry.load_training_images(name, data_dir, progress=False)


def load_both(
    training: str, stimuli: str, data_dir: Path | None = None, *, download: bool = False
) -> Data:
    """Training images and stimuli, read anew with a bar and downloads as asked for; ``data_of``
    answers with them from now on.

    Raises:
        ValueError: an unknown name, before anything is read; or all that is missing at once.
    """
    registry.check_names(training, stimuli)
    found, missing = [], []
    for load, name in (
        (registry.load_training_images, training), (registry.load_stimuli, stimuli),
    ):  # fmt: skip
        try:
            found.append(load(name, data_dir, download=download))
        except DataError as error:
            missing.append(str(error).rstrip("."))
    if missing:
        raise ValueError("; and ".join(missing))
    images, shown = found
    assert isinstance(images, TrainingImages)
    assert isinstance(shown, StimulusSet)
    return _keep(_key(training, stimuli, data_dir), (images, shown))


def _keep(key: tuple[str, str, Path | None], data: Data) -> Data:
    _DATA.clear()
    _DATA[key] = data
    return data


def _key(training: str, stimuli: str, data_dir: Path | None) -> tuple[str, str, Path | None]:
    return training, stimuli, data_dir and Path(data_dir).expanduser().absolute()
