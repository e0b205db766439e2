"""Tidy tables of scored networks: every score, the decomposition with intervals, layer choices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurosim.experiments.controls.state_scores import DRAWN, Scores, present_subjects
from neurosim.experiments.results.table import MIN_DIRECTION_CHANGE, MIN_DISPLACEMENT
from neurosim.experiments.run.stored import INITIALISED, STATISTICS_ONLY, TRAINED, State
from neurosim.rsa import BrainRDMs, CrossedBootstrap
from neurosim.rsa.inference.crossed import draw_shares, mean_of_drawn, subsets

#: What a network is and how it is looked at: the keys of a score.
STATE = ["rule", "seed", "weights", "epoch"]
LOOK = ["px", "content", "normalisation", "readout", "layer", "roi"]
#: Seed of the draws of training seeds in the bootstrap.
_SEED_DRAWS = 1
LEVEL = 0.95


def score_table(
    scores: Mapping[State, Scores],
    movement: pd.DataFrame,
    references: pd.DataFrame,
    *,
    simulated: bool,
) -> pd.DataFrame:
    """One row a network, px, content, normalisation, readout, layer, ROI and convention.

    Movement and accuracy stand beside the scores; low-level reference models follow, ``rule`` =
    ``reference:<name>``.
    """
    tables = [_labelled(state, found.table) for state, found in scores.items()]
    table = pd.concat(tables, ignore_index=True)
    # Statistics-only networks have the weights of epoch 0, and so its movement: none.
    moved_at = table["epoch"].where(table["weights"] == TRAINED, 0)
    keys = ["rule", "seed", "epoch", "layer"]
    table = table.assign(_at=moved_at).merge(
        movement.rename(columns={"epoch": "_at"}),
        on=[*keys[:2], "_at", "layer"],
        how="left",
        validate="m:1",
    )
    table.loc[table["weights"] == STATISTICS_ONLY, "test_accuracy"] = np.nan
    still = (table["displacement"] < MIN_DISPLACEMENT) | (
        table["direction_change"] < MIN_DIRECTION_CHANGE
    )
    table["trained"] = np.where(still, "not trained", "trained")
    table = pd.concat([table.drop(columns="_at"), references], ignore_index=True)
    table["simulated"] = simulated
    for column in ("seed", "epoch"):
        table[column] = table[column].astype("Int64")
    first = [*STATE, *LOOK, "convention", "rho", "noise_lower", "noise_upper"]
    table = table.drop(columns="subject", errors="ignore")
    return table[first + [name for name in table if name not in first]]


def choice_table(scores: Mapping[State, Scores], table: pd.DataFrame, layer: str) -> pd.DataFrame:
    """Three ways to speak of "the" layer, side by side, ``subject_mean``.

    ``fixed_rho``: always ``layer``. ``best_rho``: the best layer of this network on these
    stimuli, named ``best_layer`` (as published; optimistic). ``held_out_rho``: the layer chosen
    on half of the stimuli, scored on the other half.
    """
    parts = [_labelled(state, found.choice) for state, found in scores.items() if len(found.choice)]
    if not parts:
        return pd.DataFrame()
    choices = pd.concat(parts, ignore_index=True)
    keys = [*STATE, "px", "content", "normalisation", "roi"]
    rows = table[table["convention"] == "subject_mean"]
    models = rows[~rows["rule"].str.startswith("reference:")]
    # The choice is among the first readout of the maps and the layers without space.
    models = models.drop_duplicates([*keys, "layer"])
    fixed = models[models["layer"] == layer].set_index(keys)["rho"].rename("fixed_rho")
    best = models.loc[models.groupby(keys)["rho"].idxmax()].set_index(keys)["layer"]
    for column in ("seed", "epoch"):
        choices[column] = choices[column].astype("Int64")
    choices = choices.join(fixed, on=keys).join(best.rename("best_layer"), on=keys)
    choices.insert(choices.columns.get_loc("best_rho"), "fixed_layer", layer)
    return choices


def decomposition_table(scores: Mapping[State, Scores], brain: BrainRDMs) -> pd.DataFrame:
    """The change of each rule split in two, with intervals over stimuli, subjects and seeds.

    For one px, content, policy, readout, layer and ROI: ``initialised``, ``statistics_only`` and
    ``trained`` are means over seeds of rho (``subject_mean``); ``normalisation_part`` is
    statistics_only - initialised, ``learning_part`` trained - statistics_only and ``change`` their
    sum. The bounds of each are the 95 % interval of ``rsa.CrossedBootstrap``: stimuli, subjects
    and seeds are resampled (the same for all networks, so that parts are paired differences),
    with the correction for crossed factors; what there is only one of is held fixed.
    ``*_seeds_up``: in how many seeds a part is above zero.
    """
    n_subjects = {roi: len(present_subjects(brain, roi)) for roi in brain.rois}
    rows = []
    for rule, by_seed in _by_rule(scores):
        seeds = list(by_seed)
        first = next(iter(by_seed.values()))[TRAINED]
        shares = draw_shares(
            len(seeds), first.samples.shape[-1], np.random.default_rng(_SEED_DRAWS)
        )
        observed = {seed: {w: _observed(s) for w, s in of.items()} for seed, of in by_seed.items()}
        for i, look in enumerate(first.resampled.to_dict("records")):
            for r, roi in enumerate(brain.rois):
                place = (*(look[name] for name in LOOK[:-1]), roi)
                values = np.array([[observed[seed][w][place] for seed in seeds] for w in _WEIGHTS])
                samples = np.stack(
                    [[by_seed[seed][w].samples[:, i, r] for seed in seeds] for w in _WEIGHTS]
                )
                sizes = {
                    "stimuli": brain.n_stimuli,
                    "seeds": len(seeds),
                    "subjects": n_subjects[roi],
                }
                rows.append(
                    {"rule": rule, **look, "roi": roi, "n_seeds": len(seeds)}
                    | _parts(values, _crossed(values, samples, shares, sizes))
                )
    return pd.DataFrame(rows)


_WEIGHTS = (INITIALISED, STATISTICS_ONLY, TRAINED)
#: Part -> the two states of the weights that it is the difference of.
PARTS = {
    "normalisation_part": (STATISTICS_ONLY, INITIALISED),
    "learning_part": (TRAINED, STATISTICS_ONLY),
    "change": (TRAINED, INITIALISED),
}


def _crossed(
    values: np.ndarray, samples: np.ndarray, shares: np.ndarray, sizes: Mapping[str, int]
) -> CrossedBootstrap:
    """The bootstrap of the three states of the weights.

    Args:
        values: (3, n_seeds) observed; samples: (3, n_seeds, len(DRAWN), n_resamples);
            shares: (n_resamples, n_seeds) of the drawn seeds.
    """
    several = {name: size for name, size in sizes.items() if size > 1}
    found = {}
    for drawn in subsets(several):
        rest = drawn - {"seeds"}
        # (n_resamples or 1, 3, n_seeds)
        table = np.moveaxis(samples[:, :, DRAWN.index(rest)], -1, 0) if rest else values[None]
        found[drawn] = mean_of_drawn(table, shares if "seeds" in drawn else None, 2)
    return CrossedBootstrap(values.mean(axis=1), found, several)


def _parts(values: np.ndarray, bootstrap: CrossedBootstrap) -> dict[str, Any]:
    found: dict[str, Any] = {}
    lower, upper = bootstrap.interval(LEVEL)
    for w, weights in enumerate(_WEIGHTS):
        name = weights.replace("-", "_")
        found[name] = float(bootstrap.observed[w])
        found[f"{name}_lower"], found[f"{name}_upper"] = float(lower[w]), float(upper[w])
    for name, (of, less) in PARTS.items():
        a, b = _WEIGHTS.index(of), _WEIGHTS.index(less)
        part = bootstrap.difference(a, b)
        found[name] = float(part.observed)
        found[f"{name}_lower"], found[f"{name}_upper"] = map(float, part.interval(LEVEL))
        found[f"{name}_seeds_up"] = int((values[a] > values[b]).sum())
    return found


def _by_rule(
    scores: Mapping[State, Scores],
) -> Iterator[tuple[str, dict[int, dict[str, Scores]]]]:
    """Rule -> seed -> weights -> scores, trained ones of the last epoch; complete seeds only."""
    last = max(state.epoch for state in scores)
    for rule in dict.fromkeys(state.rule for state in scores):
        by_seed: dict[int, dict[str, Scores]] = {}
        for state, found in scores.items():
            if state.rule == rule and (state.weights == INITIALISED or state.epoch == last):
                by_seed.setdefault(state.seed, {})[state.weights] = found
        yield rule, {seed: of for seed, of in by_seed.items() if len(of) == 3}


def _observed(scores: Scores) -> dict[tuple[Any, ...], float]:
    rows = scores.table[scores.table["convention"] == "subject_mean"]
    return dict(zip(rows[LOOK].itertuples(index=False, name=None), rows["rho"], strict=True))


def _labelled(state: State, table: pd.DataFrame) -> pd.DataFrame:
    labels = {name: getattr(state, name) for name in STATE}
    return pd.DataFrame({**{k: [v] * len(table) for k, v in labels.items()}}).join(
        table.reset_index(drop=True)
    )
