"""neurosim.rsa stands alone: cheap to import, and free of the training code."""

from __future__ import annotations

import subprocess
import sys

import neurosim.rsa
from neurosim import rsa


def test_every_public_name_resolves_to_an_object_of_this_package() -> None:
    for name in neurosim.rsa.__all__:
        value = getattr(neurosim.rsa, name)
        home = getattr(value, "__module__", None)
        assert home is None or home.startswith(("neurosim.rsa", "builtins", "typing")), name


def test_import_pulls_in_nothing_heavy() -> None:
    """torch never; numba, pandas, matplotlib and scipy only when a function needs them."""
    heavy = "torch numba pandas matplotlib scipy h5py numpy"
    code = f"import sys, neurosim.rsa; print([m for m in {heavy!r}.split() if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_computing_needs_no_torch() -> None:
    code = (
        "import sys, numpy as np, neurosim.rsa as r; "
        "x = np.random.default_rng(0).normal(size=(5, 4)); "
        "d = r.compute_rdm(x); r.compare_rdms(d, d); print('torch' in sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "False"


def test_every_public_name_is_listed_and_there() -> None:
    """Names are imported when they are asked for; ``dir()`` knows them before."""
    assert set(rsa.__all__) <= set(dir(rsa))
    assert all(hasattr(rsa, name) for name in rsa.__all__)
