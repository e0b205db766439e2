"""What the RDMs of given activations say, beside their scores: the order of the stimuli, copies,
chance, and what low-level features leave.

Spearman correlations, on at most ``N_STIMULI`` stimuli spread over the set, so that what is kept
of a file does not grow with it. Ranks are those within all stimuli; a masked or missing pair counts
as an average one. "Shuffled" is always the same 199 orders: the mean over seeds of a shuffled
score is one draw of the null of the mean over seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from neurosim.rsa import RDM, BrainRDMs, to_square

Array = NDArray[np.float32]

N_STIMULI = 100
N_SHUFFLES = 199
#: Shifts of the order that are tried, at most, each way.
_MOST_SHIFT = 60
#: What the first layers of a network follow, in an order that is right.
_ORDER_REFERENCES = ("mean-rgb", "pixels", "gabor")
#: One order must fit better than the given one by this much to be called the right one.
_BETTER = 0.05
#: Two stimuli can be seen to be exchanged where a layer follows the images at least this well, and
#: their exchange adds this much to the correlation, times the number of stimuli. Of honest networks
#: that fit so well the best of all exchanges adds 0.6 at most on the demo, 1.9 on brain92 (BP, FA
#: and PC, six seeds, three states, two readouts); of those that fit worse (STDP) up to 4.5. On
#: brain92, many of whose images are alike, an exchange adds 0.2 to 7.6: three in ten are seen.
_FITS_WELL, _EXCHANGED = 0.6, 3.0
#: 1 - Spearman of two RDMs below which they are of one network. Of six rules on brain92 (layers of
#: 32 to 512 units, four seeds) the nearest two seeds lie 0.013 apart in any layer; noise of 1 % of
#: the layer's root mean square puts a copy 0.0014 apart at most, a rotation 1e-6 (Euclidean).
_ONE_NETWORK = 0.004
#: Largest difference of two RDMs that are one: what a cast to float32 leaves of a distance.
_SAME_RDM = 1e-5


@dataclass(frozen=True)
class Measured:
    """What one file of activations says.

    name: the file. key: (rule, seed, epoch, statistics_only); choice: px, normalisation, readout.
    layers: names, in order. sketch: (n_layers, n_pairs) dissimilarities; NaN where undefined.
    ranks: (2, n_layers, n_pairs) unit ranks of the correlation and of the Euclidean distances; the
        latter are blind to any rotation of the units.
    by_brain: (n_layers, n_rois, 1 + N_SHUFFLES) mean score over subjects: in order, and shuffled.
    given_references: (n_layers, n_rois) the same less what all low-level references predict.
    order: the order that fits the images best, in words; "" the given one; None: none does.
    order_rho: its best correlation, and the largest of the shuffled ones.
    swapped: two stimuli whose exchange makes the activity fit the images better; () none.
    displacement: how far the layer that went furthest went since epoch 0; None: not told.
    order_told: the file names its stimuli. same: pairs of stimuli whose images differ and whose
        activity is the same in every layer.
    """

    name: str
    key: tuple[str, int, int, bool]
    choice: tuple[int, str, str]
    layers: tuple[str, ...]
    sketch: Array
    ranks: Array
    by_brain: Array
    given_references: Array
    order: str | None
    order_rho: tuple[float, float]
    swapped: tuple[str, ...]
    order_told: bool
    displacement: float | None = None
    same: tuple[tuple[str, str], ...] = ()


class Yardstick:
    """The brain's and the low-level RDMs of one stimulus size, in order, shifted and shuffled."""

    def __init__(self, brain: BrainRDMs, references: Mapping[str, RDM]) -> None:
        n = brain.n_stimuli
        self.shown = np.unique(np.linspace(0, n - 1, min(n, N_STIMULI)).round().astype(int))
        self._names = brain.stimuli
        self._pairs = np.triu_indices(len(self.shown), 1)
        shifts = [s for s in range(1, n) if min(s, n - s) <= _MOST_SHIFT]
        self._moved = [f"shifted by {s if s <= n - s else s - n}" for s in shifts] + ["reversed"]
        moved = [(self.shown + s) % n for s in shifts] + [n - 1 - self.shown]
        draws = np.random.default_rng(0)
        shuffled = [draws.permutation(n)[self.shown] for _ in range(N_SHUFFLES)]
        kept = True if brain.pair_mask is None else brain.pair_mask
        by_subject = np.where(kept, brain.rdms, np.nan)
        in_order = np.stack(
            [[_unit(_ranks(rdm)) for rdm in of_subject] for of_subject in by_subject]
        )
        present = np.maximum(brain.has_roi().sum(axis=0), 1)[:, None]
        mean = in_order.sum(axis=0) / present
        self._brain = np.stack([self._seen(row, [self.shown, *shuffled]) for row in mean])
        known = {name: _ranks(rdm.dissimilarities) for name, rdm in references.items()}
        self._references = np.stack(
            [self._seen(known[n], [self.shown, *moved, *shuffled]) for n in _ORDER_REFERENCES]
        )
        rows = np.stack([self._seen(row, [self.shown])[0] for row in known.values()])
        self._basis = np.linalg.qr(rows.T)[0]
        self._left = self._residual(self._brain[:, 0])

    def _seen(self, row: NDArray[Any], orders: Sequence[NDArray[np.intp]]) -> Array:
        """(n_orders, n_pairs): a condensed row over all stimuli, as unit rows in these orders."""
        square = to_square(row)
        first, second = self._pairs
        return np.stack([_unit(square[order[first], order[second]]) for order in orders])

    def _residual(self, rows: Array) -> Array:
        left = rows - (rows @ self._basis) @ self._basis.T
        size = np.linalg.norm(left, axis=-1, keepdims=True)
        # What is left of a row that the references predict wholly is rounding.
        return np.where(size > 1e-3, left / np.maximum(size, 1e-3), np.nan).astype(np.float32)

    def measure(
        self, rdms: Mapping[str, RDM], distances: Mapping[str, RDM], **labels: Any
    ) -> Measured:
        """What the RDMs of one file's layers say.

        Args:
            rdms, distances: layer -> RDM by correlation, and by Euclidean distance.
            labels: the other fields of ``Measured``.
        """
        first, second = self._pairs
        sketch, apart = (
            np.stack([r.square()[self.shown[first], self.shown[second]] for r in some.values()])
            for some in (rdms, distances)
        )
        rows, others = (np.stack([_unit(_ranks(row)) for row in each]) for each in (sketch, apart))
        order, rho = self._order(rows)
        return Measured(
            layers=tuple(rdms),
            sketch=sketch.astype(np.float32),
            ranks=np.stack([rows, others]),
            swapped=self._swapped(rows),
            by_brain=np.einsum("lp,rop->lro", rows, self._brain),
            given_references=self._residual(rows) @ np.nan_to_num(self._left).T,
            order=order,
            order_rho=rho,
            **labels,
        )

    def _swapped(self, rows: Array) -> tuple[str, ...]:
        """The two stimuli whose exchange fits the images best, if that is more than chance.

        To exchange rows i and j of an RDM L changes its product with a reference R by
        ``(LR + LR')_ij - (LR)_ii - (LR)_jj + 2 L_ij R_ij``. Asked where layer and reference fit
        best, and well: elsewhere similar images change places without loss.
        """
        fits = np.einsum("lp,rp->lr", rows, self._references[:, 0])
        layer, reference = np.unravel_index(int(fits.argmax()), fits.shape)
        if fits[layer, reference] < _FITS_WELL:
            return ()
        own, images = to_square(rows[layer]), to_square(self._references[reference, 0])
        product = own @ images
        kept = np.diag(product)
        gain = product + product.T - kept - kept[:, None] + 2 * own * images
        i, j = np.unravel_index(int(gain.argmax()), gain.shape)
        if len(own) * gain[i, j] < _EXCHANGED:
            return ()
        return self._names[self.shown[i]], self._names[self.shown[j]]

    def _order(self, rows: Array) -> tuple[str | None, tuple[float, float]]:
        """The order that the images fit, by the best layer and reference of each order."""
        fits = np.einsum("lp,rop->lro", rows, self._references).max(axis=(0, 1))
        given, moved, chance = np.split(fits, [1, 1 + len(self._moved)])
        best, most = int(moved.argmax()), float(chance.max())
        if moved[best] > max(most, given[0]) + _BETTER:
            return self._moved[best], (float(moved[best]), most)
        return "" if given[0] > most else None, (float(given[0]), most)


def same_layers(a: Measured, b: Measured) -> list[str]:
    """Layers whose RDMs are equal but for rounding; one in which nothing is defined is none."""
    found = []
    for layer, row in zip(a.layers, a.sketch, strict=True):
        if layer in b.layers:
            gap = np.abs(row - b.sketch[b.layers.index(layer)])
            known = gap[np.isfinite(gap)]
            if known.size and not (known > _SAME_RDM).any():
                found.append(layer)
    return found


def nearly_one(a: Measured, b: Measured) -> list[str]:
    """Layers of both, if in each of them two RDMs are as near as noise on one network leaves them.

    A copy is one throughout: a single layer may be near by its width (a wide random layer has
    nearly the RDM of its input), all of them are not.
    """
    both = [layer for layer in a.layers if layer in b.layers]
    for layer in both:
        i, j = a.layers.index(layer), b.layers.index(layer)
        near = np.einsum("kp,kp->k", a.ranks[:, i], b.ranks[:, j]).max()
        if near < 1 - _ONE_NETWORK and a.ranks[:, i].any():
            return []
    return [layer for layer in both if a.ranks[:, a.layers.index(layer)].any()]


def _ranks(row: NDArray[Any]) -> NDArray[np.float64]:
    """Average ranks about their mean; 0 where the row is NaN."""
    known = np.isfinite(row)
    out = np.zeros(len(row))
    if known.any():
        ranks = rankdata(row[known])
        out[known] = ranks - ranks.mean()
    return out


def _unit(row: NDArray[Any]) -> Array:
    centred = row - row.mean()
    size = np.linalg.norm(centred)
    return (centred / size if size > 0 else centred).astype(np.float32)
