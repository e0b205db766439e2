"""What stops a run is one sentence that names the file and the remedy, and what is done is kept."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from neurosim.arrays.storage import whole_or_nothing, write_text
from neurosim.experiments import compare
from neurosim.experiments.engine import execute
from neurosim.experiments.engine.execute import MAX_LOSSES, Losses, failure
from neurosim.experiments.engine.job_tasks import JobTask, tasks_of
from neurosim.experiments.progress.run import run_tasks
from neurosim.experiments.run.folder import RunFolder
from neurosim.experiments.settings.config import PRESETS, Comparison, Execution
from neurosim.experiments.settings.options import LARGEST, in_options, in_python, names
from neurosim.experiments.system.failures import TasksFailedError, exit_status
from neurosim.experiments.system.processes import program_kept_from_children
from neurosim.experiments.system.reasons import REMEDIES, StoppedError, is_out_of_memory, reason

SCRIPT = [sys.executable, "-m", "neurosim.experiments.training_dynamics"]
SMALL = [
    "--rules", "untrained", "--n-train", "32", "--n-test", "32", "--batch-size", "32",
    "--epochs", "1", "--seeds", "1", "--evaluation-px", "32", "--normalisation", "running",
    "--readouts", "gap", "--workers", "1",
]  # fmt: skip


def status_of(error: Exception) -> int:
    def work() -> int:
        raise error

    return exit_status(work, interrupted="")


@pytest.mark.parametrize("number", sorted(REMEDIES))
def test_every_answer_of_the_system_names_file_and_remedy(number, capsys):
    """Among them a full disk, no permission, a read-only disk: never a bare ``[Errno 28]``."""
    assert status_of(OSError(number, os.strerror(number), "runs/mine/cells/bp.h5")) > 0
    (line,) = capsys.readouterr().err.splitlines()
    assert REMEDIES[number] in line
    assert os.strerror(number) in line
    assert "Errno" not in line
    assert ("cells/bp.h5" in line) == (number != errno.EPIPE)


def test_a_write_that_fails_names_the_file_that_was_asked_for(tmp_path):
    """A full disk names no file at all; other errors name a temporary one."""
    for error in (OSError(errno.ENOSPC, "full"), OSError(errno.EIO, "bad", "x/.a.h5.1.part")):
        with pytest.raises(OSError, match=r"full|bad") as told, whole_or_nothing(tmp_path / "a.h5"):
            raise error
        assert told.value.filename == str(tmp_path / "a.h5")
    with pytest.raises(FileNotFoundError, match="other") as told, whole_or_nothing(tmp_path / "a"):
        raise FileNotFoundError(errno.ENOENT, "none", "other")
    assert told.value.filename == "other"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (np._core._exceptions._ArrayMemoryError((10**9,), np.dtype("f8")), "7.45 GiB"),
        (MemoryError(), ""),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate "
                      "memory: you tried to allocate 8589934592 bytes. Error code 12"), "8.0 GiB"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0"),
         "20.00 GiB"),
        (RuntimeError("Storage size calculation overflowed with sizes=[4, 1000000000]"), ""),
    ],
)  # fmt: skip
def test_no_memory_is_said_in_words_whoever_says_it(error, asked, capsys):
    assert status_of(error) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "memory" in line
    assert "give fewer --workers" in line
    assert asked in line
    assert not any(word in line for word in ("alloc_cpu", "Allocator", "CUDA", "dtype"))


def test_what_nobody_foresaw_says_what_it_is_and_where():
    """``'Conv1'`` alone, which is what str() of a KeyError gives, helps nobody."""
    try:
        {}["Conv1"]
    except KeyError as error:
        told = failure(error)
    assert told["error"].startswith("KeyError: 'Conv1' (in test_what_nobody")
    assert "test_reasons.py line" in told["error"]
    assert "Traceback" in told["traceback"]
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes"):
        status_of(RuntimeError("shapes do not fit"))


@pytest.mark.parametrize("kind", StoppedError.__subclasses__())
def test_a_sentence_of_our_own_stays_as_it_is(kind, capsys):
    """With the place in the code behind it, a second start of a running folder read like a bug."""
    assert status_of(kind("another process runs it: give another --out")) in (1, 2)
    assert capsys.readouterr().err == "error: another process runs it: give another --out\n"
    with pytest.raises(kind) as raised:
        raise kind("held")
    assert reason(raised.value) == "held"


@pytest.mark.parametrize(
    ("why", "told"), [("SIGKILL", "needs more memory"), ("status 1", "terminal says why")]
)
def test_a_worker_that_is_lost_again_and_again_says_how_it_ended(why, told):
    """Memory is named only where the system killed it: a worker that left by itself did not."""
    task = JobTask(Comparison(), "bp", seed=1, folder=Path("x"))
    losses = Losses()
    events = [losses.count(task, why) for _ in range(MAX_LOSSES)]
    assert [event["event"] for event in events] == ["lost"] * (MAX_LOSSES - 1) + ["failed"]
    assert told in events[-1]["error"]
    assert ("memory" in events[-1]["error"]) == (why == "SIGKILL")


def test_a_failed_cell_tells_its_reason_and_where_the_traceback_is(tmp_path, monkeypatch):
    def broken(*_):
        raise KeyError("Conv1")

    monkeypatch.setattr(execute, "run_task", broken)
    settings = Comparison(rules=("bp",), seeds=(1,))
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(TasksFailedError) as error:
        run_tasks(tasks_of(settings, Execution(), folder), execute.InProcess(), folder)
    assert "KeyError: 'Conv1' (in broken, test_reasons.py line" in str(error.value)
    assert str(folder.log) in str(error.value)
    assert "Traceback" in folder.log.read_text()


def test_output_that_nobody_reads_any_more_is_one_sentence(tmp_path):
    """``| head``: the pipe is closed before the first line is printed."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*SCRIPT, *SMALL, "--show-config"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert done.returncode == 128 + signal.SIGPIPE
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the output cannot be used (Broken pipe): ")


def _run(out: bytes | str, **environment: str) -> subprocess.CompletedProcess:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHON"))}
    return subprocess.run(
        [*SCRIPT, *SMALL, "--out", out], capture_output=True, env={**plain, **environment}
    )


@pytest.mark.parametrize(
    "locale", [{"LANG": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_a_folder_whose_name_is_not_ascii_works_in_the_c_locale(locale, tmp_path):
    """The second locale is the worst: Python itself then reads names as ASCII."""
    out = tmp_path / "läuft"
    done = _run(os.fsencode(str(out)) if os.name == "posix" else str(out), **locale)
    assert done.returncode == 0, done.stderr
    assert (out / "report.html").is_file()
    assert f"out: {out}".split("/")[-1] in (out / "config.yaml").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take UTF-8 names only")
def test_a_folder_whose_name_is_no_text_is_refused_before_any_work(tmp_path):
    out = os.fsencode(tmp_path) + b"/b\xff"
    done = _run(out)
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("error: the name ")
    assert line.endswith("b\\xff holds bytes that are not text in UTF-8: give a folder or file of "
                         "another name")  # fmt: skip
    assert not os.path.exists(out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path):
    tmp_path.chmod(0o500)
    done = _run(str(tmp_path / "run"))
    tmp_path.chmod(0o700)
    assert done.returncode == 2
    assert b"let this user write there" in done.stderr
    assert str(tmp_path / "run").encode() in done.stderr


def test_a_write_without_permission_is_named_for_root_too(tmp_path, monkeypatch, capsys):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".a.1.part"))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert exit_status(lambda: write_text(tmp_path / "a", ""), interrupted="") == 2
    told = capsys.readouterr().err
    assert told == (
        f"error: {tmp_path / 'a'} cannot be used (Permission denied): let this user write there, "
        "or give another folder\n"
    )


GUARDLESS = """
from neurosim.experiments import compare
print("begun")
compare(preset="demo", rules=("untrained", "bp"), seeds=(1,), n_train=32, n_test=32, batch_size=32,
        epochs=1, evaluation_px=(32,), normalisation=("running",), readouts=("gap",), workers=2,
        out={out!r})
"""


def test_a_script_without_a_guard_runs_on_two_workers(tmp_path):
    """Its workers do not run it again, so ``begun`` is printed once."""
    script = tmp_path / "plain.py"
    script.write_text(GUARDLESS.format(out=str(tmp_path / "run")), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begun") == 1
    assert (tmp_path / "run" / "results.csv").is_file()
    assert "Traceback" not in done.stderr


def test_the_program_is_itself_again_afterwards():
    main = sys.modules["__main__"]
    before = main.__spec__, getattr(main, "__file__", None)
    with program_kept_from_children():
        assert main.__spec__ is None
        assert not hasattr(main, "__file__")
    assert (main.__spec__, getattr(main, "__file__", None)) == before


@pytest.mark.parametrize(
    "given",
    [
        {"workers": 0},
        {"profile": "reference", "without": ("own_init",)},
        {"device": "cuda:99"},
        {"preset": "brain92", "data_dir": "/nonexistent"},
        {"preset": "paper", "data_dir": "/nonexistent"},
        {"seeds": (LARGEST + 1,)},
        {"training": np.zeros((50, 32, 32, 3))},
        {"out": __file__},
    ],
)  # fmt: skip
def test_errors_from_python_speak_python(given, tmp_path):
    """No option of the command line stands in a message of ``compare``, and no array."""
    with pytest.raises((ValueError, OSError)) as error:
        compare(**{"out": tmp_path / "run", **given})
    assert "--" not in str(error.value)
    assert len(str(error.value)) < 1500
    assert not (tmp_path / "run").exists()


def test_words_of_the_command_line_and_of_python_are_each_others():
    known = names(Comparison, Execution)
    for name in known:
        flag = "--" + name.replace("_", "-")
        assert f"`{name}" in in_python(f"give another {flag}, or less", known)
        assert in_options(f"{name} must be less", known) == f"{flag} must be less"
    assert in_python("follow it with --watch runs", known) == "follow it with --watch runs"
    assert in_options("a run of 3 epochs", known) == "a run of 3 epochs"


def test_from_the_command_line_a_setting_is_an_option(capsys):
    from neurosim.experiments.training_dynamics import main

    assert main(["--n-train", "3"]) == 2
    assert "error: --n-train (3) is less than one batch" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"^n_train \(3\) is less"):
        compare(n_train=3)
    assert PRESETS["demo"].n_train == 768
