"""STDP on a layer of a network that somebody else has written, in its own forward loop.

    stdp = attach_stdp(net.fc, net.lif, AllPairs(), dt_ms=1.0)
    for x in batches:
        for tick in range(n_ticks):
            net(x[tick])            # snntorch, norse or plain torch: nothing of it changes
        stdp.apply(lr=1e-3)         # net.fc.weight += lr * change; the next presentation begins

Forward hooks see what the layer receives (presynaptic spikes) and what its neuron sends
(postsynaptic spikes); the change is that of ``TraceSTDP`` on these, computed by the same kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.naming.settings import require_time
from neurosim.spiking.timing.change import AbstractKernel, ByDensity
from neurosim.spiking.timing.reductions import AbstractReduction, MeanOverBatch
from neurosim.spiking.timing.rules import AbstractTiming
from neurosim.spiking.timing.third_factor import Rewarded
from neurosim.spiking.timing.traces import TraceSTDP
from neurosim.synapses import AbstractSynapse, Conv1d, Conv2d, ConvTranspose2d, Dense
from neurosim.types import LocalSignal

_CONVOLUTIONS = {nn.Conv1d: Conv1d, nn.Conv2d: Conv2d, nn.ConvTranspose2d: ConvTranspose2d}


def synapse_of(module: nn.Module) -> AbstractSynapse:
    """The geometry of a torch module, whose weight has the shape of the synapse's.

    Raises:
        TypeError: a module of another kind.
        ValueError: a setting that no synapse has, naming it.
    """
    if isinstance(module, nn.Linear):
        return Dense(module.in_features, module.out_features)
    kind = next((kind for kind in _CONVOLUTIONS if isinstance(module, kind)), None)
    if kind is None:
        known = ", ".join(each.__name__ for each in (nn.Linear, *_CONVOLUTIONS))
        raise TypeError(f"a {type(module).__name__} is not a synapse: give one of {known}")
    settings = {}
    for name in ("kernel_size", "stride", "padding", "dilation"):
        value = getattr(module, name)
        if isinstance(value, str) or len(set(value)) != 1:
            raise ValueError(
                f"the {kind.__name__} has {name}={value!r}: give one number for all axes"
            )
        settings[name.removesuffix("_size")] = value[0]
    if module.padding_mode != "zeros":
        raise ValueError(f"the {kind.__name__} pads with {module.padding_mode!r}: pad with zeros")
    if kind is nn.ConvTranspose2d:
        # What a transposed synapse has no setting for has to be as torch leaves it.
        for name, plain in (("dilation", (1, 1)), ("output_padding", (0, 0)), ("groups", 1)):
            if getattr(module, name) != plain:
                raise ValueError(
                    f"the ConvTranspose2d has {name}={getattr(module, name)!r}: leave it at {plain}"
                )
        del settings["dilation"]
    else:
        settings["groups"] = module.groups
    return _CONVOLUTIONS[kind](module.in_channels, module.out_channels, **settings)


class AttachedSTDP:
    """A plasticity that listens to one layer; made by ``attach_stdp``.

    Attributes:
        n_ticks: ticks of this presentation so far.
    """

    name = "attached"

    def __init__(
        self,
        module: nn.Module,
        neuron: nn.Module,
        plasticity: TraceSTDP,
        dt_ms: float,
        voltage: Callable[[Any], Tensor] | None,
    ) -> None:
        self.module, self.plasticity, self.dt_ms = module, plasticity, dt_ms
        self.synapse = synapse_of(module)
        self._voltage = voltage
        self._n_axes = max(1, len(self.synapse.weight_shape) - 1)  # of one image, channels first
        self._received: list[Tensor] = []
        self.n_ticks = 0
        self._memory = plasticity.begin(self)
        self._hooks = [
            module.register_forward_hook(self._receive),
            neuron.register_forward_hook(self._send),
        ]

    def plastic_parameters(self) -> dict[str, Tensor]:
        """The weight of the module."""
        return {"weight": self.module.weight}  # type: ignore[dict-item]

    @torch.no_grad()
    def change(self) -> Tensor:
        """The change of the weight that this presentation asks for, in the shape of the weight.

        Raises:
            ValueError: the layer or the neuron was not called, or not equally often.
        """
        if self._received or not self.n_ticks:
            raise ValueError(
                f"the layer was called {self.n_ticks + len(self._received)} times and its neuron "
                f"{self.n_ticks}: present a stimulus, and attach the neuron that reads this layer"
            )
        return self.plasticity.delta(self, self._memory)["weight"]

    @torch.no_grad()
    def apply(self, lr: float = 1.0) -> Tensor:
        """Add ``lr`` times the change to the weight, and begin the next presentation.

        Under a weight dependence the weight evolves within the presentation: keep ``lr`` at 1.

        Returns:
            The change before ``lr``.
        """
        change = self.change()
        self.module.weight.add_(change, alpha=lr)  # type: ignore[operator]
        self.reset()
        return change

    def reset(self) -> None:
        """Forget this presentation."""
        self._received, self.n_ticks = [], 0
        self._memory = self.plasticity.begin(self)

    def detach(self) -> None:
        """Stop listening; the weight stays as it is."""
        for hook in self._hooks:
            hook.remove()

    def _receive(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self._received += self._ticks(inputs[0].detach(), "the layer receives")

    def _send(self, module: nn.Module, inputs: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        sent = self._ticks(first.detach(), "the neuron sends")
        if len(sent) != len(self._received):
            raise ValueError(
                f"the neuron sent {len(sent)} ticks where the layer received "
                f"{len(self._received)}: attach the neuron that reads this layer, once per call"
            )
        volts: list[Tensor | None] = [None] * len(sent)
        if self._voltage is not None:
            volts = list(self._ticks(self._voltage(output).detach(), "the membrane"))
        for pre, post, volt in zip(self._received, sent, volts, strict=True):
            self.synapse.check_sides(pre.shape[1:], post.shape[1:])
            offered = {"spikes": post, "dt": self.dt_ms}
            if volt is not None:
                offered["voltage"] = volt
            signal = LocalSignal(pre, post, offered)
            self._memory = self.plasticity.observe(self, self._memory, signal)
        self._received = []
        self.n_ticks += len(sent)

    def _ticks(self, x: Tensor, what: str) -> list[Tensor]:
        """One tensor ``(batch, *features)`` per tick: of one tick, with or without a batch, or of
        a whole sequence with time first."""
        extra = x.dim() - self._n_axes
        if extra == 0:
            return [x[None]]
        if extra == 1:
            return [x]
        if extra == 2:
            return list(x)
        raise ValueError(
            f"what {what} has shape {tuple(x.shape)}: give (batch, *features) at each tick, or "
            "(time, batch, *features)"
        )


def attach_stdp(
    module: nn.Module,
    neuron: nn.Module,
    timing: AbstractTiming,
    *,
    dt_ms: float,
    reduction: AbstractReduction | None = None,
    kernel: AbstractKernel | None = None,
    voltage: Callable[[Any], Tensor] | None = None,
) -> AttachedSTDP:
    """Let STDP train a layer of a network as it stands.

    Args:
        module: ``nn.Linear``, ``Conv1d``, ``Conv2d`` or ``ConvTranspose2d``; it receives spikes.
        neuron: the module that turns the layer's current into spikes, one output for each unit of
            the layer; where it returns a tuple, spikes come first (snntorch, norse).
        timing: which spikes change a synapse by how much, with its weight dependence.
        dt_ms: length of a tick in ms.
        reduction: how the changes of a batch become one; the mean by default.
        kernel: how the sum is carried out; the numbers do not depend on it.
        voltage: for a timing that reads voltages: the neuron's output -> membrane in mV.

    Raises:
        TypeError: a module that is not a synapse, or a timing that reads what a network in
            plain torch does not tell.
        ValueError: a geometry that no synapse has.

    Example:
        >>> from neurosim.spiking import AllPairs
        >>> layer, neuron = nn.Linear(1, 1), nn.Identity()
        >>> stdp = attach_stdp(layer, neuron, AllPairs(a_plus=1.0, tau_plus_ms=20.0), dt_ms=20.0)
        >>> for pre, post in ((1.0, 0.0), (0.0, 1.0)):
        ...     _ = layer(torch.tensor([[pre]])), neuron(torch.tensor([[post]]))
        >>> round(float(stdp.change()), 4)  # exp(-1): one pair, 20 ms apart
        0.3679
    """
    if isinstance(timing, Rewarded):
        raise TypeError(
            "attach_stdp sees no reward: take the timing inside of Rewarded, and scale apply(lr=)"
        )
    if timing.reads_voltage and voltage is None:
        raise TypeError(
            f"{type(timing).__name__} reads the membrane: give voltage=, a function from the "
            "neuron's output to mV"
        )
    require_time("dt_ms", dt_ms)
    plasticity = TraceSTDP(timing, reduction or MeanOverBatch(), kernel or ByDensity())
    return AttachedSTDP(module, neuron, plasticity, dt_ms, voltage)
