"""What an array of a file can be by its shape: one RDM, a stack of them, or none.

Nothing is guessed. Where a shape can be read in two ways the values decide, if they can: a square
RDM is symmetric with a zero diagonal. Where they cannot either, the array is refused.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.rsa.rdm.rdm import as_rows
from neurosim.rsa.rdm.squares import condensed_rdms, is_one_square, mirrored, triangle_side

Array = NDArray[np.floating]


class LayoutError(ValueError):
    """An array is no RDM, or can be read in two ways."""


class Arranged(NamedTuple):
    """RDMs of one array: ``rows`` (n_rdms, n_pairs); ``grid``, the axes that count them, whose
    sizes multiply to n_rdms; ``how`` they were read, where the shape left a choice."""

    rows: Array
    grid: tuple[int, ...]
    how: str = ""


def n_stimuli_by_shape(shape: tuple[int, ...]) -> int:
    """The number of stimuli of the RDMs that an array of this shape can hold; 0 for none."""
    if 0 in shape or not shape:
        return 0
    if len(shape) > 1 and shape[-1] == shape[-2]:
        return shape[-1] if shape[-1] > 2 else 0
    if len(shape) > 2 and shape[0] == shape[1] > 2:
        return shape[0]
    return _triangle(shape[-1]) or (_triangle(shape[0]) if len(shape) == 2 else 0)


def arrange(array: Array) -> Arranged:
    """The RDMs of an array, condensed.

    - ``(..., n, n)``: square RDMs
    - ``(n, n, ...)``: square RDMs, stacked as MATLAB does, where they are symmetric; of both, one
      triangle may be empty (zero or NaN)
    - ``(..., n_pairs)``: condensed RDMs, one per row
    - ``(n_pairs, k)``: condensed RDMs, one per column, where rows make no RDM; so one value per
      line is one RDM

    Raises:
        LayoutError: no RDM of three or more stimuli by shape, nearly one, or two readings.
    """
    shape = array.shape
    if not n_stimuli_by_shape(shape):
        raise LayoutError(
            f"shape {_text(shape)} is none of RDMs of three or more stimuli: they are square (n x "
            "n), condensed (n (n - 1) / 2 values), or a stack of either"
        )
    if (whole := _whole(array)) is not None:
        found = arrange(whole)
        side = f"{_text(shape)} with values on one side of the diagonal, which stand for both"
        return found._replace(how="; ".join(filter(None, (side, found.how))))
    if array.ndim > 1 and shape[-1] == shape[-2]:
        return _squares_at_the_end(array)
    if array.ndim > 2 and shape[0] == shape[1] > 2:
        return _squares_in_front(array)
    if array.ndim == 2 and _triangle(shape[0]):
        return _rows_or_columns(array)
    return _rows(array)


def _whole(array: Array) -> Array | None:
    """Square matrices of which one triangle is empty, filled; None where they are no such."""
    shape = array.shape
    if len(shape) > 1 and shape[-1] == shape[-2]:
        return mirrored(array)
    if len(shape) > 2 and shape[0] == shape[1]:
        filled = mirrored(np.moveaxis(array, (0, 1), (-2, -1)))
        return None if filled is None else np.moveaxis(filled, (-2, -1), (0, 1))
    return None


def _squares_at_the_end(array: Array) -> Arranged:
    shape = array.shape
    if array.ndim == 2 and not is_one_square(array):
        n = _triangle(shape[-1])
        raise LayoutError(
            f"{_text(shape)} numbers that are not symmetric are not an RDM; they can also be "
            f"{shape[0]} condensed RDMs of {n} stimuli, one per row or one per column: give those "
            f"as a stack of squares ({shape[0]} x {n} x {n})"
        )
    in_front = array.ndim > 2 and shape[0] == shape[1]
    if in_front and _is_stack(np.moveaxis(array, (0, 1), (-2, -1))):
        if _is_stack(array):
            raise LayoutError(
                f"{_text(shape)} numbers are square RDMs along the first axes and along the last: "
                "give each RDM as an array of its own"
            )
        return _squares_in_front(array)
    return Arranged(_condensed(array), shape[:-2])


def _squares_in_front(array: Array) -> Arranged:
    shape = array.shape
    moved = np.moveaxis(array, (0, 1), (-2, -1))
    try:
        rows = _condensed(moved)
    except LayoutError:
        if _triangle(shape[-1]):
            return _rows(array)
        raise
    how = f"{_text(shape)} as {len(rows)} RDMs of {shape[0]} stimuli, stacked along the last axis"
    return Arranged(rows, moved.shape[:-2], how)


def _rows_or_columns(array: Array) -> Arranged:
    """Two axes of which the first is a number of pairs."""
    n_lines, n_cells = array.shape
    by_row, by_column = _triangle(n_cells), _triangle(n_lines)
    if by_row and n_lines > n_cells:
        raise LayoutError(
            f"{n_lines} x {n_cells} numbers can be {n_lines} condensed RDMs of {by_row} stimuli, "
            f"one per row, or {n_cells} of {by_column}, one per column: give the first as a "
            f"stack of squares ({n_lines} x {by_row} x {by_row}), the second turned round "
            f"({n_cells} x {n_lines})"
        )
    if by_row:
        return _rows(array)
    values = "one value per line" if n_cells == 1 else "one RDM per column"
    count = "one RDM" if n_cells == 1 else f"{n_cells} RDMs"
    how = f"{n_lines} x {n_cells} as {count} of {by_column} stimuli, {values}"
    return Arranged(as_rows(np.ascontiguousarray(array.T)), (n_cells,), how)


def _rows(array: Array) -> Arranged:
    n_rdms, n_pairs = math.prod(array.shape[:-1]), array.shape[-1]
    if array.ndim > 2 and n_rdms > n_pairs:
        raise LayoutError(
            f"{_text(array.shape)} numbers would be {n_rdms} RDMs of {_triangle(n_pairs)} stimuli, "
            f"more than the {n_pairs} pairs of each, as colours of images are; if they are RDMs, "
            "give them as a stack of squares"
        )
    how = ""
    if n_rdms > n_pairs or n_rdms == _triangle(n_pairs):  # as a table of features is
        how = f"{_text(array.shape)} as {n_rdms} RDMs of {_triangle(n_pairs)} stimuli, one per line"
    return Arranged(as_rows(array.reshape(-1, n_pairs)), array.shape[:-1], how)


def _condensed(squares: Array) -> Array:
    """(..., n, n) -> (n_rdms, n_pairs); what is no square RDM is refused with its reason."""
    try:
        condensed = condensed_rdms(squares, "its array")
    except ValueError as error:
        raise LayoutError(str(error)) from error
    return condensed.reshape(-1, condensed.shape[-1])


def _is_stack(squares: Array) -> bool:
    try:
        _condensed(squares)
    except LayoutError:
        return False
    return True


def _triangle(n_pairs: int) -> int:
    """The number of stimuli, three or more, that have so many pairs; 0 where none has."""
    return triangle_side(n_pairs) if n_pairs > 1 else 0


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
