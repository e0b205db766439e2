"""What a stimulus holds at one size: itself, less detail, or some spatial frequencies only.

- ``native``: resized to px: size and detail change together
- ``upsampled``: down to the training px and up again: the size of px, the detail of the training
  px; at the training px it is ``native``, to the bit
- ``blur-R``: ``native`` through a Gaussian that leaves half the amplitude at R px
- ``only-BAND``: one octave band, or ``dc``, of ``native``; in their order they sum to it
- ``notch-BAND``: ``native`` without that band

``bands`` stands for every ``only`` and ``notch`` of a size. Filters act on normalised images, so
a missing mean is the grey of the training set.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.job.batches import normalise
from neurosim.experiments.settings.config import CONTENT_HELP
from neurosim.models.network.policies import resize
from neurosim.rsa import gaussian_blur, octave_bands

NATIVE, UPSAMPLED, BANDS, _BLUR = "native", "upsampled", "bands", "blur-"


def check_content(names: tuple[str, ...]) -> None:
    """Refuse unknown contents.

    Raises:
        ValueError: names the unknown one and what is allowed.
    """
    for name in names:
        if name in (NATIVE, UPSAMPLED, BANDS):
            continue
        if name.startswith(_BLUR) and _positive(name.removeprefix(_BLUR)):
            continue
        raise ValueError(
            f"unknown content {name!r}: the known ones are {CONTENT_HELP}, for example blur-32"
        )


def is_band(name: str) -> bool:
    """Whether a content is one octave band, or all but one."""
    return name.startswith(("only-", "notch-"))


def _positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


def shown(
    stimuli: StimulusSet, px: int, training_px: int, names: tuple[str, ...]
) -> dict[str, Tensor]:
    """Content -> normalised stimuli ``(n_stimuli, 3, px, px)``; ``bands`` becomes several."""
    native = normalise(stimuli.at_px(px))
    found: dict[str, Tensor] = {}
    for name in names:
        if name == NATIVE:
            found[name] = native
        elif name == UPSAMPLED:
            found[name] = resize(normalise(stimuli.at_px(training_px)), px)
        elif name == BANDS:
            bands = {k: _first(v) for k, v in octave_bands(_last(native)).items()}
            found |= {f"only-{band}": x for band, x in bands.items()}
            found |= {f"notch-{band}": native - x for band, x in bands.items()}
        else:
            cutoff = float(name.removeprefix(_BLUR))
            found[name] = _first(gaussian_blur(_last(native), cutoff))
    return found


def _last(x: Tensor):
    return x.permute(0, 2, 3, 1).numpy()


def _first(images) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
