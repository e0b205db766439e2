"""``python -m neurosim.rsa compare A B ...``: RDM files in, a table out, no code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neurosim.rsa.formats.writing import write_whole
from neurosim.rsa.rdm.checks import check_count

if TYPE_CHECKING:
    import pandas as pd

    from neurosim.rsa.rdm.rdm import RDM


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.csv:
            _check_target(Path(options.csv))
        for name in ("permutations", "bootstrap", "seed"):
            check_count(f"--{name}", getattr(options, name), least=0)
        table = compare_files(
            options.files,
            options.method,
            n_permutations=options.permutations,
            n_bootstrap=options.bootstrap,
            seed=options.seed,
        )
        if options.csv:
            write_whole(options.csv, lambda path: table.to_csv(path, index=False))
    except (OSError, ValueError, TypeError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for note in table.attrs["notes"]:
        print(f"note: {note}", file=sys.stderr)
    for name in table.attrs["constant"]:
        print(f"note: {name} is constant over all pairs: no correlation with it", file=sys.stderr)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"))
    return 0


def _check_target(target: Path) -> None:
    """Before the work, not after it."""
    if target.is_dir():
        raise ValueError(f"--csv {target} is a folder; give a file in it")
    if not target.parent.is_dir():
        raise ValueError(f"--csv {target}: there is no folder {target.parent}; make it first")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m neurosim.rsa", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    compare = commands.add_parser(
        "compare",
        help="score the RDMs of the first file against those of the others",
        description="Score every RDM of the first file against every RDM of the other files "
        "(.npy, .npz, .mat, .h5, .csv, .tsv, .txt; square or condensed). FILE::NAME takes one "
        "array of a file. Where both files name their stimuli, they are matched by name; else they "
        "must be in the same order in all.",
    )
    compare.add_argument("files", nargs="+", metavar="FILE[::NAME]", help="two or more RDM files")
    compare.add_argument("--method", default="spearman", help="default %(default)s")
    compare.add_argument(
        "--permutations",
        type=int,
        default=0,
        metavar="N",
        help="one-sided p by relabelling stimuli N times, (k + 1) / (N + 1)",
    )
    compare.add_argument(
        "--bootstrap",
        type=int,
        default=0,
        metavar="N",
        help="95%% interval by resampling stimuli N times",
    )
    compare.add_argument("--seed", type=int, default=0, help="of both, default %(default)s")
    compare.add_argument("--csv", metavar="FILE", help="also write the table there")
    return parser


def compare_files(
    files: Sequence[str],
    method: str = "spearman",
    *,
    n_permutations: int = 0,
    n_bootstrap: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """The table the command prints: columns a, b, method, score[, lower, upper][, p], n_pairs."""
    import numpy as np
    import pandas as pd

    from neurosim.rsa.compare.comparators import find_comparator
    from neurosim.rsa.compare.measure import compare_rdms
    from neurosim.rsa.inference.bootstrap import bootstrap_stimuli
    from neurosim.rsa.inference.permutation import permute_labels
    from neurosim.rsa.io.rdm_files import load_rdms

    if len(files) < 2:
        raise ValueError("compare needs at least two files")
    comparator = find_comparator(method)
    models, *rest = (load_rdms(file) for file in files)
    others = {name: rdm for loaded in rest for name, rdm in loaded.items()}
    constant = [n for n, rdm in (models | others).items() if _is_constant(rdm)]
    rows = []
    for a, model in models.items():
        for b, other in others.items():
            x, y = model, _in_order(other, model, b, a)
            row: dict[str, object] = {"a": a, "b": b, "method": comparator.name}
            row["score"] = float(compare_rdms(x, y, comparator)[0, 0])
            if n_bootstrap:
                rng = np.random.default_rng(seed)
                boot = bootstrap_stimuli(x, y, comparator, n_samples=n_bootstrap, rng=rng)
                scored = not np.isnan(boot.samples).all()
                interval = boot.interval() if scored else np.full((2, 1, 1), np.nan)
                row["lower"], row["upper"] = (float(v[0, 0]) for v in interval)
            if n_permutations:
                rng = np.random.default_rng(seed)
                null = permute_labels(x, y, comparator, n_permutations=n_permutations, rng=rng)
                row["p"] = float(null.p_value()[0, 0])
            present = ~np.isnan(x.dissimilarities) & ~np.isnan(y.dissimilarities)
            row["n_pairs"] = int(np.count_nonzero(present))
            rows.append(row)
    table = pd.DataFrame(rows)
    table.attrs["constant"] = constant
    table.attrs["notes"] = [note for loaded in (models, *rest) for note in loaded.notes]
    return table


def _is_constant(rdm: RDM) -> bool:
    import numpy as np

    present = rdm.dissimilarities[~np.isnan(rdm.dissimilarities)]
    return len(present) > 0 and bool((present == present[0]).all())


def _in_order(rdm: RDM, like: RDM, name: str, like_name: str) -> RDM:
    """``rdm`` with its stimuli in the order of ``like``, where both name them."""
    if rdm.stimuli is None or like.stimuli is None or rdm.stimuli == like.stimuli:
        return rdm
    odd = sorted(set(rdm.stimuli) ^ set(like.stimuli))
    if odd:
        raise ValueError(
            f"{name} and {like_name} are not of the same stimuli: {len(odd)} names are in one "
            f"only, e.g. {', '.join(odd[:3])}"
        )
    return rdm.select(like.stimuli)


if __name__ == "__main__":
    sys.exit(main())
