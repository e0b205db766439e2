"""Named random streams: one generator for each purpose, so that nothing shares draws.

A stream is a function of ``(seed, name, epoch)`` alone. Two rules of one seed therefore see the
same initial weights, the same order and the same augmentation however many spikes one of them
draws, and a run resumed at an epoch draws what an uninterrupted one would have.
"""

from __future__ import annotations

import hashlib

import torch


def generator(seed: int, stream: str, epoch: int = 0) -> torch.Generator:
    """A CPU generator for one purpose, for example ``generator(42, "order", epoch=3)``."""
    text = f"neurosim/{seed}/{stream}/{epoch}".encode()
    state = int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(state)
