"""Spiking neurons, encoders, spike timing and trace kernels.

>>> from neurosim.spiking import AllPairs, weight_change
>>> weight_change(AllPairs(), pre_ms=[0.0], post_ms=[10.0]) > 0    # causal potentiates
True
"""

from __future__ import annotations

from neurosim.naming.lazily import handed_on

_HOMES = {
    "population.between": (
        "AbstractBetween",
        "AveragePooling",
        "ChannelNorm",
        "Directly",
        "InTurn",
        "MaxPooling",
    ),
    "population.competition": ("AbstractCompetition", "Fired", "NoCompetition", "WinnerTakeAll"),
    "encoders.registry": (
        "ENCODERS",
        "AbstractEncoder",
        "Bernoulli",
        "Burst",
        "Current",
        "Delta",
        "Latency",
        "NorseCurrent",
        "NorsePoisson",
        "Phase",
        "Poisson",
        "Population",
        "RankOrder",
        "SnntorchLatency",
        "SnntorchRate",
    ),
    "theory.direct_sums": ("direct_change",),
    "cells.membrane": ("Millivolts",),
    "encoders.lgn": ("LGN", "AbstractFrontEnd"),
    "cells.registry": (
        "CELLS",
        "AbstractCell",
        "AdaptiveLIF",
        "NorseAdEx",
        "NorseCubaLIF",
        "NorseIAF",
        "NorseLIF",
        "NorseLIFEx",
        "NorseLIFRefractory",
        "NorseLSNN",
        "ResetBySubtraction",
        "ResetToZero",
        "SnntorchLIF",
        "SnntorchLapicque",
        "SnntorchSynaptic",
    ),
    "population.homeostasis": ("SynapticScaling", "TotalInput"),
    "timing.change": ("AbstractKernel", "ByDensity", "EventKernel", "FusedKernel", "SubsetKernel"),
    "theory.poisson_theory": (
        "PoissonNeuron",
        "fixed_point",
        "poisson_drift",
        "stationary_density",
    ),
    "timing.reductions": ("AbstractReduction", "MeanOverBatch", "MeanOverSpikes", "SumOverBatch"),
    "timing.single_synapse": ("weight_change",),
    "timing.spike_window": ("SpikeWindow",),
    "timing.rules": (
        "COINCIDENCE",
        "TIMINGS",
        "AbstractTiming",
        "AbstractTraceTiming",
        "AllPairs",
        "AntiHebbian",
        "Clopath",
        "FirstSpike",
        "NearestPair",
        "Rewarded",
        "Symmetric",
        "Triplet",
    ),
    "timing.traces": ("TraceSTDP",),
    "timing.voltage_timing": ("SpikeVoltage",),
    "timing.weight_dependence": (
        "WEIGHT_DEPENDENCES",
        "AbstractWeightDependence",
        "Additive",
        "Guetig",
        "HardBounds",
        "Logistic",
        "Multiplicative",
        "PowerLaw",
        "SoftBounds",
        "VanRossum",
    ),
}
__getattr__, __dir__, __all__ = handed_on(__name__, _HOMES)
