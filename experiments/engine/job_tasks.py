"""The jobs of a comparison as tasks: a rule and a seed each."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from neurosim.arrays.storage import DamagedFileError, read_tree
from neurosim.experiments.data.loaded import data_of
from neurosim.experiments.engine.tasks import AbstractTask
from neurosim.experiments.job.events import Report
from neurosim.experiments.job.job import Job, JobData
from neurosim.experiments.job.store import JobStore, job_identity
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import Comparison, Execution
from neurosim.experiments.settings.texts import file_name
from neurosim.models.rule_table import rule_of


@dataclass(frozen=True)
class JobTask(AbstractTask):
    """One job of a comparison.

    variant: tells jobs of one rule and seed apart, where a folder holds several.
    """

    settings: Comparison
    rule: str
    device: str = "cpu"
    variant: str = ""

    @property
    def label(self) -> str:
        """The rule, with its variant."""
        return f"{self.rule} {self.variant}".strip()

    @property
    def stem(self) -> str:
        """What its files are called."""
        return "-".join(filter(None, (file_name(self.rule), f"seed{self.seed}", self.variant)))

    def own_sources(self) -> dict[str, str]:
        return self.settings.sources(self.rule)

    @property
    def n_steps(self) -> int:
        """Epochs."""
        return self.settings.epochs

    @property
    def cost(self) -> float:
        """Of an epoch, by the rule."""
        return rule_of(self.rule).cost

    @property
    def epochs_left(self) -> int:
        """Epochs that its files lack."""
        folder = RunFolder(self.folder)
        for path in (folder.resume(self.stem), folder.part(self.stem)):
            try:
                return self.settings.epochs - int(read_tree(path, only=("epoch",))["epoch"])
            except (FileNotFoundError, DamagedFileError, KeyError):
                continue
        return self.settings.epochs

    def prepared(self) -> tuple[JobData, torch.device]:
        """Its data, on its device."""
        device = torch.device(self.device)
        images, stimuli = data_of(self.settings.training, self.settings.stimuli, self.data_dir)
        return JobData.prepare(self.settings, self.seed, images, stimuli, device), device

    def perform(self, report: Report) -> None:
        images, stimuli = data_of(self.settings.training, self.settings.stimuli, self.data_dir)
        folder = RunFolder(self.folder)
        store = JobStore(
            folder.part(self.stem),
            folder.resume(self.stem),
            job_identity(self.settings, self.rule, self.seed, images, stimuli),
            lambda message: report("damaged", message=message),
        )
        before = store.is_finished()
        if not before:
            data, device = self.prepared()
            Job(self.settings, self.rule, self.seed, data, store, device, report).run()
        report("finished", before=before)


def tasks_of(settings: Comparison, execution: Execution, folder: RunFolder) -> list[JobTask]:
    """A task per job: finished ones, which take no time, first, so that the time left is right from
    the start; then those that take longest, so that none is left alone at the end."""
    tasks = [
        JobTask(settings, rule, execution.device, seed=seed, folder=folder.path,
                data_dir=execution.data_dir, deterministic=execution.deterministic)
        for rule in settings.rules
        for seed in settings.seeds
    ]  # fmt: skip
    left = {task.name: task.epochs_left for task in tasks}
    return sorted(tasks, key=lambda task: (left[task.name] > 0, -left[task.name] * task.cost))
