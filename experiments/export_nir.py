"""The spiking network of a finished run as a NIR file, for norse and other simulators.

    python experiments/export_nir.py runs/demo --seed 42 --without-competition --out stdp.nir

See docs/cells.md for what NIR can express and how to load the file.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from neurosim.experiments.settings.options import Parser
from neurosim.experiments.system.failures import command

if TYPE_CHECKING:
    from neurosim.models.spiking.dynamics import SpikingNetwork


def parser() -> Parser:
    """The command line."""
    p = Parser(description=__doc__.split("\n")[0])
    p.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    p.add_argument("--seed", type=int, help="of the job; by default the run's first with stdp")
    p.add_argument("--epoch", type=int, help="checkpoint; by default the last")
    p.add_argument("--px", type=int, help="side of the images; by default that of training")
    p.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .nir file")
    p.add_argument(
        "--simulator", default="norse", help="what will load it: norse (by default), snntorch"
    )
    p.add_argument(
        "--without-competition",
        action="store_true",
        help="NIR cannot express winner-take-all: leave it out, and calibrate the thresholds of "
        "the trained weights anew without it",
    )
    return p


def _command(argv: Sequence[str] | None) -> None:
    arguments = parser().parse_args(argv)
    print(export(**vars(arguments)))


def export(
    run: Path,
    out: Path,
    *,
    seed: int | None = None,
    epoch: int | None = None,
    px: int | None = None,
    simulator: str = "norse",
    without_competition: bool = False,
) -> str:
    """Write the network of one stdp job; returns what to tell the user.

    Raises:
        FileNotFoundError: no run there.
        ValueError: no finished stdp job of that seed, no such
            checkpoint, or what NIR cannot express.
    """
    from neurosim.experiments.run.stored import StoredRun
    from neurosim.models.interop.nir_export import SIMULATORS, write_nir
    from neurosim.spiking.population.competition import NoCompetition

    target = SIMULATORS[simulator]

    stored = StoredRun.read(run).require_finished()
    spiking = [job for job in stored.finished if _spikes(job.path)]
    seeds = [job.seed for job in spiking]
    if not seeds or seed not in (None, *seeds):
        asked = "" if seed is None else f" of seed {seed}"
        there = f"it has seeds {', '.join(map(str, seeds))}" if seeds else "it has none"
        raise ValueError(f"no finished job of a spiking rule{asked} in {run}: {there}")
    job = spiking[0 if seed is None else seeds.index(seed)]
    rule, seed = job.rule, job.seed
    net = _network(stored, rule, seed, epoch)
    px = stored.settings.training_px if px is None else px
    note = ""
    if without_competition:
        from neurosim.arrays.streams import generator
        from neurosim.models.spiking.pink_noise import pink_noise

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
    from neurosim.arrays.storage import read_tree

    start = read_tree(path, only=("weights",))["weights"]["epoch_0"]
    return any(name.endswith(".threshold") for name in start)


def _network(stored, rule: str, seed: int, epoch: int | None) -> SpikingNetwork:
    from neurosim.experiments.run.stored import INITIALISED, TRAINED

    wanted = INITIALISED if epoch == 0 else TRAINED
    states = stored.states(None if epoch in (None, 0) else [epoch])
    (state,) = [s for s in states if (s.rule, s.seed, s.weights) == (rule, seed, wanted)]
    return state.learner(stored.settings).parts[0].net


main = command(_command, interrupted="nothing was written")

if __name__ == "__main__":
    sys.exit(main())
