"""What to cite: the sources of rules, data, statistics and libraries, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

RULE_SOURCES: Mapping[str, tuple[str, ...]] = {
    "bp": (
        "Rumelhart, Hinton & Williams (1986). Learning representations by back-propagating "
        "errors. Nature 323, 533-536. doi:10.1038/323533a0",
    ),
    "fa": (
        "Lillicrap, Cownden, Tweed & Akerman (2016). Random synaptic feedback weights support "
        "error backpropagation for deep learning. Nature Communications 7, 13276. "
        "doi:10.1038/ncomms13276",
    ),
    "dfa": (
        "Nøkland (2016). Direct feedback alignment provides learning in deep neural networks. "
        "NeurIPS. arXiv:1609.01596",
    ),
    "sign-symmetric": (
        "Liao, Leibo & Poggio (2016). How important is weight symmetry in backpropagation? AAAI. "
        "arXiv:1510.05067",
    ),
    "kolen-pollack": (
        "Akrout, Wilson, Humphreys, Lillicrap & Tweed (2019). Deep learning without weight "
        "transport. NeurIPS. arXiv:1904.05391",
    ),
    "pc": (
        "Rao & Ballard (1999). Predictive coding in the visual cortex. Nature Neuroscience 2, "
        "79-87. doi:10.1038/4580",
        "Tscshantz, Millidge, Seth & Buckley (2023). Hybrid predictive coding: inferring, fast "
        "and slow. PLoS Computational Biology 19, e1011280. doi:10.1371/journal.pcbi.1011280",
    ),
    "pc-supervised": (
        "Whittington & Bogacz (2017). An approximation of the error backpropagation algorithm in "
        "a predictive coding network with local Hebbian synaptic plasticity. Neural Computation "
        "29, 1229-1262. doi:10.1162/NECO_a_00949",
    ),
    "stdp": (
        "Bi & Poo (1998). Synaptic modifications in cultured hippocampal neurons. Journal of "
        "Neuroscience 18, 10464-10472. doi:10.1523/JNEUROSCI.18-24-10464.1998",
        "Song, Miller & Abbott (2000). Competitive Hebbian learning through "
        "spike-timing-dependent synaptic plasticity. Nature Neuroscience 3, 919-926. "
        "doi:10.1038/78829",
        "Diehl & Cook (2015). Unsupervised learning of digit recognition using "
        "spike-timing-dependent plasticity. Frontiers in Computational Neuroscience 9, 99. "
        "doi:10.3389/fncom.2015.00099",
    ),
}
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
    """What a run with these rules and data has to cite, each entry once; ``cell``: empty where no
    layer spikes."""
    found = [source for rule in rules for source in RULE_SOURCES.get(rule, ())]
    found += [text for name, text in CELL_SOURCES.items() if cell.startswith(name)]
    for data in (training, stimuli):
        found += [text for name, text in DATA_SOURCES.items() if data.startswith(name)]
    return list(dict.fromkeys([*found, *METHOD_SOURCES]))
