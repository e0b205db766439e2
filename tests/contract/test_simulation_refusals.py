"""What the simulator cannot do is said in one sentence with the remedy, before anything runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurosim.spiking import (
    AbstractSource,
    AllPairs,
    AllToAll,
    ConductanceLIF,
    CurrentInput,
    FirstSpike,
    FixedInDegree,
    FixedProbability,
    Geometry,
    HardBounds,
    Inhibitory,
    NeuronGroup,
    OneToOne,
    PairList,
    PoissonInput,
    Projection,
    Record,
    Reward,
    Rewarded,
    Scaling,
    SnntorchLIF,
    SpikeTimes,
    SynapticScaling,
    Uniform,
    simulate,
)
from neurosim.synapses import Conv2d

CELL = SnntorchLIF(dt_ms=1.0)
A, B = NeuronGroup(3, CELL, name="a"), NeuronGroup(2, CELL, name="b")
PLAIN = Projection(A, B, 0.5)


class Stray(AbstractSource):
    """A source of one's own that does not keep to its block or trains."""

    n = 2

    def __init__(self, ticks, trains):
        self.given = np.array(ticks), np.array(trains)

    def draw(self, first, n_ticks, dt_ms, generator):
        return self.given


def run(*parts, duration_ms=5.0, **more):
    return lambda: simulate(parts, duration_ms, **more)


REFUSED = {
    "no part": (run(), "nothing to simulate"),
    "a cell": (run(CELL), "a network is made of NeuronGroup"),
    "a duration of no tick": (run(A, duration_ms=0.3), "duration_ms must be whole ticks of 1.0 ms"),
    "a duration of NaN": (run(A, duration_ms=float("nan")), "finite and positive"),
    "two ticks": (
        run(A, NeuronGroup(1, SnntorchLIF(dt_ms=0.5))), "give all cells the same dt_ms"
    ),
    "a circle in one tick": (
        run(PLAIN, Projection(B, A, 0.5)), r"in a circle .* delay_ms=1.0 or more"
    ),
    "itself in one tick": (run(Projection(A, A, 0.5)), "circle"),
    "one name twice": (run(A, NeuronGroup(1, CELL, name="a")), "two parts are called 'a'"),
    "a name with a slash": (run(NeuronGroup(1, CELL, name="a/b")), "no slash"),
    "half a tick of delay": (run(Projection(A, B, 0.5, delay_ms=1.5)), "whole ticks of 1.0 ms"),
    "a delay back in time": (run(Projection(A, B, 0.5, delay_ms=-1.0)), "not be negative"),
    "weights of another number": (run(Projection(A, B, [1.0, 2.0])), "one number or 6"),
    "a matrix turned round": (run(Projection(A, B, np.ones((3, 2)))), r"n_pre\) = \(2, 3"),
    "weights that are NaN": (run(Projection(A, B, float("nan"))), "not finite"),
    "weights outside the bounds": (
        run(Projection(A, B, 3.0, timing=AllPairs(dependence=HardBounds()))), "do not fit Hard"
    ),
    "a negative conductance": (
        run(Projection(A, NeuronGroup(1, ConductanceLIF(dt_ms=1.0)), -1.0)), "inhibitory=True"
    ),
    "a conductance without bounds": (
        lambda: Projection(A, NeuronGroup(1, ConductanceLIF(dt_ms=1.0)), 1.0, timing=AllPairs()),
        "give the timing bounds",
    ),
    "a reward without a third factor": (lambda: Reward(PLAIN, [1.0]), "timing=Rewarded"),
    "a reward of silence": (
        lambda: Projection(A, B, 0.5, timing=Rewarded(FirstSpike())), "finite tau_minus_ms"
    ),
    "an unknown timing": (lambda: Projection(A, B, 0.5, timing="al-pairs"), "did you mean"),
    "a projection into a source": (lambda: Projection(A, PoissonInput(1, 1.0), 1.0), "post must"),
    "a projection of a number": (lambda: Projection(3, A, 1.0), "pre must be"),
    "a matrix for a connector": (lambda: Projection(A, B, 1.0, connect=np.ones(3)), "connect must"),
    "one to one of two sizes": (run(Projection(A, B, 1.0, connect=OneToOne())), "of one size"),
    "a pair too far": (run(Projection(A, B, 1.0, connect=PairList([0], [2]))), "neuron 2 of"),
    "pairs of unequal number": (lambda: PairList([0, 1], [0]), "one neuron each"),
    "pairs that are no numbers": (lambda: PairList([0.5], [0]), "whole numbers"),
    "a chance above one": (lambda: FixedProbability(1.5), "between 0 and 1"),
    "more inputs than there are": (
        run(Projection(A, B, 1.0, connect=FixedInDegree(4))), "there are 3"
    ),
    "a geometry of other sizes": (
        run(Projection(A, B, 1.0, connect=Geometry(Conv2d(1, 1, 2), (1, 3, 3)))), "joins 9 neurons"
    ),
    "bounds turned round": (lambda: Uniform(1.0, 0.0), "in this order"),
    "a rate beyond the tick": (run(Projection(PoissonInput(1, 2000.0), A, 1.0)), "at most 1000 Hz"),
    "a negative rate": (lambda: PoissonInput(1, -1.0), "not be negative"),
    "rates of another number": (lambda: PoissonInput(3, [1.0, 2.0]), "one number or 3"),
    "two spikes in a tick": (run(Projection(SpikeTimes([[1.1, 1.2]]), A, 1.0)), "twice"),
    "spikes before the start": (lambda: SpikeTimes([[-1.0]]), "from 0 on"),
    "spikes that are text": (lambda: SpikeTimes(["a"]), "numbers"),
    "rasters of rates": (lambda: SpikeTimes.of_raster(np.full((3, 2), 0.5), 1.0), "an encoder"),
    "a batch of rasters": (
        lambda: SpikeTimes.of_raster(torch.zeros(3, 2, 4), 1.0), "one image at a time"
    ),
    "a source that leaves its block": (run(Projection(Stray([9000], [0]), A, 1.0)), "block it"),
    "a source with two at once": (run(Projection(Stray([1, 1], [0, 0]), A, 1.0)), "two of one"),
    "a source of another train": (run(Projection(Stray([1], [2]), A, 1.0)), "does not have"),
    "an unknown number of the cell": (lambda: NeuronGroup(2, CELL, tau=[1.0, 2.0]), "tau_mem_ms"),
    "a number that the cell refuses": (run(NeuronGroup(2, CELL, tau_mem_ms=[1.0, -1.0])), "tau"),
    "no cell": (lambda: NeuronGroup(2, 3), "cell"),
    "no neurons": (lambda: NeuronGroup(0, CELL), "n must be a whole number"),
    "a threshold of zero": (lambda: NeuronGroup(2, CELL, threshold=0.0), "must be positive"),
    "a second threshold": (
        lambda: NeuronGroup(2, ConductanceLIF(), threshold=1.0), r"ConductanceLIF\(threshold=...\)"
    ),
    "a start of another name": (lambda: NeuronGroup(2, CELL, start={"v": 1.0}), "with voltage"),
    "a current of another shape": (lambda: CurrentInput(A, np.ones((4, 2))), r"\(time, 3\)"),
    "a current into a source": (lambda: CurrentInput(PoissonInput(1, 1.0), 1.0), "NeuronGroup"),
    "a current that ends": (run(CurrentInput(A, np.ones((4, 3)))), "ends before the run"),
    "records of strangers": (run(A, record=Record(B, "voltage")), "is not a part"),
    "no record": (run(A, record=["voltage"]), r"Record\(part, what\)"),
    "what is not kept": (lambda: Record(A, "current"), "one records voltage, got"),
    "traces of what stays": (lambda: Record(PLAIN, "traces"), "give it one"),
    "neurons that are not there": (
        run(A, record=Record(A, "voltage", which=[3])), "some of 3, from 0 on"
    ),
    "half a tick of records": (
        run(A, record=Record(A, "voltage", every_ms=0.5)), "every_ms must be whole ticks"
    ),
    "scaling of a group": (
        lambda: Scaling(A, SynapticScaling(5.0), every_ms=1.0), r"Projection\(...\)"
    ),
    "scaling by a number": (lambda: Scaling(PLAIN, 0.5, every_ms=1.0), r"SynapticScaling\(...\)"),
    "scaling at half a tick": (
        run(Scaling(PLAIN, SynapticScaling(5.0), every_ms=0.5)), "whole ticks"
    ),
    "a target below zero": (lambda: Inhibitory(target_hz=-1.0), "target_hz"),
    "a reset above threshold": (lambda: ConductanceLIF(reset=-50.0), "below threshold"),
    "a weight of text": (run(Projection(A, B, "heavy", connect=AllToAll())), "number"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(REFUSED))
def test_it_is_refused_in_one_sentence(what):
    call, told = REFUSED[what]
    with pytest.raises((ValueError, TypeError), match=told) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_state_goes_on_in_its_own_network_alone():
    first = simulate(PLAIN, 5.0).state
    with pytest.raises(ValueError, match="is of another network"):
        simulate(Projection(A, B, 0.5, delay_ms=1.0), 5.0, start=first)
    for name, value in (("ring", 99), ("n_ring", 99), ("spiked", 10**6)):
        broken = first.copy()
        getattr(broken, name).flat[0] = value
        with pytest.raises(ValueError, match="neurons or ticks that its network has not"):
            simulate(PLAIN, 5.0, start=broken)
    broken = first.copy()
    broken.v = broken.v[:-1]
    with pytest.raises(ValueError, match="v of this state does not fit"):
        simulate(PLAIN, 5.0, start=broken)


def test_what_was_not_recorded_is_not_made_up():
    source = PoissonInput(2, 10.0)
    voltage = Record(A, "voltage")
    done = simulate(Projection(source, A, 0.5), 5.0)
    with pytest.raises(ValueError, match="was not recorded"):
        done.spikes(source)
    with pytest.raises(ValueError, match="holds no samples of this run"):
        done.samples(voltage)
    with pytest.raises(ValueError, match="is not a part of this network"):
        done.spikes(B)
    with pytest.raises(ValueError, match="is not a part of this network"):
        done.weights(PLAIN)
