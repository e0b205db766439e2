"""The spiking network of a finished run as a NIR file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from neurosim.arrays.storage import read_tree
from neurosim.arrays.streams import generator
from neurosim.experiments.run.stored import INITIALISED, TRAINED, StoredRun
from neurosim.models.interop.nir_export import SIMULATORS, write_nir
from neurosim.models.rule_table import label_of
from neurosim.models.spiking.dynamics import SpikingNetwork
from neurosim.models.spiking.pink_noise import pink_noise
from neurosim.spiking.population.competition import NoCompetition


def export(
    run: Path,
    out: Path,
    *,
    rule: str | None = None,
    seed: int | None = None,
    epoch: int | None = None,
    px: int | None = None,
    simulator: str = "norse",
    without_competition: bool = False,
) -> str:
    """Write the network of one job; returns what to tell the user.

    rule: its text or label. rule, seed: by default those of the first job whose network spikes.

    Raises:
        FileNotFoundError: no run there.
        ValueError: no such finished job, no such checkpoint, or what NIR cannot express.
    """
    target = SIMULATORS[simulator]
    stored = StoredRun.read(run).require_finished()
    spiking = [job for job in stored.finished if _spikes(job.path)]
    found = [
        job
        for job in spiking
        if rule in (None, job.rule, label_of(job.rule)) and seed in (None, job.seed)
    ]
    if not found:
        asked = "" if rule is None else f" {rule}"
        asked += "" if seed is None else f" of seed {seed}"
        there = ", ".join(f"{job.rule} seed {job.seed}" for job in spiking) or "none"
        raise ValueError(f"no finished job of a spiking rule{asked} in {run}: it has {there}")
    rule, seed = found[0].rule, found[0].seed
    net = _network(stored, rule, seed, epoch)
    px = stored.settings.training_px if px is None else px
    note = ""
    if without_competition:
        net.dynamics = replace(net.dynamics, competition=NoCompetition())
        net.calibrate(pink_noise(32, stored.settings.training_px, generator(seed, "nir")))
        note = "; competition left out, thresholds calibrated without it"
    elif not isinstance(net.dynamics.competition, NoCompetition):
        raise ValueError(
            "NIR has no node for the competition between maps that this network was trained with: "
            "add --without-competition, which leaves it out and calibrates the thresholds anew"
        )
    write_nir(net, out, px, target)
    dynamics = net.dynamics
    load = f"norse.torch.from_nir(nir.read({str(out)!r}), dt={dynamics.dt_ms / 1000:g})"
    if simulator == "snntorch":
        load = f"snntorch.import_nir.import_from_nir(nir.read({str(out)!r}))"
    return (
        f"{out}: {rule} seed {seed}, epoch {stored.settings.epochs if epoch is None else epoch}, "
        f"{px} px, {dynamics.n_ticks()} ticks of {dynamics.dt_ms:g} ms{note}\n"
        f"load it with {load}"
    )


def _spikes(path: Path) -> bool:
    """Whether a job's network has firing thresholds."""
    start = read_tree(path, only=("weights",))["weights"]["epoch_0"]
    return any(name.endswith(".threshold") for name in start)


def _network(stored: StoredRun, rule: str, seed: int, epoch: int | None) -> SpikingNetwork:
    wanted = INITIALISED if epoch == 0 else TRAINED
    states = stored.states(None if epoch in (None, 0) else [epoch])
    (state,) = [s for s in states if (s.rule, s.seed, s.weights) == (rule, seed, wanted)]
    return state.learner(stored.settings).parts[0].net
