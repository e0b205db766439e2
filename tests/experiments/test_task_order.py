"""In which order jobs are run."""

from neurosim.experiments.engine.job_tasks import JobTask, tasks_of
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import PRESETS, Execution


def test_finished_jobs_come_first_and_the_longest_next(tmp_path, monkeypatch):
    """A run of 60 jobs with 10 to do said "7 hours left" until it met the finished ones."""
    settings = PRESETS["demo"]
    left = {"untrained": 2, "bp": 0, "fa": 1, "pc": 2, "stdp": 0}
    monkeypatch.setattr(JobTask, "epochs_left", property(lambda task: left[task.rule]))
    rules = [task.rule for task in tasks_of(settings, Execution(), RunFolder(tmp_path))]
    assert rules[:2] == ["bp", "stdp"]
    assert rules[2] == "pc"
    assert set(rules) == set(left)
