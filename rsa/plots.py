"""Figures: RDMs, maps of stimuli, layer x ROI maps, trajectories.

Every function draws on given axes (or new ones) and returns them; nothing is shown or saved.
Colours: colour-blind safe (Okabe & Ito) for categories, viridis and a diverging map for values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.rsa.compare.comparator import Comparator
from neurosim.rsa.compare.comparators import COMPARATORS, find_comparator
from neurosim.rsa.compare.geometry import gram
from neurosim.rsa.compare.measure import compare_rdms
from neurosim.rsa.rdm.checks import check_count
from neurosim.rsa.rdm.rdm import RDMInput, as_one, check_same_stimuli, stimuli_of
from neurosim.rsa.rdm.squares import to_square

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Comparators as axes name them.
_SCORES = {
    "spearman": r"Spearman $\rho$",
    "rho-a": r"Spearman $\rho_a$",
    "kendall-tau-a": r"Kendall $\tau_a$",
    "kendall-tau-b": r"Kendall $\tau_b$",
    "pearson": "Pearson $r$",
    "cosine": "cosine similarity",
    "whitened-cosine": "whitened cosine",
    "whitened-correlation": "whitened correlation",
    "linear-cka": "linear CKA",
    "procrustes": "Procrustes",
    "gromov-wasserstein": "Gromov-Wasserstein",
}
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000")


def plot_rdm(
    rdm: RDMInput,
    *,
    categories: Sequence[str] | None = None,
    percentile: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """One RDM as an image, stimuli sorted by category, with a bar and a name for each.

    Args:
        percentile: colour by rank (0 ... 100), which shows structure whatever the scale.
    """
    from scipy.stats import rankdata

    ax = _axes(ax)
    values = np.array(as_one(rdm, "rdm"), dtype=np.float64)
    label = "dissimilarity"
    if percentile:
        present = ~np.isnan(values)
        values[present] = 100 * rankdata(values[present]) / present.sum()
        label = "dissimilarity (percentile)"
    square = to_square(values)
    np.fill_diagonal(square, np.nan)
    if categories is not None:
        order = _category_order(categories, len(square))
        square = square[np.ix_(order, order)]
        _category_bars(ax, [categories[i] for i in order])
    image = ax.imshow(square, cmap="viridis", interpolation="nearest")
    _colour_bar(ax, image, label)
    if categories is None:
        ax.set_xlabel("stimulus")
        ax.set_ylabel("stimulus")
    ax.set_title(title, pad=14 if categories is not None else None)
    return ax


def _category_order(categories: Sequence[str], n: int) -> list[int]:
    if len(categories) != n:
        raise ValueError(f"{len(categories)} categories for {n} stimuli")
    rank = {name: i for i, name in enumerate(dict.fromkeys(categories))}
    return sorted(range(n), key=lambda i: (rank[categories[i]], i))


def _category_bars(ax: Axes, sorted_categories: Sequence[str]) -> None:
    names = list(dict.fromkeys(sorted_categories))
    edges = np.cumsum([0] + [list(sorted_categories).count(name) for name in names])
    for k in range(len(names)):
        start, stop = edges[k] - 0.5, edges[k + 1] - 0.5
        colour = PALETTE[k % len(PALETTE)]
        for vertical in (True, False):
            x, y = ([-0.025, -0.025], [start, stop]) if vertical else ([start, stop], [1.025] * 2)
            transform = ax.get_yaxis_transform() if vertical else ax.get_xaxis_transform()
            ax.plot(
                x, y, color=colour, lw=5, transform=transform, clip_on=False, solid_capstyle="butt"
            )
        if k:
            ax.axhline(start, color="white", lw=0.6)
            ax.axvline(start, color="white", lw=0.6)
    ax.set_xticks([])
    ax.set_yticks((edges[:-1] + edges[1:] - 1) / 2, names)
    ax.tick_params(axis="y", length=0, pad=9)


def plot_mds(
    rdm: RDMInput,
    *,
    categories: Sequence[str] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Stimuli in the plane that keeps most of the squared distances (classical scaling), with
    the share of the variance it keeps."""
    ax = _axes(ax)
    points, share = classical_mds(rdm)
    groups = ["stimuli"] * len(points) if categories is None else list(categories)
    _category_order(groups, len(points))
    for k, name in enumerate(dict.fromkeys(groups)):
        own = points[[g == name for g in groups]]
        ax.scatter(own[:, 0], own[:, 1], s=22, color=PALETTE[k % len(PALETTE)], label=name, lw=0)
    if categories is not None:
        ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.set_aspect("equal", "datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xlabel(f"first two dimensions: {share:.0%} of the variance")
    ax.set_title(title)
    return ax


def classical_mds(rdm: RDMInput, n_dimensions: int = 2) -> tuple[np.ndarray, float]:
    """((n, d) coordinates, share of the variance), the RDM read as squared distances."""
    check_count("n_dimensions", n_dimensions)
    row = as_one(rdm, "rdm")
    if np.isnan(row).any():
        raise ValueError("the RDM holds NaN: leave the silent stimuli out first (RDM.select)")
    values, vectors = np.linalg.eigh(gram(np.asarray(row, dtype=np.float64)))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = np.maximum(values[:n_dimensions], 0.0)
    total = float(values[values > 0].sum())
    return vectors[:, :n_dimensions] * np.sqrt(kept), float(kept.sum()) / total if total else 0.0


def plot_shepard(
    x: RDMInput,
    y: RDMInput,
    *,
    labels: tuple[str, str] = ("x", "y"),
    ax: Axes | None = None,
) -> Axes:
    """Every pair's dissimilarity in one RDM against another, as a density, with its score."""
    a, b = as_one(x, "x"), as_one(y, "y")
    if len(a) != len(b):
        raise ValueError(
            f"x has {len(a)} pairs, y {len(b)}: both must be of the same stimuli in the same order"
        )
    check_same_stimuli({"y": stimuli_of(y), "x": stimuli_of(x)})
    ax = _axes(ax)
    both = ~np.isnan(a) & ~np.isnan(b)
    hexes = ax.hexbin(a[both], b[both], gridsize=45, cmap="viridis", mincnt=1, bins="log", lw=0.1)
    _colour_bar(ax, hexes, "pairs")
    rho = compare_rdms(a, b)[0, 0]
    ax.set_title(rf"Spearman $\rho$ = {rho:.3f}, {both.sum():,} pairs")
    ax.set_xlabel(f"dissimilarity, {labels[0]}")
    ax.set_ylabel(f"dissimilarity, {labels[1]}")
    return ax


def plot_layer_roi_map(
    table: pd.DataFrame,
    *,
    convention: str = "subject_mean",
    method: str | Comparator | None = None,
    simulated: bool = False,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """An alignment table as a map of layers x ROIs, each cell its score and what share that is of
    the leave-one-out noise bound (of a correlation the lower, of a distance the upper one); rows
    of several seeds are averaged.

    Args:
        method: the comparator that made the scores, for the labels; by default the one that
            ``alignment_table`` noted in ``table.attrs``.
    """
    ax = _axes(ax)
    part = _of_convention(table, convention)
    comparator = _comparator_of(table, method)
    closer = comparator is None or comparator.larger_is_closer
    bounding = "noise_lower" if closer else "noise_upper"
    layers, rois = list(dict.fromkeys(part["layer"])), list(dict.fromkeys(part["roi"]))
    mean = part.groupby(["layer", "roi"])[["rho", bounding]].mean()
    rho = mean["rho"].unstack().loc[layers, rois].to_numpy()
    bound = mean[bounding].unstack().loc[layers, rois].to_numpy()
    largest = max(float(np.nanmax(np.abs(rho))), 1e-9)
    # A distance has no sign: one hue, dark where it is large.
    colours: dict[str, Any] = (
        {"cmap": "RdBu_r", "vmin": -largest} if closer else {"cmap": "Blues", "vmin": 0.0}
    )
    image = ax.imshow(rho, vmax=largest, aspect="auto", **colours)
    for i, j in np.ndindex(rho.shape):
        dark = abs(rho[i, j]) > 0.6 * largest
        share = f"\n{rho[i, j] / bound[i, j]:.0%}" if bound[i, j] > 0 else ""
        ax.text(
            j,
            i,
            f"{rho[i, j]:.3f}{share}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "black",
        )
    ax.set_xticks(range(len(rois)), rois)
    ax.set_yticks(range(len(layers)), layers)
    _colour_bar(ax, image, _score_label(comparator, convention))
    bounded = bool((bound > 0).any())
    told = ("score" if closer else "distance") + (
        f", and share of the {bounding.removeprefix('noise_')} noise bound" if bounded else ""
    )
    ax.set_title(_marked(title or told, simulated))
    return ax


def plot_trajectory(
    table: pd.DataFrame,
    *,
    roi: str,
    layer: str,
    x: str = "epoch",
    hue: str = "rule",
    convention: str = "subject_mean",
    method: str | Comparator | None = None,
    references: pd.DataFrame | None = None,
    simulated: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Score over training, a line a rule (mean over seeds, band one standard error), the noise
    bounds as a grey band and low-level references as dashed lines.

    Args:
        method: as in ``plot_layer_roi_map``.
        references: rows of an alignment table whose ``layer`` names the reference.
    """
    lacking = [c for c in (x, hue, "roi", "layer", "rho") if c not in table.columns]
    if lacking:
        raise ValueError(
            f"the table has no column {', '.join(map(repr, lacking))}; give x and hue of "
            f"{', '.join(table.columns)} (labels= of alignment_table adds columns)"
        )
    ax = _axes(ax)
    part = _of_convention(table, convention)
    part = part[(part["roi"] == roi) & (part["layer"] == layer)]
    if part.empty:
        raise ValueError(f"no rows of ROI {roi!r} and layer {layer!r} in the table")
    for k, name in enumerate(dict.fromkeys(part[hue])):
        runs = part[part[hue] == name].groupby(x)["rho"]
        mean, error = runs.mean(), (runs.std(ddof=1) / np.sqrt(runs.count())).fillna(0.0)
        colour = PALETTE[k % len(PALETTE)]
        ax.plot(mean.index, mean, "o-", ms=4, lw=1.6, color=colour, label=str(name))
        ax.fill_between(mean.index, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
    bounds = part[["noise_lower", "noise_upper"]].iloc[0]
    if bounds.notna().all():
        ax.axhspan(*bounds, color="0.85", lw=0, zorder=0, label="noise bounds")
    if references is not None:
        rows = _of_convention(references, convention)
        for k, (name, value) in enumerate(
            rows[rows["roi"] == roi].groupby("layer", sort=False)["rho"].mean().items()
        ):
            style = ("--", ":", "-.")[k % 3]
            ax.axhline(value, color="0.35", ls=style, lw=1.2, label=f"reference: {name}")
    ax.axhline(0, color="0.6", lw=0.6, zorder=0)
    ax.set_xlabel(x)
    ax.set_ylabel(_score_label(_comparator_of(table, method), convention))
    ax.set_title(_marked(f"{roi}, {layer}", simulated))
    ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _comparator_of(table: pd.DataFrame, method: str | Comparator | None) -> Comparator | None:
    """What made the scores of a table; None where neither the caller nor the table says."""
    if method is None:
        return COMPARATORS.get(table.attrs.get("method", ""))
    return method if isinstance(method, Comparator) else find_comparator(method)


def _score_label(comparator: Comparator | None, convention: str) -> str:
    if comparator is None:
        return f"score ({convention})"
    name = _SCORES.get(comparator.name, comparator.name)
    if comparator.larger_is_closer:
        return f"{name} ({convention})"
    return f"{name} distance, smaller is closer ({convention})"


def _of_convention(table: pd.DataFrame, convention: str) -> pd.DataFrame:
    part = table[table["convention"] == convention]
    if part.empty:
        known = ", ".join(dict.fromkeys(table["convention"]))
        raise ValueError(f"no rows of convention {convention!r} in the table; it has {known}")
    return part


def _marked(title: str, simulated: bool) -> str:
    return f"SIMULATED DATA: {title}" if simulated else title


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def _colour_bar(ax: Axes, image: Any, label: str) -> None:
    figure = ax.get_figure()
    assert figure is not None
    figure.colorbar(image, ax=ax, label=label, shrink=0.8)
