"""Devices that are not at hand: cells on an emulation of what CUDA and MPS refuse."""

import subprocess
import sys
from pathlib import Path

#: Every kind of dynamics. Where tensors of the CPU go through a compiled kernel, others go through
#: torch: sums in another order, of float32 values up to one.
TOLERANCES = {"bp": 0.0, "pc": 0.0, "stdp": 1e-6}


def test_cells_run_on_a_device_without_float64(tmp_path):
    """In a process of its own: a device is registered once and for all."""
    script = Path(__file__).with_name("emulated_device.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, *TOLERANCES], capture_output=True, text=True, timeout=300
    )
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert list(found) == list(TOLERANCES), done.stderr
    for rule, tolerance in TOLERANCES.items():
        words = found[rule]
        if words != "same":
            assert words.startswith("differs by"), done.stderr
            assert float(words.removeprefix("differs by")) <= tolerance, rule


def test_the_emulation_refuses_what_devices_refuse():
    """Else the test above could not fail."""
    script = Path(__file__).with_name("emulated_device.py")
    done = subprocess.run([sys.executable, script, "--refusals"], capture_output=True, text=True)
    assert done.stdout.split() == ["TypeError", "RuntimeError", "RuntimeError", "RuntimeError"], (
        done.stdout + done.stderr
    )
