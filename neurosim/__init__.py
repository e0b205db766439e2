"""neurosim: learning rules as neural dynamics, compared with visual cortex.

The public names of the core are handed on lazily (PEP 562), so that
``import neurosim.rsa`` needs no torch and ``--help`` answers at once.
"""

from __future__ import annotations

import os as _os
from importlib import import_module as _import_module
from pathlib import Path as _Path
from typing import Any as _Any

__version__ = "0.1.0"

# In a checkout the sub-packages models/, rsa/ and experiments/ stand beside this
# folder, not below it. An editable install maps them; a normal install run from the
# checkout's root (``python -m pytest``) finds this folder first and would miss them.
_root = _Path(__file__).resolve().parent.parent
if (_root / "setup.cfg").is_file() and (_root / "models" / "catalogue.py").is_file():
    __path__.append(str(_root))
else:
    # numba would keep what it compiled beside the sources of an installation, where pip leaves it
    # behind: a folder of caches alone then hides a later editable installation.
    _caches = _os.environ.get("XDG_CACHE_HOME") or _Path.home() / ".cache"
    _os.environ.setdefault("NUMBA_CACHE_DIR", str(_Path(_caches) / "neurosim" / "numba"))

_HOMES = {
    "convergence": ("EnergyPlateau", "Horizon", "Steady"),
    "dynamics": ("AbstractClocked", "AbstractClosedForm", "AbstractEnergy", "AbstractFlow"),
    "plasticity": ("AbstractPlasticity", "ErrorTimesPre", "Frozen"),
    "rule": ("LearningRule", "Outcome", "run_batch"),
    "solvers": ("RK4", "AdaptiveHeun", "Direct", "Euler", "Heun", "Ticks"),
    "training": ("Optimiser", "Part", "Trainer", "movement"),
    "types": ("Drive", "LocalSignal", "Settled", "State"),
    # Not of the core, and imported by name alone: the audit of any torch model.
    "experiments.model_audit.door": ("audit",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> _Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
