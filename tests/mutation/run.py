"""Mutation run: single changes of the code, one at a time, and whether the fitting tests notice.

    python tests/mutation/run.py --n 30 --seed 0 --workers 1 --out mutation

samples ``--n`` mutants per package, makes each in a copy of the checkout, runs the test files that
fit its line (``choose.py``) one by one until one fails, and appends a line to ``OUT/mutants.csv``.
The same command goes on where it stopped; a larger ``--n`` extends the sample, ``--again`` with
larger ``--files`` and ``--seconds`` gives the survivors to more tests. Survivors that no test can
notice are argued in survivors.md. By command only. (mutmut 3 calls functions through trampolines,
which compiled kernels cannot; cosmic-ray has one test command for all mutants.)
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

import pytest
from choose import PACKAGES, Tests
from mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("key", "package", "file", "line", "within", "operator", "before", "after", "outcome",
           "seconds", "tests")  # fmt: skip
#: Of one test file; a mutant that makes it hang is noticed.
_LONGEST_S = 300.0
#: Processes that begin with what takes long to import and is not ours. (numba reads where its
#: caches are when it is imported.)
FORKS = multiprocessing.get_context("forkserver")
_HEAVY = ["torch", "pandas", "scipy.stats", "matplotlib.pyplot", "hypothesis", "pytest", "snntorch",
          "norse.torch"]  # fmt: skip
OUTCOMES = KILLED, SURVIVED, TIMEOUT, UNTESTED = "killed", "survived", "timeout", "untested"


class Copy:
    """A copy of the checkout in which one mutant at a time lives."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.check_output(listed, cwd=ROOT, text=True).split("\0"):
            if name and (ROOT / name).is_file():
                target = self.root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, target)
        # Laid out as it is installed: found before the installation, whatever that points to.
        self.site = folder / "site"
        package = self.site / "neurosim"
        package.mkdir(parents=True)
        for item in (self.root / "neurosim").iterdir():
            (package / item.name).symlink_to(item)
        for name in PACKAGES:
            if name != "neurosim":
                (package / name).symlink_to(self.root / name)
        self.kernels = folder / "kernels"

    @contextmanager
    def changed(self, mutant: Mutant, fresh: Path) -> Iterator[None]:
        """Within it the change is made; the file is as it was afterwards.

        A kernel that calls a changed one is compiled anew only where no cache is: into ``fresh``.
        """
        path = self.root / mutant.file
        source, kernels = path.read_text("utf-8"), self.kernels
        try:
            if any(word in source for word in ("@njit", "@inner", "@kernel")):
                self.kernels = fresh
            self._write(path, mutant.applied(source))
            yield
        finally:
            self.kernels = kernels
            self._write(path, source)

    @staticmethod
    def _write(path: Path, source: str) -> None:
        path.write_text(source, encoding="utf-8")
        # Bytecode is told by second and size, which a mutant may share.
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)

    def outcome(self, test: str, timeout_s: float) -> str:
        """What the tests of a file say of the checkout as it is."""
        process = FORKS.Process(target=_pytest, args=(self.root, self.site, self.kernels, test))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            with suppress(ProcessLookupError):
                # It has a session of its own: a test that hangs is ended with all that it started.
                os.killpg(process.pid, 9)
            process.join()
            return TIMEOUT
        # 1: a test failed; 2: a file cannot be imported; negative: the interpreter died.
        known = {0: SURVIVED, 1: KILLED, 2: KILLED}
        return KILLED if process.exitcode < 0 else known.get(process.exitcode, UNTESTED)


def _pytest(root: Path, site: Path, kernels: Path, test: str) -> None:
    os.setsid()
    os.chdir(root)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.environ |= {"PYTHONPATH": str(site), "NUMBA_CACHE_DIR": str(kernels)}
    sys.path.insert(0, str(site))
    sys.exit(pytest.main(["-n", "0", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", test]))


def sample(root: Path, packages: Sequence[str], n: int, seed: int) -> list[Mutant]:
    """``n`` mutants per package, in turn; a larger ``n`` begins with those of a smaller one."""
    drawn = []
    for package in packages:
        files = sorted(path.relative_to(root).as_posix() for path in (root / package).rglob("*.py"))
        found = [mutant for file in files for mutant in mutants_of(root, file)]
        random.Random(f"{seed}/{package}").shuffle(found)
        drawn.append(found[:n])
    return [m for turn in range(n) for of in drawn for m in of[turn : turn + 1]]


class Run:
    """Mutants through as many copies as there are workers."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.lock = args, Lock()
        self.csv = args.out / "mutants.csv"
        self.copies: SimpleQueue[Copy] = SimpleQueue()
        for i in range(args.workers):
            self.copies.put(Copy(folder / str(i)))
        self.tests = Tests(ROOT)
        self.passes: dict[str, bool] = {}  # on unchanged code

    def one(self, mutant: Mutant) -> None:
        """Try a mutant and write its line."""
        copy = self.copies.get()
        try:
            with tempfile.TemporaryDirectory() as fresh:
                self._write(mutant, *self._tried(copy, mutant, Path(fresh)))
        finally:
            self.copies.put(copy)

    def _tried(self, copy: Copy, mutant: Mutant, fresh: Path) -> tuple[str, float, list[str]]:
        """Outcome, seconds, and the test files that gave it."""
        started, outcome, tests = time.perf_counter(), UNTESTED, list[str]()
        for test in self.tests.fitting(mutant.file, mutant.within, mutant.line, self.args.files):
            if time.perf_counter() - started > self.args.seconds:
                break
            with copy.changed(mutant, fresh):
                found = copy.outcome(test, _LONGEST_S)
            noticed = found in (KILLED, TIMEOUT)
            if found == UNTESTED or (noticed and not self._passes(copy, test)):
                continue
            tests.append(test)
            outcome = found
            if noticed:
                break
        return outcome, time.perf_counter() - started, tests

    def _passes(self, copy: Copy, test: str) -> bool:
        """Whether the tests of a file pass on unchanged code."""
        if test not in self.passes:
            self.passes[test] = copy.outcome(test, _LONGEST_S) == SURVIVED
            if not self.passes[test]:
                print(f"  left out: {test} does not pass on unchanged code", flush=True)
        return self.passes[test]

    def _write(self, m: Mutant, outcome: str, seconds: float, tests: Sequence[str]) -> None:
        row = (m.key, m.file.split("/")[0], m.file, m.line, m.within, m.operator, m.before,
               m.after, outcome, f"{seconds:.1f}", " ".join(tests))  # fmt: skip
        with self.lock:
            new = not self.csv.exists()
            with open(self.csv, "a", newline="", encoding="utf-8") as stream:
                writer = csv.writer(stream)
                writer.writerows([COLUMNS, row] if new else [row])
            print(f"{outcome:9}{m.file}:{m.line} {m.operator}: {m.before!r} -> {m.after!r}",
                  flush=True)  # fmt: skip


def summary(rows: Sequence[dict[str, str]]) -> str:
    """Counts per package, and the share that was noticed (a timeout is)."""
    lines = [f"{'package':12}" + "".join(f"{k:>10}" for k in OUTCOMES)]
    for package in dict.fromkeys(row["package"] for row in rows):
        n = Counter(row["outcome"] for row in rows if row["package"] == package)
        noticed = (n[KILLED] + n[TIMEOUT]) / n.total()
        lines.append(f"{package:12}" + "".join(f"{n[k]:10}" for k in OUTCOMES) + f"{noticed:8.0%}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = [name for name in PACKAGES if name != "experiments"]
    parser.add_argument("--packages", nargs="+", choices=list(PACKAGES), default=names)
    parser.add_argument("--n", type=int, default=30, help="mutants per package")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--workers", type=int, default=1, help="mutants at once")
    parser.add_argument("--files", type=int, default=8, help="test files per mutant, at most")
    parser.add_argument(
        "--seconds", type=float, default=90, help="after which no further test file is begun"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="try the survivors once more, as after a law or with more files",
    )
    parser.add_argument("--out", type=Path, default=Path("mutation"), help="folder of mutants.csv")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    args.out = args.out.resolve()
    FORKS.set_forkserver_preload(_HEAVY)
    drawn = sample(ROOT, args.packages, args.n, args.seed)
    with tempfile.TemporaryDirectory(prefix="neurosim-mutation-") as folder:
        run = Run(args, Path(folder))
        done = {
            row["key"] for row in _rows(run.csv)
            if not (args.again and row["outcome"] in (SURVIVED, UNTESTED))
        }  # fmt: skip
        left = [mutant for mutant in drawn if mutant.key not in done]
        print(f"{len(drawn)} mutants, {len(left)} to try, into {run.csv}", flush=True)
        with ThreadPoolExecutor(args.workers) as pool:
            list(pool.map(run.one, left))
    keys = {mutant.key for mutant in drawn}
    last = {row["key"]: row for row in _rows(run.csv) if row["key"] in keys}
    print(summary(list(last.values())))
    return 0


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    sys.exit(main())
