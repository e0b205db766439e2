"""What unsupervised features are worth, as numbers."""

from __future__ import annotations

from torch import Tensor

from neurosim.types import in_float64, varies


def participation_ratio(features: Tensor) -> float:
    """``(sum v_i)^2 / sum v_i^2`` over the eigenvalues v of the covariance of the features.

    The number of dimensions that the features really use: 1 for a line, n for a sphere in n
    dimensions (Gao et al. 2017, doi:10.1101/214262). NaN for features that do not vary.

    Args:
        features: ``(n_stimuli, *features)``.
    """
    x = in_float64(features.flatten(1))
    x = (x - x.mean(0)) * varies(x)
    # tr C and tr C^2 need the smaller of the two Gram matrices only.
    gram = x @ x.t() if x.shape[0] < x.shape[1] else x.t() @ x
    return float(gram.trace().square() / gram.square().sum())


def unexplained_variance(images: Tensor, reconstruction: Tensor) -> float:
    """``|x - x_hat|^2 / |x - <x>|^2``: the reconstruction error of images.

    0 is perfect and 1 no better than the mean image; NaN where the images do not differ.
    """
    error = in_float64(images - reconstruction).square().sum()
    x = in_float64(images.flatten(1))
    if not bool(varies(x).any()):
        return float("nan")
    return float(error / in_float64(images - images.mean(0)).square().sum())
