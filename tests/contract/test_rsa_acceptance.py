"""What is taken for an RDM: the same in every form and in every unit.

The tolerances are relative to the RDM's own median pair: rounding of float64 and float32 passes,
similarities and lopsided matrices do not, whatever they are multiplied by.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.rsa import RDM, BrainRDMs, compare_rdms, to_condensed
from neurosim.rsa.rdm.rdm import as_rows

LIGHT = settings(deadline=None, max_examples=25)
SCALES = st.floats(-30, 30).map(lambda e: 10.0**e)


def patterns(seed: int, n: int = 10, d: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def one_minus_corrcoef(x: np.ndarray) -> np.ndarray:
    return 1 - np.corrcoef(x)


def scipy_distances(x: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return cdist(x, x, "correlation")


def torch_corrcoef(x: np.ndarray) -> np.ndarray:
    import torch

    return (1 - torch.corrcoef(torch.tensor(x, dtype=torch.float32))).numpy()


def torch_cdist(x: np.ndarray) -> np.ndarray:
    import torch

    points = torch.tensor(x, dtype=torch.float32)
    return torch.cdist(points, points, compute_mode="use_mm_for_euclid_dist").numpy()


def gram_float32(x: np.ndarray) -> np.ndarray:
    y = x.astype(np.float32)
    squares = (y**2).sum(1)
    return squares[:, None] + squares - 2 * y @ y.T


TOOLS = [one_minus_corrcoef, scipy_distances, torch_corrcoef, torch_cdist, gram_float32]


@pytest.mark.parametrize("tool", TOOLS)
@LIGHT
@given(seed=st.integers(0, 10**6), n=st.sampled_from([3, 6, 9, 10, 28]), scale=SCALES)
def test_rdms_of_other_tools_are_accepted_alone_and_in_a_stack(
    tool: Callable[[np.ndarray], np.ndarray], seed: int, n: int, scale: float
) -> None:
    """n = 3, 6, 10, 28 could also be stacks of condensed RDMs."""
    square = tool(patterns(seed, n)).astype(np.float64) * scale
    expected = square[np.triu_indices(n, 1)]
    np.testing.assert_array_equal(as_rows(square)[0], expected)
    np.testing.assert_array_equal(as_rows(np.stack([square, square]))[1], expected)
    mixed = as_rows([RDM(-expected), square, expected])
    np.testing.assert_array_equal(mixed, [-expected, expected, expected])


def above(square: np.ndarray) -> np.ndarray:
    return square[np.triu_indices_from(square, 1)]


def as_brain(squares: np.ndarray) -> BrainRDMs:
    n = squares.shape[-1]
    return BrainRDMs(squares[:, None], ("1", "2"), ("V1",), tuple(map(str, range(n))))


FORMS = {
    "one": lambda square: as_rows(square),
    "stack": lambda square: as_rows(np.stack([square, square])),
    "beside an RDM object": lambda square: as_rows(
        [square, RDM(square[np.triu_indices_from(square, 1)])]
    ),
    "beside a vector": lambda square: as_rows([above(square), square]),
    "brain": lambda square: as_brain(np.stack([square, square])),
}


@pytest.mark.parametrize("form", FORMS)
@LIGHT
@given(seed=st.integers(0, 10**6), n=st.sampled_from([4, 6, 9, 10]), exponent=st.integers(-30, 30))
def test_similarities_and_lopsided_matrices_are_refused_in_every_form_and_unit(
    form: str, seed: int, n: int, exponent: int
) -> None:
    take, scale = FORMS[form], 10.0**exponent
    similarities = np.corrcoef(patterns(seed, n))
    with pytest.raises(ValueError, match="holds similarities"):
        take(similarities * scale)
    lopsided = (1 - similarities) * (1 - np.eye(n))
    lopsided[1, 3] *= 1.01
    with pytest.raises(ValueError, match=r"not symmetric .*give \(D \+ D\.T\) / 2"):
        take(lopsided * scale)
    lopsided[1, 3] = np.nan
    with pytest.raises(ValueError, match=r"entry \(1, 3\) is NaN and \(3, 1\) is not, in"):
        take(lopsided * scale)


def test_beside_one_outlier_the_others_must_still_be_symmetric() -> None:
    """A tolerance relative to the largest pair would let everything else pass."""
    square = one_minus_corrcoef(patterns(0))
    square[0, 1:] = square[1:, 0] = 1e9
    as_rows(square)
    square[4, 7] *= 2
    with pytest.raises(ValueError, match="not symmetric"):
        as_rows(square)


def test_a_model_of_categories_is_an_rdm_whatever_most_of_it_is() -> None:
    """Most pairs are zero: the median is of those that are not."""
    square = np.zeros((10, 10))
    square[0, 1:] = square[1:, 0] = 1.0
    assert as_rows(square).sum() == 9
    with pytest.raises(ValueError, match="holds similarities"):
        as_rows(square + np.eye(10))
    assert as_rows(np.zeros((10, 10))).shape == (1, 45)
    assert to_condensed(square + np.eye(10)).sum() == 9  # the named way round the check


def test_a_column_is_not_read_as_rdms_of_two_stimuli() -> None:
    column = np.random.default_rng(0).random((45, 1))
    with pytest.raises(ValueError, match=r"column \(45, 1\) .*give x.ravel\(\)"):
        compare_rdms(column, column)
    assert compare_rdms(column.ravel(), column.ravel())[0, 0] == 1.0


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_dissimilarities_are_refused_at_the_door(value: float) -> None:
    row = np.random.default_rng(0).random(45)
    row[3] = value
    with pytest.raises(ValueError, match="models #0 holds infinite"):
        as_rows(row, "models")
    # float32 rows whose sum overflows are finite
    assert as_rows(np.full((1, 45), 3e38, np.float32)).shape == (1, 45)


@pytest.mark.parametrize(
    ("rdms", "error", "message"),
    [
        ([RDM(np.ones(6)), np.ones(3)], ValueError, r"models have different numbers .* \[3, 6\]"),
        ([np.ones(6), np.ones(3)], ValueError, r"models have different numbers of pairs: \[3, 6\]"),
        ([RDM(np.ones(6)), np.ones((2, 6))], ValueError, r"models\[1\] is one RDM; got 2"),
        ([RDM(np.ones(6)), None], TypeError, r"models\[1\] must be numbers or RDM objects"),
        ([[1.0, 2.0, 3.0], [1.0, [2.0], 3.0]], ValueError, "entries that differ in length"),
    ],
)
def test_a_list_of_rdms_in_several_forms_is_refused_by_its_entry(rdms, error, message) -> None:
    with pytest.raises(error, match=message):
        as_rows(rdms, "models")
