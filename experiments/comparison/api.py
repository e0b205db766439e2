"""The comparison from Python: ``compare`` runs it, ``open_run`` reads a run folder.

```python
from neurosim.experiments import compare

run = compare(preset="demo", rules=("untrained", "bp"), out="runs/two-rules")
run.verdicts
run.results  # pandas
run.figures["figure_5_decomposition"]  # matplotlib
```
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from neurosim.experiments.comparison.run import run
from neurosim.experiments.figures.all_figures import figures_of
from neurosim.experiments.job.network import roles_of
from neurosim.experiments.report.audit import audit_of
from neurosim.experiments.report.verdicts import in_short, verdicts
from neurosim.experiments.results.choice import Headline
from neurosim.experiments.results.table import read_csv
from neurosim.experiments.run.stored import StoredRun
from neurosim.experiments.settings.config import PRESETS, Comparison, Execution, with_checkpoints
from neurosim.experiments.settings.options import Layer, build, in_python, names
from neurosim.experiments.settings.texts import REGISTRIES, data_text, text_of
from neurosim.experiments.system.threads import one_thread
from neurosim.naming.choices import Choices, nearest, shown


@dataclass(frozen=True)
class Run:
    """A run folder with results.

    path: the folder. layer: what figures and verdicts are about; None: the headline of the network.
    """

    path: Path
    layer: str | None = None

    @cached_property
    def headline(self) -> Headline:
        """The axes that figures and verdicts show."""
        layer = self.layer or roles_of(self._settings).headline
        return Headline.of(self.results, layer=layer)

    @cached_property
    def _settings(self) -> Comparison:
        return StoredRun.read(self.path).settings

    @cached_property
    def results(self) -> pd.DataFrame:
        """The tidy table, one row a score."""
        return read_csv(self.path / "results.csv", self._settings.comparator)

    @property
    def figures(self) -> Mapping[str, Figure]:
        """The figures by name (1 to 6; of THINGS 7, too), drawn when asked for."""
        return _Figures(self)

    @cached_property
    def verdicts(self) -> list[str]:
        """What the numbers say, in plain sentences: in short, then every answer of the audit."""
        stimuli = StoredRun.read(self.path).settings.stimuli
        findings = audit_of(self.path, self.headline, stimuli)
        answers = [line for each in findings for line in (each["answer"], *each["details"])]
        told = [verdict.text for verdict in verdicts(self.headline)]
        return [*in_short(self.headline), *told, *answers]

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"


class _Figures(Mapping[str, Figure]):
    def __init__(self, run: Run) -> None:
        self._run = run

    def __getitem__(self, name: str) -> Figure:
        draw = Choices("figure", dict(self._known()))[name]
        figure = draw(self._run.headline)
        # A notebook shows what has this method; figures made without pyplot have none.
        figure._repr_png_ = lambda: _png(figure)  # type: ignore[attr-defined]
        return figure

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> Mapping[str, Callable[[Headline], Figure]]:
        return figures_of(self._run._settings.stimuli)


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return out.getvalue()


def compare(
    preset: str = "demo",
    *,
    out: Path | str | None = None,
    workers: int = 1,
    device: str = "cpu",
    data_dir: Path | str | None = None,
    download: bool = False,
    **settings: Any,
) -> Run:
    """Run the comparison, or resume it; the same numbers as from the command line.

    Args:
        preset: settings to start from.
        out: run folder; by default ``runs/PRESET``. One that holds a run of these settings is gone
            on with; other rules and seeds may be added to it.
        workers: processes side by side; 1 runs in this process.
        device: ``cpu``, ``cuda`` or ``mps``.
        data_dir: data; by default ``$NEUROSIM_DATA``, else the user's cache.
        download: fetch missing data sets.
        settings: fields of ``Comparison`` that differ from the preset. ``epochs`` without
            ``checkpoints`` keeps the preset's up to it, and adds it as the last. Rules, network,
            norm, timing, encoder, cell, weight dependence, policies, readouts, dissimilarity and
            comparator are names, text with settings, or objects
            (``models.variant("stdp", timing=Triplet())``, a function of your own module).

    Raises:
        TypeError: a setting that ``Comparison`` does not have; the nearest one is named.
        ValueError: a setting or data that cannot be used.
        TasksFailedError: some jobs failed.
    """
    known = names(Comparison)
    for name in settings:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"known are {', '.join(known)}"
            raise TypeError(f"no setting {name!r}: {hint}")
    where = {"workers": workers, "device": device, "download": download}
    if data_dir is not None:
        where["data_dir"] = str(data_dir)
    if not isinstance(out, str | Path | None):
        raise TypeError(f"out must be the path of a run folder, got {shown(out)}")
    try:
        folder = Path("runs") / preset if out is None else Path(os.path.expanduser(out))
        _run(preset, settings, where, folder)
    except (ValueError, OSError, RuntimeError) as error:
        # The same sentences as those of the command line, in the words of this function.
        if len(error.args) == 1 and isinstance(error.args[0], str):
            error.args = (in_python(error.args[0], [*known, *where, "data_dir", "out", "preset"]),)
        raise
    return Run(folder)


def _run(preset: str, settings: Mapping[str, Any], where: Mapping[str, Any], folder: Path) -> None:
    start = PRESETS[preset]
    # A notebook's sequences: range(5), an array of seeds.
    plain = {n: v.tolist() if hasattr(v, "tolist") else v for n, v in settings.items()}
    plain = {n: list(v) if isinstance(v, range) else v for n, v in plain.items()}
    plain = {n: _as_text(n, v) for n, v in plain.items()}
    asked = with_checkpoints(Layer("given to compare()", plain), start.checkpoints)
    chosen = build(Comparison, start, asked)
    execution = build(Execution, Execution(), Layer("given to compare()", where))
    one_thread()
    run(chosen, execution, folder)


def _as_text(setting: str, value: Any) -> Any:
    """Objects, functions and rules with settings as the text that every process reads."""
    if isinstance(value, str):
        return value
    if setting in ("training", "stimuli"):
        return data_text(value)
    if setting == "brain" and value is not None:
        return os.fspath(value)
    if setting not in REGISTRIES:
        return value
    if not isinstance(getattr(Comparison, setting), tuple):
        return text_of(setting, value, ())
    several = value if isinstance(value, list | tuple) else [value]
    return [each if isinstance(each, str) else text_of(setting, each, ()) for each in several]


def open_run(path: Path | str, *, layer: str | None = None) -> Run:
    """A run that has its results.

    Raises:
        FileNotFoundError: no ``results.csv`` there.
    """
    path = Path(path)
    if not (path / "results.csv").is_file():
        raise FileNotFoundError(
            f"no results.csv in {path}: let the run end, or write it with neurosim report {path}"
        )
    return Run(path, layer)
