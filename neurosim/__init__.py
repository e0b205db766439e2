"""neurosim: learning rules as neural dynamics, compared with visual cortex.

The public names of the core are handed on lazily (PEP 562), so that
``import neurosim.rsa`` needs no torch and ``--help`` answers at once.
"""

from __future__ import annotations

from pathlib import Path as _Path

__version__ = "0.1.0"

# In a checkout the sub-packages models/, rsa/ and experiments/ stand beside this
# folder, not below it. An editable install maps them; a normal install run from the
# checkout's root (``python -m pytest``) finds this folder first and would miss them.
_root = _Path(__file__).resolve().parent.parent
if (_root / "setup.cfg").is_file() and (_root / "models" / "catalogue.py").is_file():
    __path__.append(str(_root))
