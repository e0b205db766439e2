"""neurosim: learning rules as neural dynamics, compared with visual cortex.

The public names of the core are handed on lazily (PEP 562), so that
``import neurosim.rsa`` needs no torch and ``--help`` answers at once.
"""

from __future__ import annotations

import os as _os
from pathlib import Path as _Path

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

from neurosim.naming.lazily import handed_on as _handed_on  # noqa: E402 (after the path is whole)

_HOMES = {
    "convergence": ("EnergyPlateau", "Horizon", "Steady"),
    "dynamics": ("AbstractClocked", "AbstractClosedForm", "AbstractEnergy", "AbstractFlow"),
    "plasticity": ("AbstractPlasticity", "ErrorTimesPre", "Frozen"),
    "rule": ("LearningRule", "Outcome", "represent", "run_batch"),
    "solvers": ("RK4", "AdaptiveHeun", "Direct", "Euler", "Heun", "Ticks"),
    "synapses": ("Conv1d", "Conv2d", "ConvTranspose2d", "Dense", "LocallyConnected2d"),
    "training": ("Optimiser", "Part", "Trainer", "movement"),
    "types": ("Drive", "LocalSignal", "Settled", "State"),
    # Not of the core, and imported by name alone: the audit of any torch model.
    "experiments.model_audit.door": ("audit",),
}
__getattr__, __dir__, __all__ = _handed_on(__name__, _HOMES)
