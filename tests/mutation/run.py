"""Mutation run: single changes of the code, one at a time, and whether the fitting tests notice.

    python tests/mutation/run.py --n 30 --seed 0 --workers 1 --out mutation

samples ``--n`` mutants per package, makes each in a copy of the checkout, runs the test files that
fit its module (``choose.py``) until one fails, and appends a line to ``OUT/mutants.csv``. The same
command goes on where it stopped; a larger ``--n`` extends the sample, ``--again`` with larger
``--files`` and ``--seconds`` gives the survivors to more tests. Survivors that no test can notice
are argued in survivors.md. By command only. (mutmut 3 calls functions through trampolines,
which compiled kernels cannot; cosmic-ray has one test command for all mutants.)
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from choose import PACKAGES, Tests
from mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("key", "package", "file", "line", "within", "operator", "before", "after", "outcome",
           "seconds", "tests")  # fmt: skip
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

    def outcome(self, mutant: Mutant | None, tests: Sequence[str], timeout_s: float) -> str:
        """What the tests say with this change made; the file is as it was afterwards."""
        if mutant is None:
            return self._run(tests, timeout_s, self.kernels)
        path = self.root / mutant.file
        source = path.read_text("utf-8")
        try:
            self._write(path, mutant.applied(source))
            if not any(word in source for word in ("@njit", "@inner", "@kernel")):
                return self._run(tests, timeout_s, self.kernels)
            # A kernel that calls a changed one is compiled anew only where no cache is.
            with tempfile.TemporaryDirectory() as empty:
                return self._run(tests, timeout_s, Path(empty))
        finally:
            self._write(path, source)

    @staticmethod
    def _write(path: Path, source: str) -> None:
        path.write_text(source, encoding="utf-8")
        # Bytecode is told by second and size, which a mutant may share.
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)

    def _run(self, tests: Sequence[str], timeout_s: float, kernels: Path) -> str:
        environment = os.environ | {"PYTHONPATH": str(self.site), "NUMBA_CACHE_DIR": str(kernels)}
        command = [sys.executable, "-m", "pytest", "-n", "0", "-x", "-q", "--no-header", "--tb=no",
                   "-p", "no:cacheprovider", *tests]  # fmt: skip
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # A session of its own: a test that hangs is ended with all that it started.
        with subprocess.Popen(
            command, cwd=self.root, env=environment, start_new_session=True, **quiet
        ) as process:
            try:
                status = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                return TIMEOUT
        # 1: a test failed; 2: a file cannot be imported; negative: the interpreter died.
        known = {0: SURVIVED, 1: KILLED, 2: KILLED}
        return KILLED if status < 0 else known.get(status, UNTESTED)


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
        self.seconds: dict[str, float] = {}  # of each test file on unchanged code; inf: it fails

    def one(self, mutant: Mutant) -> None:
        """Try a mutant and write its line."""
        copy = self.copies.get()
        try:
            tests = self._that_pass(copy, mutant)
            started = time.perf_counter()
            limit = 60 + 3 * sum(self.seconds[test] for test in tests)
            outcome = copy.outcome(mutant, tests, limit) if tests else UNTESTED
            self._write(mutant, outcome, time.perf_counter() - started, tests)
        finally:
            self.copies.put(copy)

    def _that_pass(self, copy: Copy, mutant: Mutant) -> list[str]:
        """The fitting tests, most fitting first, as many as the time per mutant lets in."""
        chosen, spent = list[str](), 0.0
        for test in self.tests.fitting(mutant.file, mutant.within, mutant.line, self.args.files):
            if test not in self.seconds:
                started = time.perf_counter()
                passed = copy.outcome(None, [test], 600) == SURVIVED
                self.seconds[test] = time.perf_counter() - started if passed else float("inf")
                if not passed:
                    print(f"  left out: {test} does not pass on unchanged code", flush=True)
            if spent + self.seconds[test] <= self.args.seconds:
                chosen.append(test)
                spent += self.seconds[test]
        return chosen

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
    parser.add_argument("--seconds", type=float, default=90, help="of tests per mutant, at most")
    parser.add_argument(
        "--again",
        action="store_true",
        help="try the survivors once more, as after a law or with more files",
    )
    parser.add_argument("--out", type=Path, default=Path("mutation"), help="folder of mutants.csv")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    args.out = args.out.resolve()
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
