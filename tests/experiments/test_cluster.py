"""Cells on Dask workers: other processes, which may be lost, and the bits of one process."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import needs
import pytest
from crash_loop import SETTINGS as SMALL
from dask_loopback import Loopback, at_most, kill, terminate_self

from neurosim.experiments.engine.cluster import _check_scheduler
from neurosim.experiments.engine.execute import Losses
from neurosim.experiments.engine.job_queue import JobQueue
from neurosim.experiments.engine.job_tasks import JobTask
from neurosim.experiments.job.events import read_log
from neurosim.experiments.report import files as report
from neurosim.experiments.settings.config import Comparison
from neurosim.experiments.system.locks import is_locked
from neurosim.experiments.training_dynamics import main


@pytest.fixture(autouse=True, scope="module")
def _extra() -> None:
    for module in ("distributed", "dask_jobqueue"):
        needs.extra("cluster", module)


SETTINGS = [*SMALL, "--epochs", "8", "--checkpoints", "0", "4", "8"]
#: Seconds that a test may take on a busy machine before it is taken to hang.
LIMIT_S = 240


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    monkeypatch.setattr(report, "draw_all", lambda *args, **kw: None)
    monkeypatch.setattr(report, "write_page", lambda *args, **kw: None)


@pytest.fixture(scope="module")
def in_process(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("in_process") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "draw_all", lambda *args, **kw: None)
        patch.setattr(report, "write_page", lambda *args, **kw: None)
        assert main([*SETTINGS, "--workers", "1", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    loopback = Loopback(tmp_path_factory.mktemp("dask"))
    try:
        yield loopback
    finally:
        loopback.close()


def assert_same_bits(out: Path, in_process: Path) -> None:
    names = [path.relative_to(in_process) for path in in_process.glob("cells/*")]
    for path in (Path("results.csv"), *names):
        assert (out / path).read_bytes() == (in_process / path).read_bytes(), path
    assert list(out.glob("resume/*")) == []


class Midway:
    """Does something once, when a cell has finished ``n`` more epochs than the log knows now."""

    def __init__(self, out: Path, do: Callable[[list[dict]], None], n: int = 3) -> None:
        self.log, self.do, self.done_at = out / "log.jsonl", do, 0.0
        self.n_before, self.n = len(read_log(self.log)), n
        self.error: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Midway":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            events = read_log(self.log)[self.n_before :]
            if sum(event["event"] == "epoch" for event in events) >= self.n:
                self.done_at = time.monotonic()
                try:
                    self.do(events)
                except Exception as error:
                    self.error = error
                return


def placed(events: list[dict]) -> dict[str, list[int]]:
    """Rule -> ids of the processes that had its cell, in order."""
    found: dict[str, list[int]] = {}
    for event in events:
        if event["event"] == "placed":
            found.setdefault(event["rule"], []).append(event["pid"])
    return found


def test_a_killed_dask_worker_loses_nothing(cluster, in_process, tmp_path):
    """One of two workers is killed while it computes: its cell goes on in the other, and the
    end is that of an undisturbed run in one process, to the bit."""
    killed = []

    def kill_the_worker_of_the_last_epoch(events: list[dict]) -> None:
        rule = [event["rule"] for event in events if event["event"] == "epoch"][-1]
        (victim,) = [w for w in cluster.workers if w.pid == placed(events)[rule][-1]]
        killed.append((rule, victim.pid))
        kill(victim)

    with at_most(LIMIT_S), Midway(tmp_path, kill_the_worker_of_the_last_epoch):
        address = cluster.address
        assert main([*SETTINGS, "--scheduler", address, "--out", str(tmp_path)]) == 0
    ((rule, pid),) = killed
    where = placed(read_log(tmp_path / "log.jsonl"))
    assert where[rule][0] == pid
    assert where[rule][-1] != pid
    assert len({pids[0] for pids in where.values()}) == 2, "both workers had a cell at first"
    assert_same_bits(tmp_path, in_process)


def test_sigterm_frees_the_dask_workers(cluster, tmp_path, capsys):
    """A run that is ended takes its cells off the workers, which stay for others."""
    address = cluster.address
    with at_most(LIMIT_S):
        with Midway(tmp_path, lambda events: terminate_self()):
            assert main([*SETTINGS, "--scheduler", address, "--out", str(tmp_path)]) == 143
        assert "interrupted: finished jobs and the last epoch of the others are kept, run again " \
            "to resume" in capsys.readouterr().err  # fmt: skip
        while any(is_locked(lock) for lock in tmp_path.glob("locks/*-seed42.lock")):
            time.sleep(0.05)
    assert [worker.poll() for worker in cluster.workers] == [None, None]
    assert list(tmp_path.glob("resume/*")), "the cells were ended, not finished"


def test_a_lost_scheduler_is_one_sentence_and_the_next_start_resumes(
    cluster, in_process, tmp_path, capsys
):
    address = cluster.address
    with at_most(LIMIT_S):
        with Midway(tmp_path, lambda events: kill(cluster.scheduler)) as killing:
            assert main([*SETTINGS, "--scheduler", address, "--out", str(tmp_path)]) == 1
        took = time.monotonic() - killing.done_at
        message = capsys.readouterr().err
        assert message.endswith(
            f"error: the Dask scheduler of {address} was lost: what its workers finished is kept, "
            "run again to resume\n"
        )
        assert "Traceback" not in message
        assert took < 20
        assert not (tmp_path / "results.csv").exists()
        epochs = [e["epoch"] for e in read_log(tmp_path / "log.jsonl") if e["event"] == "epoch"]
        assert main([*SETTINGS, "--workers", "1", "--out", str(tmp_path)]) == 0
    again = [e["epoch"] for e in read_log(tmp_path / "log.jsonl") if e["event"] == "epoch"]
    assert len(again) < len(epochs) + 2 * 8, "finished epochs were computed again"
    assert_same_bits(tmp_path, in_process)


def test_a_job_queue_from_a_file(in_process, tmp_path):
    """dask-jobqueue's own queue for tries: jobs are processes of this machine."""
    file = tmp_path / "queue.yaml"
    file.write_text(
        "queue_system: local\nmemory: 2GB\nscheduler_options:\n  dashboard_address: 127.0.0.1:0\n"
        f"  host: 127.0.0.1\nlocal_directory: {tmp_path}\n",
        encoding="utf-8",
    )
    out = tmp_path / "run"
    with at_most(LIMIT_S):
        assert main([*SETTINGS, "--dask-jobqueue", str(file), "--workers", "1", "--rules", "bp",
                     "--out", str(out)]) == 0  # fmt: skip
    cell = Path("cells") / "bp-seed42.h5"
    assert (out / cell).read_bytes() == (in_process / cell).read_bytes()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("queue: normal", "must name its queue_system: one of slurm, pbs"),
        ("queue_system: slrum", "unknown job queue 'slrum' (did you mean 'slurm'?)"),
        ("queue_system: slurm\nqeue: normal", "'qeue' (did you mean 'queue'?)"),
        ("queue_system: local\nmemory: 2GB\nn_workers: 3", "unknown option of queue_system local"),
        ("queue_system: local", "must give the memory of a job"),
        ("queue_system: local\nmemory: lots", "'lots'"),
        ("queue_system: local\nmemory: 2GB\ncores: 4", "cores must be 1"),
        ("queue_system: slurm\nmemory: 2GB", "no command 'sbatch'"),
    ],
)
def test_a_wrong_file_is_named_with_the_remedy(text, told, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "queue.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(told)) as refused:
        JobQueue.read(file)
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


def test_a_wrong_file_is_refused_before_any_work(tmp_path, capsys):
    file = tmp_path / "queue.yaml"
    file.write_text("queue_system: slurm\nqeue: normal", encoding="utf-8")
    assert main(["--dask-jobqueue", str(file), "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {file}: unknown option")
    assert not (tmp_path / "run").exists()


def test_a_cell_lost_in_the_same_epoch_is_given_up():
    """Each time it trains epoch 1 again before the evaluation takes too much memory; an epoch
    that is new counts as progress."""
    task = JobTask(Comparison(), "bp", seed=1, folder=Path())
    losses = Losses()
    for epoch in (1, 1, 2, 2, 2):
        losses.heard(task, {"event": "epoch", "epoch": epoch})
        assert losses.count(task, "SIGKILL")["event"] == "lost"
    assert losses.count(task, "SIGKILL")["event"] == "failed"


def test_a_scheduler_without_workers_says_what_is_waited_for(capsys):
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, processes=False, dashboard_address=None) as empty:
        _check_scheduler(empty.scheduler_address)
    assert "has no worker yet: tasks begin when one comes" in capsys.readouterr().err
