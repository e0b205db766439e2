"""Song, Miller & Abbott 2000: additive STDP makes the inputs of a neuron compete."""

from __future__ import annotations

from neurosim.experiments.classics.outcome import Outcome
from neurosim.spiking import (
    AllPairs,
    ConductanceLIF,
    HardBounds,
    NeuronGroup,
    PoissonInput,
    Projection,
    Record,
    Uniform,
    simulate,
)

SOURCE = "Song, Miller & Abbott 2000, doi:10.1038/78829"
#: Maximal excitatory and fixed inhibitory conductance, in units of the leak.
G_MAX, G_INHIBITORY = 0.015, 0.05


def competition(
    seconds: float = 1000.0, rate_hz: float = 20.0, step: float = 0.005, seed: int = 0
) -> Outcome:
    """Their figure 2: 1,000 excitatory inputs of one rate, 200 inhibitory ones of 10 Hz.

    Constants of the paper: steps of .005 and 1.05 times as much of the maximum, 20 ms, weights
    anywhere between the bounds at the start. Weights end near the bounds, some near either.
    """
    cell = NeuronGroup(1, ConductanceLIF(dt_ms=0.5), name="cell")
    inputs = PoissonInput(1000, rate_hz, name="excitatory")
    window = AllPairs(
        a_plus=step * G_MAX, a_minus=1.05 * step * G_MAX, dependence=HardBounds(0.0, G_MAX)
    )
    synapses = Projection(inputs, cell, Uniform(0.0, G_MAX), timing=window, name="synapses")
    inhibition = Projection(
        PoissonInput(200, 10.0, name="inhibitory"), cell, G_INHIBITORY, inhibitory=True
    )
    weights = Record(synapses, "weights", every_ms=1000.0 * max(1.0, seconds // 100))
    run = simulate([synapses, inhibition], 1000.0 * seconds, record=weights, seed=seed)
    end = run.weights(synapses) / G_MAX
    low, middle, high = (end < 0.2).mean(), ((end > 0.3) & (end < 0.7)).mean(), (end > 0.8).mean()
    late = run.spikes(cell).rates_hz(after_ms=500.0 * seconds)[0]
    samples = run.samples(weights)
    numbers = {
        "share below .2": float(low), "share from .3 to .7": float(middle),
        "share above .8": float(high), "rate_hz": float(late),
    }  # fmt: skip
    return Outcome(
        "song",
        SOURCE,
        "both ends hold more than 15 % of the weights, the middle from .3 to .7 less than 10 %",
        numbers,
        bool(low > 0.15 and high > 0.15 and middle < 0.1),
        {
            "weights": end, "weights_at_start": samples.values[0] / G_MAX,
            "times_ms": samples.times_ms, "weights_over_time": samples.values[:, ::20] / G_MAX,
        },
    )  # fmt: skip
