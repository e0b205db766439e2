"""What an audit finds out about a model before it says anything: the one long computation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from neurosim.experiments.model_audit import scores
from neurosim.experiments.model_audit.checks import Checks, check
from neurosim.experiments.model_audit.features import (
    BATCH,
    MEMORY,
    LayerFacts,
    Seen,
    see,
)
from neurosim.experiments.model_audit.inputs import Given, Shown
from neurosim.experiments.model_audit.order import Order, find_order
from neurosim.models.interop.module_layers import Layer, find_layers
from neurosim.models.interop.module_states import (
    AS_GIVEN,
    GIVEN,
    INITIALISED,
    NO_STATISTICS,
    PERMUTED,
    RANDOM,
    STIMULI,
    TRAINING,
    Fresh,
    State,
    as_read,
    calibrate,
    copied,
    kept_statistics,
    own_random_numbers,
    set_statistics,
    statistics_of,
    unregistered,
    weighted,
    weights_in_buffers,
)
from neurosim.rsa import UndefinedPatternWarning, reference_rdms

Array = NDArray[np.float64]
#: The whole batch of the stimuli takes about this many times its largest activity.
_ACTIVITIES_AT_ONCE = 4
_N_PERMUTED = 3
#: Values of a tensor that is small: 16 MB in single precision.
_SMALL_TENSOR = 4_000_000


@dataclass(frozen=True)
class Shift:
    """What a module with statistics reads of the images, by the statistics that it came with:
    median over channels of the ratio of sds, and of the distance of means in sds of its own."""

    module: str
    ratio: float
    distance: float

    @classmethod
    def of(cls, given: nn.Module, calibrated: nn.Module) -> Shift | None:
        """Of the first module; None of a network that keeps no statistics."""
        own, new = kept_statistics(given), kept_statistics(calibrated)
        if not own:
            return None
        name = next(iter(own))
        (mean, var), (seen, spread) = own[name], new[name]
        sd = var.double().clamp_min(1e-30).sqrt()
        return cls(
            name,
            float((spread.double().sqrt() / sd).median()),
            float(((seen - mean).double().abs() / sd).median()),
        )


@dataclass
class Evidence:
    """Everything that was measured.

    rdms: (state, px, content) -> (layer, readout) -> condensed RDM. px and content are 0 where
        images were shown as given.
    table: one row per state, size, layer, readout and region.
    checks: None where features were given in place of the model.
    readout: the one that sentences speak of. sizes, contents: those besides the given one.
    size_refused: why the model takes no other size; "" where it does.
    drawn: parameters that no module could reset. unreached: what holds weights that no fresh draw
        reaches: modules that are not registered, and buffers. shift: what the first module with
        statistics reads, by those it came with. own_random: the caller made the random networks.
    n_batches: in how many batches the statistics of
        the stimuli were taken.
    """

    given: Given
    shown: Shown
    layers: list[Layer]
    seeds: tuple[int, ...]
    readout: str
    checks: Checks | None
    facts: dict[str, LayerFacts]
    order: Order
    kinds: tuple[str, ...]
    rdms: dict[tuple[State, int, int], dict[tuple[str, str], Array]]
    table: pd.DataFrame
    references: dict[str, Array]
    bounds: dict[str, scores.Bounds]
    chosen: dict[str, scores.Chosen | None]
    against: dict[str, scores.Against]
    drawn: tuple[str, ...] = ()
    unreached: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    shift: Shift | None = None
    own_random: bool = False
    n_batches: int = 1
    sizes: tuple[int, ...] = ()
    contents: tuple[int, ...] = ()
    size_refused: str = ""
    n_permutations: int = 1000
    n_samples: int = 1000

    @property
    def rois(self) -> tuple[str, ...]:
        return self.given.brain.rois

    @property
    def own(self) -> str:
        """The statistics that the model came with."""
        return AS_GIVEN if AS_GIVEN in self.kinds else NO_STATISTICS

    @property
    def fresh(self) -> str:
        """The statistics of a network as initialised."""
        return INITIALISED if AS_GIVEN in self.kinds else NO_STATISTICS

    @property
    def matched(self) -> str:
        """The statistics on which given and random weights are compared alike."""
        if AS_GIVEN not in self.kinds:
            return NO_STATISTICS
        return TRAINING if TRAINING in self.kinds else STIMULI

    def states(self, weights: str, statistics: str) -> list[State]:
        """One per seed."""
        return sorted(
            (s for s, px, content in self.rdms if px == content == 0
             and s.weights == weights and s.statistics == statistics),
            key=lambda s: s.seed,
        )  # fmt: skip

    def of(self, weights: str, statistics: str, layer: str) -> list[Array]:
        """The RDMs of a layer, one per seed."""
        return [
            self.rdms[state, 0, 0][layer, self.readout]
            for state in self.states(weights, statistics)
        ]

    def mean(self, roi: str, weights: str, statistics: str, **where: object) -> pd.Series:
        """layer -> mean score over seeds, in the order of the layers."""
        rows = self.rows(roi, weights, statistics, **where)
        means = rows.groupby("layer")["rho"].mean()
        return means.reindex([layer.name for layer in self.layers])

    def rows(self, roi: str, weights: str, statistics: str, **where: object) -> pd.DataFrame:
        """Rows of the table, at the given size and the headline readout unless told otherwise."""
        wanted = {"px": 0, "content": 0, "readout": self.readout} | where
        rows = self.table
        kept = (rows["roi"] == roi) & (rows["weights"] == weights)
        kept &= rows["statistics"] == statistics
        for name, value in wanted.items():
            kept &= rows[name] == value
        return rows[kept]

    def best(self, roi: str, weights: str, statistics: str, **where: object) -> tuple[str, float]:
        """The best layer by the mean over seeds, and its score; "" where none has one."""
        means = self.mean(roi, weights, statistics, **where).dropna()
        return (str(means.idxmax()), float(means.max())) if len(means) else ("", np.nan)


def examine(
    model: nn.Module,
    given: Given,
    shown: Shown,
    *,
    layers: str | Sequence[str] | None = None,
    readout: str = "whole",
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    fresh: Fresh | None = None,
    training: Shown | None = None,
    sizes: Sequence[int] | None = None,
    n_permutations: int = 1000,
    n_samples: int = 1000,
    batch: int | None = None,
    memory: int = MEMORY,
    tell: Callable[[str], None] = lambda words: None,
) -> Evidence:
    """Show the model and its twins the images, and hold them against the brain."""
    if len(shown) < 6:
        raise ValueError(f"an audit needs at least 6 stimuli; got {len(shown)}")
    quiet = copied(model).eval()
    _try(quiet, shown)
    found = find_layers(quiet, as_read(quiet, shown.rows(0, 3)), layers)
    if not found:
        raise ValueError("no layer answers one row per image: name layers yourself")
    tell(f"{len(found)} layers: {', '.join(layer.name for layer in found)}")
    at_once = batch or _images_at_once(quiet, shown)
    checks = check(model, shown, found, at_once)
    pictures = shown.pixels()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedPatternWarning)  # an image of one colour
        references = {n: r.dissimilarities for n, r in reference_rdms(pictures).items()}
    kinds = statistics_of(quiet, training is not None)
    look = _Looker(found, at_once, memory)
    rdms: dict[tuple[State, int, int], dict[tuple[str, str], Array]] = {}
    facts: dict[str, LayerFacts] = {}
    drawn: tuple[str, ...] = ()
    n_batches, shift = 1, None
    for weights, draws in ((GIVEN, (-1,)), (RANDOM, tuple(seeds)),
                           (PERMUTED, tuple(seeds)[:_N_PERMUTED])):  # fmt: skip
        for seed in draws:
            made, left = weighted(quiet, weights, seed, fresh)
            drawn = drawn or left
            for statistics in kinds:
                state = State(weights, seed, statistics)
                n = look.set(made, quiet, state, shown, training)
                n_batches = n if statistics == STIMULI else n_batches
                if weights == GIVEN and statistics == STIMULI:
                    shift = Shift.of(quiet, made)
                seen = look(made, shown)
                tell(state.in_words())
                rdms[state, 0, 0] = seen.rdms
                facts = facts or seen.facts
    evidence = Evidence(
        given, shown, found, tuple(seeds), readout, checks, facts,
        find_order(given, references, rdms[State(GIVEN, -1, kinds[0]), 0, 0], pictures),
        kinds, rdms, pd.DataFrame(), references, {}, {}, {},
        drawn=drawn, unreached=(unregistered(quiet), weights_in_buffers(quiet)), shift=shift,
        own_random=fresh is not None, n_batches=n_batches,
        n_permutations=n_permutations, n_samples=n_samples,
    )  # fmt: skip
    _other_sizes(evidence, quiet, fresh, look, sizes, tell)
    if not any(key[1] == readout for key in rdms[State(GIVEN, -1, kinds[0]), 0, 0]):
        known = sorted({key[1] for key in rdms[State(GIVEN, -1, kinds[0]), 0, 0]})
        raise ValueError(f"no layer has the readout {readout!r}; there are {', '.join(known)}")
    return completed(evidence)


def completed(evidence: Evidence) -> Evidence:
    """The scores of every state that was seen, and what stands beside those of the given one."""
    evidence.table = _table(evidence)
    _stand_beside(evidence, np.random.default_rng(0))
    return evidence


@torch.no_grad()
def _try(model: nn.Module, shown: Shown) -> None:
    """One image, so that what does not fit is told in a sentence before long work."""
    images = as_read(model, shown.rows(0, 2))
    try:
        with own_random_numbers():
            model(images)
    except Exception as error:  # whatever a model raises
        why = " ".join(str(error).split())[:200]
        raise ValueError(
            f"the model does not take images of {tuple(images.shape[1:])} ({type(error).__name__}: "
            f"{why}): give the size and preprocessing that it was trained with"
        ) from error


class _Looker:
    """Shows a network the images in the state that is asked for."""

    def __init__(self, layers: Sequence[Layer], batch: int, memory: int) -> None:
        self.layers, self.batch, self.memory = layers, batch, memory

    def __call__(self, model: nn.Module, shown: Shown) -> Seen:
        # The caller's random numbers stay his own even where a model draws some.
        with own_random_numbers():
            return see(model, shown, self.layers, batch=self.batch, memory=self.memory)

    def set(
        self, model: nn.Module, source: nn.Module, state: State, shown: Shown,
        training: Shown | None,
    ) -> int:  # fmt: skip
        """Set a network's statistics; returns in how many batches they were taken."""
        statistics = state.statistics
        if statistics == AS_GIVEN:
            set_statistics(model, source)
        elif statistics == INITIALISED:
            set_statistics(model, None)
        elif statistics == STIMULI:
            return calibrate(model, self._batches(model, shown), state.seed)
        elif statistics == TRAINING:
            assert training is not None
            return calibrate(model, self._batches(model, training), state.seed)
        return 1

    def _batches(self, model: nn.Module, shown: Shown) -> Iterable[Tensor]:
        """All images in one batch, or in as many as memory asks for."""
        largest = _largest_activity(model, shown.rows(0, 1))
        most = max(2, int(4 * self.memory // (_ACTIVITIES_AT_ONCE * 4 * largest)))
        n_batches = -(-len(shown) // most)
        edges = np.linspace(0, len(shown), n_batches + 1).astype(int)
        return (shown.rows(a, b) for a, b in pairwise(edges.tolist()))


def _images_at_once(model: nn.Module, shown: Shown) -> int:
    """As many as keep every tensor of a pass small: larger ones are mapped and unmapped anew by the
    allocator, which at 224 px takes longer than the arithmetic."""
    return max(1, min(BATCH, _SMALL_TENSOR // _largest_activity(model, shown.rows(0, 1))))


@torch.no_grad()
def _largest_activity(model: nn.Module, image: Tensor) -> int:
    """Values in the largest tensor that a module answers for one image."""
    sizes = [image.numel()]

    def hear(_: nn.Module, args: object, out: object) -> None:
        if isinstance(out, Tensor):
            sizes.append(out.numel())

    handles = [module.register_forward_hook(hear) for module in model.modules()]
    try:
        model(as_read(model, image))
    finally:
        for handle in handles:
            handle.remove()
    return max(sizes)


def _other_sizes(
    evidence: Evidence,
    model: nn.Module,
    fresh: Fresh | None,
    look: _Looker,
    sizes: Sequence[int] | None,
    tell: Callable[[str], None],
) -> None:
    """The given network and one random twin at other sizes, and with content of fewer pixels."""
    px = evidence.shown.size()
    step = 32 if px >= 96 else 8
    around = [round(px * share / step) * step for share in (0.75, 1.25)]
    wanted = tuple(s for s in (around if sizes is None else sizes) if s >= 8 and s != px)
    content = max(8, px // 2)
    shows = [(s, 0) for s in wanted] + [(0, content)] * (content < px)
    twin, _ = weighted(model, RANDOM, evidence.seeds[0], fresh)
    pairs = ((model, GIVEN, -1, evidence.own), (twin, RANDOM, evidence.seeds[0], evidence.fresh))
    for size, pixels in shows:
        for network, weights, seed, statistics in pairs:
            state = State(weights, seed, statistics)
            if weights == RANDOM:
                look.set(network, model, state, evidence.shown, None)
            shown = evidence.shown.resized(size or None, pixels or None)
            try:
                seen = Seen(_fitting(network, shown, look))
            except Exception as error:  # whatever a model raises that takes one size only
                evidence.size_refused = " ".join(str(error).split())[:200]
                break
            evidence.rdms[state, size, pixels] = seen.rdms
            tell(f"{state.in_words()}, {size or px} px, content of {pixels or size or px} px")
    evidence.sizes = tuple(sorted({s for _, s, _ in evidence.rdms if s}))
    evidence.contents = tuple(sorted({c for _, _, c in evidence.rdms if c}))


def _fitting(model: nn.Module, shown: Shown, look: _Looker) -> dict[tuple[str, str], Array]:
    """RDMs at another size, where the shapes of the layers are others."""
    names = [layer.name for layer in look.layers]
    layers = find_layers(model, as_read(model, shown.rows(0, 3)), names)
    return _Looker(layers, look.batch, look.memory)(model, shown).rdms


def _table(evidence: Evidence) -> pd.DataFrame:
    brain = evidence.given.brain
    frames = []
    for (state, px, content), by_key in evidence.rdms.items():
        found = scores.mean_scores(brain, np.stack(list(by_key.values())))
        for (layer, readout), row in zip(by_key, found, strict=True):
            for roi, rho in zip(brain.rois, row.tolist(), strict=True):
                frames.append((state.weights, state.seed, state.statistics, px, content, layer,
                               readout, roi, rho))  # fmt: skip
    columns = ["weights", "seed", "statistics", "px", "content", "layer", "readout", "roi", "rho"]
    return pd.DataFrame(frames, columns=columns)


def _stand_beside(evidence: Evidence, rng: np.random.Generator) -> None:
    """Bounds, chance, the choice of the layer and references: of the network as it was given."""
    brain = evidence.given.brain
    given = State(GIVEN, -1, evidence.own)
    own = {
        layer: rdm
        for (layer, readout), rdm in evidence.rdms[given, 0, 0].items()
        if readout == evidence.readout
    }
    for roi in brain.rois:
        evidence.bounds[roi] = scores.bounds(brain, roi, rng)
        chosen = scores.choose(brain, roi, own, rng, evidence.n_permutations)
        evidence.chosen[roi] = chosen
        if chosen is not None:
            evidence.against[roi] = scores.against(
                brain, roi, own[chosen.layer], evidence.references
            )
