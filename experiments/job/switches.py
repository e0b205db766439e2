"""The switches of the profile ``published``: each a part that Leutenegger 2026 (arXiv 2605.30556)
has in place of the reference's. docs/published.md says what each does and what it does to the
numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from neurosim.experiments.job.batches import AUGMENTATIONS, Augmentation, BlackBorder, FlipAndCrop
from neurosim.experiments.job.extraction import RECORDED
from neurosim.experiments.job.network import roles_of
from neurosim.experiments.job.profiles import Profile
from neurosim.experiments.job.readings import AS_INITIALISED, LayerChoice, Reading
from neurosim.experiments.settings.config import DEFAULT_RULES, Comparison
from neurosim.models.published import learners
from neurosim.models.published.leak import LeakingLearner
from neurosim.models.published.starts import OwnStart
from neurosim.models.rules.learner import Learner, LearnerBuilder
from neurosim.naming.choices import Choices

#: Rules whose networks the published pipeline never puts into evaluation mode.
LEAKING_RULES = ("pc", "stdp")
Change = Callable[[Profile], Profile]


@dataclass(frozen=True)
class Switch:
    """One difference from the reference.

    rules: those of the default comparison that are trained or evaluated otherwise under it; empty
        for a switch of the reading alone. on: the profile with this difference in place.
    """

    rules: tuple[str, ...]
    on: Change


def _with(**parts: Any) -> Change:
    return lambda profile: replace(profile, **parts)


def _read(**parts: Any) -> Change:
    return lambda profile: replace(profile, reading=replace(profile.reading, **parts))


def _built(rule: str, builder: LearnerBuilder) -> Change:
    def on(profile: Profile) -> Profile:
        builders = Choices("learning rule", {**profile.builders, rule: builder})
        return replace(profile, builders=builders)

    return on


def _stdp(**choices: Any) -> Change:
    """Set one of the choices of STDP and keep the others."""

    def on(profile: Profile) -> Profile:
        so_far = profile.builders["stdp"]
        if not isinstance(so_far, learners.StdpBuilder):
            so_far = learners.StdpBuilder()
        return _built("stdp", replace(so_far, **choices))(profile)

    return on


def leaking(learner: Learner) -> Learner:
    """PC and STDP normalised by what they are evaluated on; the others as they are."""
    if learner.name not in LEAKING_RULES:
        return learner
    return LeakingLearner(learner.name, learner.parts)


_BLACK: Choices[Augmentation] = Choices(
    "augmentation", {**AUGMENTATIONS, "flip-crop": FlipAndCrop(BlackBorder())}
)

SWITCHES: Choices[Switch] = Choices(
    "switch",
    {
        # PC and STDP are evaluated with the statistics of the evaluated batch, which stay behind.
        "bn_eval_leak": Switch(LEAKING_RULES, _with(finish=leaking, extraction=RECORDED)),
        # Changes are counted from epoch 0, where batch norm is the identity.
        "identity_bn_epoch0": Switch((), _read(zero=AS_INITIALISED)),
        # Pre before post depresses, post before pre potentiates.
        "stdp_window_inverted": Switch(("stdp",), _stdp(invert=True)),
        # One spike train a channel, first spikes only, one change for all nine taps.
        "stdp_channel_means": Switch(("stdp",), _stdp(body=learners.ChannelMeanBody())),
        # The readout's cross-entropy reaches gamma and beta of the STDP network.
        "stdp_bn_backprop": Switch(("stdp",), _stdp(reach_gains=True)),
        # PC multiplies channel means, clamps at .01, leaves Conv3 and the predictions alone.
        "pc_channel_means": Switch(("pc",), _built("pc", learners.predictive_coding)),
        # FA carries errors exactly through its dense layers, and learns by SGD at 5e-4.
        "fa_fc_transport": Switch(("fa",), _built("fa", learners.feedback_alignment)),
        # Random crops reach into a black border.
        "black_padding": Switch(DEFAULT_RULES, _with(augmentations=_BLACK)),
        # FA and STDP start Kaiming-normal, and no convolution has a bias.
        "own_init": Switch(DEFAULT_RULES, _with(start=OwnStart.of)),
        # The best layer speaks for a network, chosen anew at each epoch.
        "best_layer_per_epoch": Switch((), _read(layer=LayerChoice(best=True))),
    },
)


def profile_of(settings: Comparison) -> Profile:
    """The profile that the settings name, without the switches that they leave off."""
    profile = Profile(reading=Reading(layer=LayerChoice(roles_of(settings).headline)))
    for name in settings.switches():
        profile = SWITCHES[name].on(profile)
    return profile
