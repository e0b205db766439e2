"""Representational similarity analysis: arrays in, numbers out.

Imports nothing of the training code. The public names are handed on lazily (PEP 562):
``import neurosim.rsa`` costs the import of nothing but this file.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurosim.rsa.brain.alignment import alignment_table as alignment_table
    from neurosim.rsa.brain.brain import BrainRDMs as BrainRDMs
    from neurosim.rsa.brain.second_order import alignment_patterns as alignment_patterns
    from neurosim.rsa.brain.things import image_paths as image_paths
    from neurosim.rsa.brain.things import load_npy_rdms as load_npy_rdms
    from neurosim.rsa.brain.things import load_things_fmri as load_things_fmri
    from neurosim.rsa.brain.things import stimulus_names as stimulus_names
    from neurosim.rsa.compare.comparator import Comparator as Comparator
    from neurosim.rsa.compare.comparators import COMPARATORS as COMPARATORS
    from neurosim.rsa.compare.measure import PreparedRDMs as PreparedRDMs
    from neurosim.rsa.compare.measure import compare_patterns as compare_patterns
    from neurosim.rsa.compare.measure import compare_rdms as compare_rdms
    from neurosim.rsa.compare.measure import prepare_rdms as prepare_rdms
    from neurosim.rsa.compare.transport import gromov_wasserstein as gromov_wasserstein
    from neurosim.rsa.controls.control import partial_correlation as partial_correlation
    from neurosim.rsa.controls.control import semipartial_correlation as semipartial_correlation
    from neurosim.rsa.controls.control import variance_partitioning as variance_partitioning
    from neurosim.rsa.controls.encoding import encode as encode
    from neurosim.rsa.controls.lowlevel import REFERENCES as REFERENCES
    from neurosim.rsa.controls.lowlevel import reference_rdms as reference_rdms
    from neurosim.rsa.controls.reweighting import feature_components as feature_components
    from neurosim.rsa.controls.reweighting import reweighted_rsa as reweighted_rsa
    from neurosim.rsa.controls.spatial_frequency import gaussian_blur as gaussian_blur
    from neurosim.rsa.controls.spatial_frequency import octave_bands as octave_bands
    from neurosim.rsa.inference.bootstrap import Bootstrap as Bootstrap
    from neurosim.rsa.inference.bootstrap import bootstrap_means as bootstrap_means
    from neurosim.rsa.inference.bootstrap import bootstrap_stimuli as bootstrap_stimuli
    from neurosim.rsa.inference.crossed import CrossedBootstrap as CrossedBootstrap
    from neurosim.rsa.inference.crossed import bootstrap_crossed as bootstrap_crossed
    from neurosim.rsa.inference.dispersion import generalised_procrustes as generalised_procrustes
    from neurosim.rsa.inference.dispersion import halves_by_dispersion as halves_by_dispersion
    from neurosim.rsa.inference.effect_size import cohens_d as cohens_d
    from neurosim.rsa.inference.layer_choice import choose_layer as choose_layer
    from neurosim.rsa.inference.multiplicity import adjust_p as adjust_p
    from neurosim.rsa.inference.multiplicity import pairwise_differences as pairwise_differences
    from neurosim.rsa.inference.noise import group_reliability as group_reliability
    from neurosim.rsa.inference.noise import noise_ceiling as noise_ceiling
    from neurosim.rsa.inference.noise import split_half_reliability as split_half_reliability
    from neurosim.rsa.inference.paired import sign_flip_floor as sign_flip_floor
    from neurosim.rsa.inference.paired import sign_flip_test as sign_flip_test
    from neurosim.rsa.inference.permutation import LabelNull as LabelNull
    from neurosim.rsa.inference.permutation import permute_labels as permute_labels
    from neurosim.rsa.io.brain_of_file import brain_of_file as brain_of_file
    from neurosim.rsa.io.feature_files import load_features as load_features
    from neurosim.rsa.io.interop import brain_from_rsatoolbox as brain_from_rsatoolbox
    from neurosim.rsa.io.interop import rdms_from_rsatoolbox as rdms_from_rsatoolbox
    from neurosim.rsa.io.interop import to_rsatoolbox as to_rsatoolbox
    from neurosim.rsa.io.rdm_files import load_rdms as load_rdms
    from neurosim.rsa.rdm.dissimilarities import DISSIMILARITIES as DISSIMILARITIES
    from neurosim.rsa.rdm.distances import Dissimilarity as Dissimilarity
    from neurosim.rsa.rdm.multivariate_noise import Crossnobis as Crossnobis
    from neurosim.rsa.rdm.multivariate_noise import Mahalanobis as Mahalanobis
    from neurosim.rsa.rdm.multivariate_noise import noise_precision as noise_precision
    from neurosim.rsa.rdm.rdm import RDM as RDM
    from neurosim.rsa.rdm.rdm import UndefinedPatternWarning as UndefinedPatternWarning
    from neurosim.rsa.rdm.rdm import compute_rdm as compute_rdm
    from neurosim.rsa.rdm.spike_distances import VanRossum as VanRossum
    from neurosim.rsa.rdm.spike_distances import VictorPurpura as VictorPurpura
    from neurosim.rsa.rdm.spike_rates import PoissonKL as PoissonKL
    from neurosim.rsa.rdm.squares import to_condensed as to_condensed
    from neurosim.rsa.rdm.squares import to_square as to_square

_HOME = {
    "brain.alignment": ("alignment_table",),
    "inference.bootstrap": ("Bootstrap", "bootstrap_means", "bootstrap_stimuli"),
    "brain.brain": ("BrainRDMs",),
    "compare.comparator": ("Comparator",),
    "compare.comparators": ("COMPARATORS",),
    "compare.measure": ("PreparedRDMs", "compare_patterns", "compare_rdms", "prepare_rdms"),
    "inference.crossed": ("CrossedBootstrap", "bootstrap_crossed"),
    "controls.control": ("partial_correlation", "semipartial_correlation", "variance_partitioning"),
    "inference.dispersion": ("generalised_procrustes", "halves_by_dispersion"),
    "rdm.dissimilarities": ("DISSIMILARITIES",),
    "rdm.distances": ("Dissimilarity",),
    "inference.effect_size": ("cohens_d",),
    "controls.encoding": ("encode",),
    "io.brain_of_file": ("brain_of_file",),
    "io.feature_files": ("load_features",),
    "io.interop": ("brain_from_rsatoolbox", "rdms_from_rsatoolbox", "to_rsatoolbox"),
    "inference.layer_choice": ("choose_layer",),
    "inference.multiplicity": ("adjust_p", "pairwise_differences"),
    "controls.reweighting": ("feature_components", "reweighted_rsa"),
    "brain.second_order": ("alignment_patterns",),
    "io.rdm_files": ("load_rdms",),
    "brain.things": ("image_paths", "load_npy_rdms", "load_things_fmri", "stimulus_names"),
    "compare.transport": ("gromov_wasserstein",),
    "controls.lowlevel": ("REFERENCES", "reference_rdms"),
    "rdm.multivariate_noise": ("Crossnobis", "Mahalanobis", "noise_precision"),
    "controls.spatial_frequency": ("gaussian_blur", "octave_bands"),
    "rdm.spike_distances": ("VanRossum", "VictorPurpura"),
    "rdm.spike_rates": ("PoissonKL",),
    "inference.noise": ("group_reliability", "noise_ceiling", "split_half_reliability"),
    "inference.paired": ("sign_flip_floor", "sign_flip_test"),
    "inference.permutation": ("LabelNull", "permute_labels"),
    "rdm.rdm": ("RDM", "UndefinedPatternWarning", "compute_rdm"),
    "rdm.squares": ("to_condensed", "to_square"),
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
