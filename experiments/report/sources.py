"""What to cite: the sources of rules, data, statistics and libraries, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from neurosim.models.rule_table import rule_of
from neurosim.naming.text import parse

CELL_SOURCES: Mapping[str, str] = {
    "snntorch": "Eshraghian et al. (2023). Training spiking neural networks using lessons from "
    "deep learning (snnTorch). Proceedings of the IEEE 111, 1016-1054. "
    "doi:10.1109/JPROC.2023.3308088",
    "norse": "Pehle & Pedersen (2021). Norse: a deep learning library for spiking neural "
    "networks. doi:10.5281/zenodo.4422025",
}
DATA_SOURCES: Mapping[str, str] = {
    "cifar10": "Krizhevsky (2009). Learning multiple layers of features from tiny images "
    "(CIFAR-10). Technical report, University of Toronto.",
    "brain92": "Cichy, Pantazis & Oliva (2014). Resolving human object recognition in space and "
    "time. Nature Neuroscience 17, 455-462. doi:10.1038/nn.3635",
    "things": "Hebart et al. (2023). THINGS-data, a multimodal collection of large-scale datasets "
    "for investigating object representations in human brain and behavior. eLife 12, e82580. "
    "doi:10.7554/eLife.82580",
}
#: The method, whatever the run.
METHOD_SOURCES = (
    "Kriegeskorte, Mur & Bandettini (2008). Representational similarity analysis. Frontiers in "
    "Systems Neuroscience 2, 4. doi:10.3389/neuro.06.004.2008",
    "Nili et al. (2014). A toolbox for representational similarity analysis. PLoS Computational "
    "Biology 10, e1003553. doi:10.1371/journal.pcbi.1003553",
    "Benjamini & Hochberg (1995). Controlling the false discovery rate. Journal of the Royal "
    "Statistical Society B 57, 289-300. doi:10.1111/j.2517-6161.1995.tb02031.x",
    "Leutenegger (2026), arXiv:2605.30556 (the comparison), with its correction on evaluation "
    "resolution, arXiv:2608.12408",
)


def sources_of(rules: Iterable[str], training: str, stimuli: str, cell: str) -> list[str]:
    """What a run with these rules and data has to cite, each entry once; ``cell``: of the settings,
    empty where no layer spikes."""
    rules = list(rules)
    found = [source for rule in rules for source in rule_of(rule).sources]
    cells = [str(parse(rule).settings.get("cell", "")) for rule in rules] + [cell]
    for name, text in CELL_SOURCES.items():
        found += [text] * any(re.search(rf"\b{name}-", each) for each in cells)
    for data in (training, stimuli):
        found += [text for name, text in DATA_SOURCES.items() if data.startswith(name)]
    return list(dict.fromkeys([*found, *METHOD_SOURCES]))
