"""Scores at epoch 0 are those of the seed: the arithmetic of another machine moves none."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from neurosim.experiments.data.registry import load_stimuli
from neurosim.experiments.data.types import MissingDataError
from neurosim.experiments.job.batches import normalise
from neurosim.experiments.job.job import build_learner
from neurosim.experiments.settings.config import PRESETS
from neurosim.models.network.readouts import patterns
from neurosim.rsa import alignment_table


def scores(stimuli, seed: int) -> pd.DataFrame:
    """Of the spiking layers of a network that has just been built."""
    learner = build_learner(PRESETS["brain92"], "stdp", seed, 10)
    activity = learner.parts[0].net.represent(normalise(stimuli.at_px(32)))
    return pd.concat(
        alignment_table(
            {name: patterns(a, readout).numpy() for name, a in activity.items()},
            stimuli.brain,
            labels={"readout": readout},
        )
        for readout in ("gap", "4x4")
    )


@pytest.mark.parametrize("seed", [42, 123])
def test_scores_at_epoch_0_agree_to_two_thousandths(seed):
    """Convolutions of another library sum in another order, in calibration and in evaluation: no
    score of any layer, region and convention changes by .002. Thresholds a per cent apart change
    them by .006."""
    try:
        stimuli = load_stimuli("brain92")
    except MissingDataError as missing:
        pytest.skip(str(missing))
    here = scores(stimuli, seed)
    with torch.backends.mkldnn.flags(enabled=False):
        elsewhere = scores(stimuli, seed)
    assert (here["rho"] - elsewhere["rho"]).abs().max() < 0.002
