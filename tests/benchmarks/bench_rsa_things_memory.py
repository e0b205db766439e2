"""Time and peak memory of reading one THINGS-fMRI subject at its real size.

    python tests/benchmarks/bench_rsa_things_memory.py

Writes a file of 211,339 voxels x 9,840 trials (15.5 GiB) to a temporary folder, of which only
the rows of the 8,406 ROI voxels are ever filled: on file systems with sparse files it takes
0.7 GiB. Exits with 1 above 2 GB.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from neurosim.rsa import load_things_fmri

N_VOXELS, N_TRIALS, N_ROI_VOXELS = 211_339, 9_840, 8_406
COLUMNS = ("V1", "V2", "V3", "hV4", "lLOC", "rLOC", "IT")


def write_subject(folder: Path, rng: np.random.Generator) -> None:
    chosen = np.sort(rng.choice(N_VOXELS, N_ROI_VOXELS, replace=False))
    region = np.full(N_VOXELS, -1)
    region[chosen] = rng.integers(0, len(COLUMNS), N_ROI_VOXELS)
    voxels = pd.DataFrame({"voxel_id": np.arange(N_VOXELS), "subject_id": 1})
    for k, column in enumerate(COLUMNS):
        voxels[column] = (region == k).astype(int)
    voxels.to_csv(folder / "sub-01_VoxelMetadata.csv", index=False)

    shown = [("train", c, i + 1) for c in range(720) for i in range(12)]
    shown += [("test", c, 14) for c in range(100) for _ in range(12)]
    rows = [
        (kind, 1 + t // 820, 1 + t % 820 // 82, 1, t, f"thing{c:03d}_{i:02d}s.jpg", f"thing{c:03d}")
        for t, (kind, c, i) in enumerate(shown[k] for k in rng.permutation(len(shown)))
    ]
    names = ["trial_type", "session", "run", "subject_id", "trial_id", "stimulus", "concept"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "sub-01_StimulusMetadata.csv", index=False)

    with h5py.File(folder / "sub-01_ResponseData.h5", "w") as file:
        group = file.create_group("ResponseData")
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((N_VOXELS, N_TRIALS))
        h5py.h5d.create(group.id, b"block0_values", h5py.h5t.IEEE_F64LE, space, plan)
        for voxel in chosen:
            group["block0_values"][voxel] = 0.1 * rng.standard_normal(N_TRIALS)
        group["block1_values"] = np.arange(N_VOXELS)[:, None]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        write_subject(Path(folder), np.random.default_rng(0))
        for stimuli in ("first-exemplar", "concept-mean", "test-images"):
            start = time.perf_counter()
            brain = load_things_fmri(folder, stimuli=stimuli, exclude_same_run=True)
            print(f"{stimuli:15s} {time.perf_counter() - start:6.1f} s  {brain.rdms.shape}")
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"peak memory {gigabytes:.2f} GB (bar 2, of this process)")
    return 0 if gigabytes < 2 else 1


if __name__ == "__main__":
    sys.exit(main())
