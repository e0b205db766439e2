"""The four kinds of neural dynamics.

Activity evolves while input and weights are held fixed. What is held fixed is gathered once
in an *operating point* (the network, the drive and each layer linearised at the feed-forward
activity), and every other method reads it: a layer is linearised once, however many steps a
solver takes. None of them writes to the network. What a learning pass moves beside weights, running
statistics and thresholds, moves in ``adapt``, which ``run_batch`` calls once per batch.

| kind                   | law                                      | solvers               |
|------------------------|------------------------------------------|-----------------------|
| ``AbstractFlow``       | d state / dt = flow(state)               | Euler, Heun, RK4, ... |
| ``AbstractClosedForm`` | a flow with a known fixed point          | Direct and the above  |
| ``AbstractEnergy``     | flow = -grad energy                      | the explicit solvers  |
| ``AbstractClocked``    | state at tick i + 1 from state at tick i | Ticks                 |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from torch import Tensor

from neurosim.types import Drive, LayerLike, LocalSignal, NetworkLike, State

#: The kind of network that dynamics run on, and what their operating point is.
NetT = TypeVar("NetT", bound=NetworkLike)
PointT = TypeVar("PointT")


class AbstractDynamics(ABC, Generic[NetT, PointT]):
    """Activity under clamped input, the weights held fixed.

    ``net`` is the kind of network these dynamics run on, a chain of layers (``NetworkLike``);
    ``point`` is what their own ``operating_point`` returns.
    """

    #: What to write where another solver was asked for; shown in error messages.
    remedy: ClassVar[str]

    def layers(self, net: NetT) -> Sequence[LayerLike]:
        """The layers whose synapses learn, in the order of ``local_signals``."""
        return net.layers

    @property
    def offers(self) -> frozenset[str]:
        """What a plasticity may read in the local signals, by the words of its ``needs``:
        ``pre`` and ``post``, the two sides of the synapse, and every key of
        ``LocalSignal.offered``, such as

        | word      | what it is                                                             |
        |-----------|------------------------------------------------------------------------|
        | `error`   | the error at the synapse, which post is                                |
        | `gains`   | changes of parameters that sit on the unit itself (gamma, beta), named |
        | `spikes`  | 0 and 1, which pre and post are                                        |
        | `voltage` | the postsynaptic membrane in mV, in the shape of post                  |
        | `reward`  | a third factor that reaches every synapse alike, ``(batch,)``          |
        | `dt`      | length of a tick in ms                                                 |
        """
        return frozenset({"pre", "post"})

    def runs_on(self) -> type:
        """The kind of network these dynamics need; any, unless they say so."""
        return object

    def check_network(self, net: NetT) -> None:
        """Refuse a network that these dynamics cannot run on, before any work.

        Raises:
            TypeError: a network of another kind.
            ValueError: one of other sizes or parts.
        """
        kind = self.runs_on()
        if not isinstance(net, kind):
            raise TypeError(
                f"{type(self).__name__} runs on a {kind.__name__}, got a {type(net).__name__}: "
                "build that network, or take dynamics that run on this one"
            )

    @abstractmethod
    def operating_point(self, net: NetT, drive: Drive) -> PointT:
        """What stays fixed while the activity settles; linearises each layer once."""

    @abstractmethod
    def initial_state(self, point: PointT) -> State:
        """The state before the first step."""

    @abstractmethod
    def local_signals(self, point: PointT, state: State) -> Sequence[LocalSignal]:
        """The two sides of each learning layer's synapses in this state."""

    def activity(self, point: PointT, state: State) -> Mapping[str, Tensor]:
        """What each layer hands on in this state, by its name: what ``represent`` reads."""
        raise TypeError(
            f"{type(self).__name__} does not say what its layers hand on: give it activity(point, "
            "state), layer name -> tensor, or passive() that returns dynamics which have one"
        )

    def passive(self) -> AbstractDynamics[NetT, Any]:
        """The dynamics that are left where nothing is taught: themselves, or a closed form of the
        same activity (the sweep alone, where errors would add nothing to what is handed on)."""
        return self

    def portions(self, x: Tensor) -> Sequence[Tensor]:
        """The images in pieces that are represented at once; all together, unless they say so."""
        return (x,)

    def adapt(self, point: PointT, state: State) -> None:
        """Move what a learning pass moves beside weights (running statistics, thresholds), from its
        last state: the one method that writes to the network. Nothing, unless they say so."""

    def measurements(self, point: PointT, state: State) -> Mapping[str, Mapping[str, float]]:
        """What only these dynamics can tell of a batch: quantity -> layer name -> value.

        Asked once an epoch, for the log: alignment angles, firing rates, error sizes.
        """
        return {}

    @abstractmethod
    def output(self, point: PointT, state: State) -> Tensor:
        """What the network hands on (features, logits, spike counts), ``(batch, *features)``."""


class AbstractFlow(AbstractDynamics[NetT, PointT]):
    """An ordinary differential equation for the activity. Time is in units of tau."""

    remedy: ClassVar[str] = "use an explicit solver, for example Heun(dt=0.1)"

    @abstractmethod
    def flow(self, point: PointT, state: State) -> State:
        """d state / dt."""


class AbstractClosedForm(AbstractFlow[NetT, PointT]):
    """A flow whose fixed point is known."""

    remedy: ClassVar[str] = "use Direct(), or an explicit solver such as Heun(dt=0.1)"

    @abstractmethod
    def equilibrium(self, point: PointT) -> State:
        """The state at which the flow vanishes."""


class AbstractEnergy(AbstractFlow[NetT, PointT]):
    """A gradient flow."""

    @abstractmethod
    def energy(self, point: PointT, state: State) -> Tensor:
        """The energy that the flow descends, summed over the batch; a scalar."""


class AbstractClocked(AbstractDynamics[NetT, PointT]):
    """Activity that advances in ticks of ``dt_ms`` milliseconds (spiking cells)."""

    remedy: ClassVar[str] = "use Ticks()"

    @property
    def offers(self) -> frozenset[str]:
        return super().offers | {"dt"}

    @property
    @abstractmethod
    def dt_ms(self) -> float:
        """Length of a tick in ms."""

    @abstractmethod
    def n_ticks(self, point: PointT) -> int:
        """Number of ticks in one presentation."""

    @abstractmethod
    def tick(self, point: PointT, state: State, index: int) -> State:
        """The state one tick later; ``index`` counts from 0."""
