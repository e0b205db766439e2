"""RDMs that text holds pair by pair, in every arrangement that people write."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
import pytest
from rdm_format_files import SQUARE, N, X, pairs, triangle

from neurosim.rsa.io.rdm_layout import arrange
from neurosim.rsa.io.text_cells import TableError
from neurosim.rsa.io.text_tables import read_table

LETTERS = tuple("ABCDEFGHIJ")
ORDERS = {
    "rows": list(combinations(range(N), 2)),
    "columns": [(j, i) for i, j in combinations(range(N), 2)],
    "both directions": list(permutations(range(N), 2)),
    "and itself": list(product(range(N), range(N))),
}


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("names", [(), LETTERS])
@pytest.mark.parametrize("diagonal", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_lines_of_one_triangle_are_the_rdm(lower, diagonal, names, separator) -> None:
    """To the bit. A row read from the wrong end, or a diagonal taken for pairs, is seen."""
    written = triangle(separator, lower=lower, diagonal=diagonal, names=names)
    read = read_table(written)
    np.testing.assert_array_equal(arrange(read.values).rows, X[None])
    assert read.stimuli == (names or None)


@pytest.mark.parametrize(
    ("separator", "decimal"), [(",", "."), *product([";", "\t", " "], [".", ","])]
)
@pytest.mark.parametrize("order", ORDERS)
def test_a_list_of_pairs_is_the_rdm_of_its_stimuli(order, decimal, separator) -> None:
    for names in (LETTERS, range(N), range(1, N + 1), [101, 205, *range(8)]):
        body = pairs(separator, names, order=ORDERS[order], decimal=decimal)
        numbered = "".join(f"{i}{separator}{row}\n" for i, row in enumerate(body.splitlines()))
        head = separator.join(["one", "two", "d"]) + "\n"
        for text in (body, head + body, numbered, f'""{separator}{head}{numbered}'):
            read = read_table(text)
            named = [str(i) for i in names]
            if isinstance(names, range):  # they count the stimuli, which then stand in order
                assert read.stimuli is None
                place = list(range(N))
            else:
                assert read.stimuli is not None
                place = [read.stimuli.index(name) for name in named]
            np.testing.assert_array_equal(
                read.values[np.ix_(place, place)][np.triu_indices(N, 1)], X
            )


@pytest.mark.parametrize("seed", range(3))
def test_lines_in_any_order_are_the_same_list(seed) -> None:
    draw = np.random.default_rng(seed)
    order = [tuple(draw.permutation(pair)) for pair in draw.permutation(ORDERS["rows"])]
    read = read_table(pairs(",", range(N), order=order))
    np.testing.assert_array_equal(read.values[np.triu_indices(N, 1)], X)


@pytest.mark.parametrize(
    "values",
    [
        (np.arange(45 * 3).reshape(45, 3) + 4) % 7,  # three condensed RDMs, one per column
        (SQUARE[:3, :3] > 0).astype(int),
        [[1, 2, 5], [2, 1, 5], [1, 3, 4]],  # three pairs of three, one of them twice
        [[1, 2, 5], [2, 1, 5], [1, 3, 4], [2, 3, 4]],
        [[1, 2, 5], [1, 3, 5], [2, 3, 4], [1, 1, 0]],  # one of three with itself
    ],
)
def test_numbers_that_are_not_all_pairs_stay_numbers(values) -> None:
    """Whole numbers name stimuli only where the lines are each pair once, or once either way."""
    read = read_table("\n".join(",".join(map(str, row)) for row in values))
    np.testing.assert_array_equal(read.values, values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,1\na,c,2\nb,d,3\n", r"pairs of 4 stimuli, but 3 .* such as 'a', 'd'; .* NA where"),
        ("a,b,1\nb,a,2\na,c,3\nb,c,1\n", "the pair 'b', 'a' has two values, 1 and 2"),
        ("a,b,1\na,c,x\nb,c,1\n", "the cell 'x' is not a number"),
        ("1\n2,3\n4,5,6,7\n", r"different numbers of cells \(1 to 4\), and are no triangle"),
    ],
)
def test_what_is_no_list_and_no_triangle_is_refused(text, message) -> None:
    with pytest.raises(TableError, match=message):
        read_table(text)
