"""Auditing a run folder: its table, and its networks shown stimuli once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from neurosim.experiments.audit.questions import Check
from neurosim.experiments.audit.result import TableAudit
from neurosim.experiments.audit.types import Audited
from neurosim.experiments.data.loaded import data_of
from neurosim.experiments.data.types import StimulusSet
from neurosim.experiments.job.batches import normalise
from neurosim.experiments.job.evaluate import reference_table
from neurosim.experiments.job.network import roles_of
from neurosim.experiments.job.store import read_table
from neurosim.experiments.results.table import merge
from neurosim.experiments.run.stored import TRAINED, StoredRun
from neurosim.models.rules.learner import Learner

#: Stimuli that each network is shown, at the training size.
_N_SHOWN = 12


def audit_run(path: Path, data_dir: Path | None) -> TableAudit:
    """Audit what a run folder holds and write ``audit.json`` into it; it speaks of the headline of
    the network.

    The scores are those of its finished jobs, whether or not ``results.csv`` is there.

    Raises:
        FileNotFoundError, ValueError: no run, no finished job.
        DataError: data are missing.
    """
    run = StoredRun.read(path).require_finished()
    settings = run.settings
    layer = roles_of(settings).headline
    _, stimuli = data_of(settings.training, settings.stimuli, data_dir)
    table = merge(
        [read_table(job.path) for job in run.finished],
        reference_table(stimuli, settings.evaluation_px, settings.comparator),
        simulated=stimuli.simulated,
        comparator=settings.comparator,
    )

    shown = shown_stimuli(stimuli, settings.training_px)
    checks = [
        check(state.learner(settings), shown, state.name)
        for state in run.states()
        if state.weights == TRAINED
    ]
    # What the table lacks passes nothing either.
    checks += [Check(name, doubt="not in this table") for name in run.unfinished]
    audited = Audited.of(table, layer, checks=checks, shown_here=True)
    found = TableAudit.of(Path(path), audited, settings.stimuli)
    found.write(path)
    return found


def shown_stimuli(stimuli: StimulusSet, px: int) -> Tensor:
    """A few stimuli at one size, normalised, spread over the set."""
    images = normalise(stimuli.at_px(px))
    step = max(1, len(images) // _N_SHOWN)
    return images[::step][:_N_SHOWN]


def check(learner: Learner, images: Tensor, name: str) -> Check:
    """Show a network some stimuli together and alone, and look at what it was before."""
    before = {k: t.clone() for k, t in learner.tensors().items()}
    together = learner.represent(images)
    changed = tuple(k for k, t in learner.tensors().items() if not torch.equal(t, before[k]))
    learner.load({k: t.cpu().numpy() for k, t in before.items()})
    alone = learner.represent(images[:1])
    scored = learner.roles.scored
    return Check(name, changed, largest_difference(together, alone, scored))


def largest_difference(
    together: Mapping[str, Tensor], alone: Mapping[str, Tensor], layers: Sequence[str]
) -> float:
    """Largest difference of the first stimuli's activity, as a share of a layer's RMS."""
    shares = []
    for layer in layers:
        if layer in together and layer in alone:
            a, b = together[layer].double(), alone[layer].double()
            scale = float(a.square().mean().sqrt())
            difference = float((a[: len(b)] - b).abs().max())
            shares.append(difference / scale if scale > 0 else difference)
    return max(shares, default=0.0)
