"""What does not belong together is refused in one sentence, before any number is returned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurosim.rsa import (
    RDM,
    BrainRDMs,
    bootstrap_crossed,
    bootstrap_stimuli,
    choose_layer,
    compare_rdms,
    compute_rdm,
    halves_by_dispersion,
    noise_ceiling,
    partial_correlation,
    permute_labels,
    prepare_rdms,
    reweighted_rsa,
    semipartial_correlation,
    variance_partitioning,
)
from neurosim.rsa.rdm_files import RDMFileError, load_rdms

N = 9
NAMES = tuple("abcdefghi")
PATTERNS = np.random.default_rng(0).normal(size=(N, 5))
OTHER = np.random.default_rng(1).normal(size=(N, 5))
A, B = compute_rdm(PATTERNS, stimuli=NAMES), compute_rdm(OTHER, stimuli=NAMES)
BRAIN = BrainRDMs(
    np.stack([A.dissimilarities, B.dissimilarities])[:, None].astype(np.float32),
    ("1", "2"),
    ("V1",),
    NAMES,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


OF_TWO_SIDES = {
    "compare_rdms": compare_rdms,
    "prepare_rdms": lambda x, y: prepare_rdms(y).compare(x),
    "bootstrap_stimuli": lambda x, y: bootstrap_stimuli(x, y, n_samples=2, rng=rng()),
    "bootstrap_crossed": lambda x, y: bootstrap_crossed(
        x, y, over=("seeds",), n_samples=2, rng=rng()
    ),
    "permute_labels": lambda x, y: permute_labels(x, y, n_permutations=2, rng=rng()),
    "choose_layer": lambda x, y: choose_layer(x, y, n_splits=1, rng=rng()),
    "reweighted_rsa": lambda x, y: reweighted_rsa(x, y, n_folds=2, rng=rng()),
    "partial_correlation": lambda x, y: partial_correlation(x, A, y),
    "semipartial_correlation": lambda x, y: semipartial_correlation(x, y, A.dissimilarities),
    "variance_partitioning": lambda x, y: variance_partitioning(x, {"y": y}),
    "halves_by_dispersion": lambda x, y: halves_by_dispersion(np.arange(N), x, y),
    "a list": lambda x, y: compare_rdms([x, y], A.dissimilarities),
    "noise_ceiling": lambda x, y: noise_ceiling([x, y]),
    "brain": lambda x, y: BRAIN.subject_scores(y if y.stimuli != NAMES else x),
}


@pytest.mark.parametrize("name", OF_TWO_SIDES)
def test_stimuli_of_other_names_or_in_another_order_are_refused(name: str) -> None:
    score = OF_TWO_SIDES[name]
    turned = B.select(NAMES[::-1])
    with pytest.raises(ValueError, match=r"in another order than .*at place 0 '.' and '.'"):
        score(A, turned)
    with pytest.raises(ValueError, match="name their stimuli otherwise"):
        score(A, RDM(B.dissimilarities, tuple("jklmnopqr")))
    score(A, turned.select(NAMES))
    score(A, RDM(B.dissimilarities))  # without names: taken to be in order


def test_text_whose_rows_and_columns_are_named_differently(tmp_path: Path) -> None:
    square = pd.DataFrame(A.square(), NAMES, NAMES)
    file = tmp_path / "a.csv"
    square.loc[list(NAMES[::-1])].to_csv(file)  # rows move with their names, columns stay
    (read,) = load_rdms(file).values()
    assert read.stimuli == NAMES[::-1]
    np.testing.assert_allclose(compare_rdms(read.select(NAMES), A), 1.0, atol=1e-12)
    square.set_axis([*NAMES[:3], "z", *NAMES[4:]]).to_csv(file)
    with pytest.raises(RDMFileError, match="row 4 is named 'z', column 4 'd'"):
        load_rdms(file)
