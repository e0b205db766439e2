"""Representational similarity analysis: arrays in, numbers out.

Imports nothing of the training code. The public names are handed on lazily (PEP 562):
``import neurosim.rsa`` costs the import of nothing but this file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurosim.rsa.alignment import alignment_table as alignment_table
    from neurosim.rsa.bootstrap import Bootstrap as Bootstrap
    from neurosim.rsa.bootstrap import bootstrap_means as bootstrap_means
    from neurosim.rsa.bootstrap import bootstrap_stimuli as bootstrap_stimuli
    from neurosim.rsa.brain import BrainRDMs as BrainRDMs
    from neurosim.rsa.comparator import Comparator as Comparator
    from neurosim.rsa.comparators import COMPARATORS as COMPARATORS
    from neurosim.rsa.compare import PreparedRDMs as PreparedRDMs
    from neurosim.rsa.compare import compare_patterns as compare_patterns
    from neurosim.rsa.compare import compare_rdms as compare_rdms
    from neurosim.rsa.compare import prepare_rdms as prepare_rdms
    from neurosim.rsa.control import partial_correlation as partial_correlation
    from neurosim.rsa.control import semipartial_correlation as semipartial_correlation
    from neurosim.rsa.control import variance_partitioning as variance_partitioning
    from neurosim.rsa.crossed import CrossedBootstrap as CrossedBootstrap
    from neurosim.rsa.crossed import bootstrap_crossed as bootstrap_crossed
    from neurosim.rsa.dispersion import generalised_procrustes as generalised_procrustes
    from neurosim.rsa.dispersion import halves_by_dispersion as halves_by_dispersion
    from neurosim.rsa.dissimilarities import DISSIMILARITIES as DISSIMILARITIES
    from neurosim.rsa.distances import Dissimilarity as Dissimilarity
    from neurosim.rsa.effect_size import cohens_d as cohens_d
    from neurosim.rsa.encoding import encode as encode
    from neurosim.rsa.feature_files import load_features as load_features
    from neurosim.rsa.interop import brain_from_rsatoolbox as brain_from_rsatoolbox
    from neurosim.rsa.interop import rdms_from_rsatoolbox as rdms_from_rsatoolbox
    from neurosim.rsa.interop import to_rsatoolbox as to_rsatoolbox
    from neurosim.rsa.layer_choice import choose_layer as choose_layer
    from neurosim.rsa.lowlevel import REFERENCES as REFERENCES
    from neurosim.rsa.lowlevel import reference_rdms as reference_rdms
    from neurosim.rsa.multiplicity import adjust_p as adjust_p
    from neurosim.rsa.multiplicity import pairwise_differences as pairwise_differences
    from neurosim.rsa.multivariate_noise import Crossnobis as Crossnobis
    from neurosim.rsa.multivariate_noise import Mahalanobis as Mahalanobis
    from neurosim.rsa.multivariate_noise import noise_precision as noise_precision
    from neurosim.rsa.noise import group_reliability as group_reliability
    from neurosim.rsa.noise import noise_ceiling as noise_ceiling
    from neurosim.rsa.noise import split_half_reliability as split_half_reliability
    from neurosim.rsa.paired import sign_flip_floor as sign_flip_floor
    from neurosim.rsa.paired import sign_flip_test as sign_flip_test
    from neurosim.rsa.permutation import LabelNull as LabelNull
    from neurosim.rsa.permutation import permute_labels as permute_labels
    from neurosim.rsa.rdm import RDM as RDM
    from neurosim.rsa.rdm import UndefinedPatternWarning as UndefinedPatternWarning
    from neurosim.rsa.rdm import compute_rdm as compute_rdm
    from neurosim.rsa.rdm_files import load_rdms as load_rdms
    from neurosim.rsa.reweighting import feature_components as feature_components
    from neurosim.rsa.reweighting import reweighted_rsa as reweighted_rsa
    from neurosim.rsa.second_order import alignment_patterns as alignment_patterns
    from neurosim.rsa.spatial_frequency import gaussian_blur as gaussian_blur
    from neurosim.rsa.spatial_frequency import octave_bands as octave_bands
    from neurosim.rsa.spike_distances import VanRossum as VanRossum
    from neurosim.rsa.spike_distances import VictorPurpura as VictorPurpura
    from neurosim.rsa.spike_rates import PoissonKL as PoissonKL
    from neurosim.rsa.squares import to_condensed as to_condensed
    from neurosim.rsa.squares import to_square as to_square
    from neurosim.rsa.things import image_paths as image_paths
    from neurosim.rsa.things import load_npy_rdms as load_npy_rdms
    from neurosim.rsa.things import load_things_fmri as load_things_fmri
    from neurosim.rsa.things import stimulus_names as stimulus_names
    from neurosim.rsa.transport import gromov_wasserstein as gromov_wasserstein

_HOME = {
    "alignment": ("alignment_table",),
    "bootstrap": ("Bootstrap", "bootstrap_means", "bootstrap_stimuli"),
    "brain": ("BrainRDMs",),
    "comparator": ("Comparator",),
    "comparators": ("COMPARATORS",),
    "compare": ("PreparedRDMs", "compare_patterns", "compare_rdms", "prepare_rdms"),
    "crossed": ("CrossedBootstrap", "bootstrap_crossed"),
    "control": ("partial_correlation", "semipartial_correlation", "variance_partitioning"),
    "dispersion": ("generalised_procrustes", "halves_by_dispersion"),
    "dissimilarities": ("DISSIMILARITIES",),
    "distances": ("Dissimilarity",),
    "effect_size": ("cohens_d",),
    "encoding": ("encode",),
    "feature_files": ("load_features",),
    "interop": ("brain_from_rsatoolbox", "rdms_from_rsatoolbox", "to_rsatoolbox"),
    "layer_choice": ("choose_layer",),
    "multiplicity": ("adjust_p", "pairwise_differences"),
    "reweighting": ("feature_components", "reweighted_rsa"),
    "second_order": ("alignment_patterns",),
    "rdm_files": ("load_rdms",),
    "things": ("image_paths", "load_npy_rdms", "load_things_fmri", "stimulus_names"),
    "transport": ("gromov_wasserstein",),
    "lowlevel": ("REFERENCES", "reference_rdms"),
    "multivariate_noise": ("Crossnobis", "Mahalanobis", "noise_precision"),
    "spatial_frequency": ("gaussian_blur", "octave_bands"),
    "spike_distances": ("VanRossum", "VictorPurpura"),
    "spike_rates": ("PoissonKL",),
    "noise": ("group_reliability", "noise_ceiling", "split_half_reliability"),
    "paired": ("sign_flip_floor", "sign_flip_test"),
    "permutation": ("LabelNull", "permute_labels"),
    "rdm": ("RDM", "UndefinedPatternWarning", "compute_rdm"),
    "squares": ("to_condensed", "to_square"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
