"""A comparison from beginning to end: check all, run the jobs, write what they found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from neurosim.arrays.streams import generator
from neurosim.experiments.audit.run import audit_run
from neurosim.experiments.audit_page.of_table import PAGE as AUDIT_PAGE
from neurosim.experiments.audit_page.of_table import write_page
from neurosim.experiments.data.loaded import Data, load_both
from neurosim.experiments.data.types import TrainingImages
from neurosim.experiments.engine.job_tasks import tasks_of
from neurosim.experiments.engine.runners import runner_of
from neurosim.experiments.job.job import build_learner
from neurosim.experiments.job.measures import Measures
from neurosim.experiments.job.network import network_of, roles_of
from neurosim.experiments.progress.plan import Plan, measured_plan
from neurosim.experiments.progress.run import finished
from neurosim.experiments.report.files import AUDIT, write_results
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import (
    NORM_NAMES,
    RULE_NAMES,
    SPIKING_RULES,
    SPIKING_SETTINGS,
    Comparison,
    Execution,
)
from neurosim.models.network.policies import POLICIES, Calibration
from neurosim.models.network.readouts import patterns
from neurosim.naming.made import bound
from neurosim.naming.own import is_own

DEVICES = ("cpu", "cuda", "mps")


def run(settings: Comparison, execution: Execution, out: Path | str) -> str:
    """Run a comparison into the folder ``out``, or go on with it; returns the summary in words.

    Raises:
        ValueError, OSError: the input cannot be used; nothing was started.
        InUseError: another process runs this folder.
        TasksFailedError: after all other jobs are done.
    """
    folder = RunFolder(Path(out))
    images, stimuli = _checked(settings, execution, folder)
    runner = runner_of(execution)
    if not execution.resume and folder.is_claimed:
        raise ValueError(
            f"{folder.path} already holds a run: give another --out, or leave out --no-resume to "
            "go on from it"
        )
    with folder.held():
        folder.claim(settings, images, stimuli)
        folder.write_configuration(settings, execution)
        for line in _announcements(settings, execution, folder, stimuli.simulated):
            print(line)
        tasks = tasks_of(settings, execution, folder)
        derived = finished(folder, tasks, runner, execution.workers)
        # Before the report, which shows it.
        derived.make(
            [AUDIT, AUDIT_PAGE],
            lambda: write_page(audit_run(folder.path, execution.data_dir), folder.path),
        )
        return write_results(folder, stimuli, roles_of(settings).headline, derived)


def plan(settings: Comparison, execution: Execution, out: Path | str) -> Plan:
    """What ``run`` would cost from where the folder is; nothing is written.

    Raises:
        ValueError, OSError: as ``run``.
    """
    folder = RunFolder(Path(out))
    folder.check(settings, *_checked(settings, execution, folder))
    return measured_plan(tasks_of(settings, execution, folder), execution.workers)


def _checked(settings: Comparison, execution: Execution, folder: RunFolder) -> Data:
    """The data, after a look at all that a job would refuse later."""
    _check_device(execution.device)
    images, stimuli = load_both(
        settings.training, settings.stimuli, execution.data_dir, download=execution.download
    )
    _check_images(settings, images)
    _check_evaluation(settings)
    _check_rules(settings, folder, len(images.class_names))
    return images, stimuli


def _check_images(settings: Comparison, images: TrainingImages) -> None:
    """Refuse numbers and a size of training images that the set does not have."""
    px = images.x_train.shape[1]
    if px != settings.training_px:
        raise ValueError(
            f"the training images of {settings.training} are {px} px, and training_px is "
            f"{settings.training_px}: give --training-px {px}, and --evaluation-px with {px} in it"
        )
    for seed in settings.seeds:
        images.subset(settings.n_train, settings.n_test, seed)


def _check_evaluation(settings: Comparison) -> None:
    """Try out before any work how activity is normalised, read out and scored.

    Raises:
        ValueError: it cannot be done; the message says why.
    """
    _ = Measures.of(settings)
    px = settings.training_px
    shown = torch.rand(4, 3, px, px, generator=generator(0, "trial"))
    layers = network_of(settings).layers
    for readout in settings.readouts:
        with _told("readout", readout):
            patterns(shown, readout)
    for policy in filter(is_own, settings.normalisation):
        with _told("normalisation policy", policy):
            bound(POLICIES, policy).build(layers, Calibration([shown]), px)


@contextmanager
def _told(kind: str, text: str) -> Iterator[None]:
    """Errors of something of a user's own as one sentence that names it."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"the {kind} {text}: {error}") from error
    except Exception as error:
        raise ValueError(
            f"the {kind} {text} cannot be used ({type(error).__name__}: {error})"
        ) from error


def _check_rules(settings: Comparison, folder: RunFolder, n_classes: int) -> None:
    """Build once, before any work, what has settings, is a user's own, or is on another network.

    Raises:
        ValueError: it cannot be built; the message says why.
    """
    named = [name for name in SPIKING_SETTINGS if getattr(settings, name).endswith(")")]
    for rule in settings.rules:
        plain = rule in RULE_NAMES and not (named and rule in SPIKING_RULES)
        plain = plain and settings.network == Comparison.network and settings.norm in NORM_NAMES
        if plain or folder.cell(rule, settings.seeds[0]).is_file():
            continue
        try:
            build_learner(settings, rule, settings.seeds[0], n_classes)
        except ValueError as error:
            raise ValueError(f"{rule} on {settings.network}: {error}") from error
        except Exception as error:
            if rule in RULE_NAMES:
                raise
            raise ValueError(f"{rule} cannot be built ({type(error).__name__}: {error})") from error


def _announcements(
    settings: Comparison, execution: Execution, folder: RunFolder, simulated: bool
) -> list[str]:
    lines = []
    if simulated:
        lines.append("SIMULATED data: images, subjects and ROIs are made by a program.")
    if len(folder.codes) > 1:
        lines.append(
            f"{folder.path} was begun with other code: what is finished there is kept as it is; "
            "give another --out to compute all of it with this code."
        )
    where = execution.scheduler or execution.dask_jobqueue or f"{execution.workers} worker(s)"
    lines.append(
        f"{len(settings.rules)} rules x {len(settings.seeds)} seeds, {settings.epochs} epochs, "
        f"{where}, into {folder.path}"
    )
    return lines


def _check_device(name: str) -> None:
    if name.split(":")[0] not in DEVICES:
        raise ValueError(f"unknown device {name!r}: the known ones are {', '.join(DEVICES)}")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0]}): give --device cpu"
        ) from error
