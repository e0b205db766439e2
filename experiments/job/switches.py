"""The switches of the profile ``published``: each a part that Leutenegger 2026 (arXiv 2605.30556)
has in place of the reference's. docs/published.md says what each does and what it does to the
numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, final

from neurosim.experiments.job.batches import AUGMENTATIONS, Augmentation, BlackBorder, FlipAndCrop
from neurosim.experiments.job.extraction import Recorded
from neurosim.experiments.job.network import roles_of
from neurosim.experiments.job.profiles import Profile
from neurosim.experiments.job.readings import AsInitialised, BestLayer, OneLayer, Reading
from neurosim.experiments.settings.config import DEFAULT_RULES, Comparison
from neurosim.models.published import learners
from neurosim.models.published.leak import LeakingLearner
from neurosim.models.published.starts import OwnStart
from neurosim.models.rules.learner import Learner, LearnerBuilder
from neurosim.naming.choices import Choices

#: Rules whose networks the published pipeline never puts into evaluation mode.
LEAKING_RULES = ("pc", "stdp")


class AbstractSwitch(ABC):
    """One difference from the reference.

    says: what is different, in a line. rules: the rules of the default comparison that are trained
        or evaluated otherwise under it; empty for a switch of the reading alone.
    """

    says: ClassVar[str]
    rules: ClassVar[tuple[str, ...]]

    @abstractmethod
    def on(self, profile: Profile) -> Profile:
        """The profile with this difference in place."""


def _with_builder(profile: Profile, rule: str, builder: LearnerBuilder) -> Profile:
    return replace(profile, builders=Choices("learning rule", {**profile.builders, rule: builder}))


def _with_stdp(profile: Profile, **choices: object) -> Profile:
    """Set one of the choices of STDP and keep the others."""
    so_far = profile.builders["stdp"]
    if not isinstance(so_far, learners.StdpBuilder):
        so_far = learners.StdpBuilder()
    return _with_builder(profile, "stdp", replace(so_far, **choices))  # type: ignore[arg-type]


def leaking(learner: Learner) -> Learner:
    """PC and STDP normalised by what they are evaluated on; the others as they are."""
    if learner.name not in LEAKING_RULES:
        return learner
    return LeakingLearner(learner.name, learner.parts)


@final
@dataclass(frozen=True)
class BnEvalLeak(AbstractSwitch):
    says = "PC and STDP are evaluated with the statistics of the evaluated batch, which stay behind"
    rules = LEAKING_RULES

    def on(self, profile: Profile) -> Profile:
        return replace(profile, finish=leaking, extraction=Recorded())


@final
@dataclass(frozen=True)
class IdentityBnEpoch0(AbstractSwitch):
    says = "changes are counted from epoch 0, where batch norm is the identity"
    rules = ()

    def on(self, profile: Profile) -> Profile:
        return replace(profile, reading=replace(profile.reading, zero=AsInitialised()))


@final
@dataclass(frozen=True)
class StdpWindowInverted(AbstractSwitch):
    says = "pre before post depresses, post before pre potentiates"
    rules = ("stdp",)

    def on(self, profile: Profile) -> Profile:
        return _with_stdp(profile, invert=True)


@final
@dataclass(frozen=True)
class StdpChannelMeans(AbstractSwitch):
    says = "STDP sees one spike train a channel, first spikes only, one change for all nine taps"
    rules = ("stdp",)

    def on(self, profile: Profile) -> Profile:
        return _with_stdp(profile, body=learners.ChannelMeanBody())


@final
@dataclass(frozen=True)
class StdpBnBackprop(AbstractSwitch):
    says = "the readout's cross-entropy reaches gamma and beta of the STDP network"
    rules = ("stdp",)

    def on(self, profile: Profile) -> Profile:
        return _with_stdp(profile, reach_gains=True)


@final
@dataclass(frozen=True)
class PcChannelMeans(AbstractSwitch):
    says = "PC multiplies channel means, clamps at .01, leaves Conv3 and the predictions alone"
    rules = ("pc",)

    def on(self, profile: Profile) -> Profile:
        return _with_builder(profile, "pc", learners.predictive_coding)


@final
@dataclass(frozen=True)
class FaFcTransport(AbstractSwitch):
    says = "FA carries errors exactly through its dense layers, and learns by SGD at 5e-4"
    rules = ("fa",)

    def on(self, profile: Profile) -> Profile:
        return _with_builder(profile, "fa", learners.feedback_alignment)


@final
@dataclass(frozen=True)
class BlackPadding(AbstractSwitch):
    says = "random crops reach into a black border"
    rules = DEFAULT_RULES

    def on(self, profile: Profile) -> Profile:
        black: dict[str, Augmentation] = {
            **AUGMENTATIONS, "flip-crop": FlipAndCrop(BlackBorder()),
        }  # fmt: skip
        return replace(profile, augmentations=Choices("augmentation", black))


@final
@dataclass(frozen=True)
class OwnInit(AbstractSwitch):
    says = "FA and STDP start Kaiming-normal, and no convolution has a bias"
    rules = DEFAULT_RULES

    def on(self, profile: Profile) -> Profile:
        return replace(profile, start=OwnStart.of)


@final
@dataclass(frozen=True)
class BestLayerPerEpoch(AbstractSwitch):
    says = "the best layer speaks for a network, chosen anew at each epoch"
    rules = ()

    def on(self, profile: Profile) -> Profile:
        return replace(profile, reading=replace(profile.reading, layer=BestLayer()))


SWITCHES: Choices[AbstractSwitch] = Choices(
    "switch",
    {
        "bn_eval_leak": BnEvalLeak(),
        "identity_bn_epoch0": IdentityBnEpoch0(),
        "stdp_window_inverted": StdpWindowInverted(),
        "stdp_channel_means": StdpChannelMeans(),
        "stdp_bn_backprop": StdpBnBackprop(),
        "pc_channel_means": PcChannelMeans(),
        "fa_fc_transport": FaFcTransport(),
        "black_padding": BlackPadding(),
        "own_init": OwnInit(),
        "best_layer_per_epoch": BestLayerPerEpoch(),
    },
)


def profile_of(settings: Comparison) -> Profile:
    """The profile that the settings name, without the switches that they leave off."""
    profile = Profile(reading=Reading(layer=OneLayer(roles_of(settings).headline)))
    for name in settings.switches():
        profile = SWITCHES[name].on(profile)
    return profile
