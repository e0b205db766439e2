"""What one comparison is: settings, presets, and what may differ when a run is resumed.

Light on purpose: ``--help`` imports this and nothing heavy.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurosim.experiments.settings.options import Layer, option, path_text, require_seeds
from neurosim.experiments.settings.texts import (
    data_text,
    may_spike,
    own_sources,
    require_apart,
    sets,
    spikes,
    text_of,
)
from neurosim.models.rule_table import RULES
from neurosim.naming.choices import Choices

RULE_NAMES = tuple(RULES.built_in)
#: Those whose convolutions spike.
SPIKING_RULES = tuple(name for name, rule in RULES.built_in.items() if rule.spikes)
DEFAULT_RULES = ("untrained", "bp", "fa", "pc", "stdp")
#: Names as in the other registries; a test holds the two together.
POLICY_NAMES = (
    "identity", "running", "calibrated", "calibrated-at-px", "augmented-accumulated",
)  # fmt: skip
READOUT_NAMES = ("gap", "4x4", "full", "grid")
DISSIMILARITY_NAMES = ("correlation", "cosine", "euclidean", "sqeuclidean", "poisson-kl")
COMPARATOR_NAMES = (
    "spearman", "rho-a", "kendall-tau-a", "kendall-tau-b", "pearson", "cosine",
    "whitened-cosine", "whitened-correlation", "linear-cka",
)  # fmt: skip
#: What stimuli hold at a size: ``job.stimulus_content``.
CONTENT_HELP = "native, upsampled, blur-R (R px), bands"
AUGMENTATION_NAMES = ("flip-crop", "none")
SCHEDULE_NAMES = ("cosine", "constant")
NETWORK_NAMES = ("conv3", "mlp", "vgg", "resnet")
NORM_NAMES = ("batch", "group", "layer", "none")
LABEL_NAMES = ("true", "shuffled")
CELL_NAMES = (
    "snntorch-lif", "snntorch-lapicque", "snntorch-synaptic", "norse-lif", "norse-cuba-lif",
    "norse-lif-refrac", "norse-iaf", "norse-lsnn", "norse-lif-ex", "norse-adex", "adaptive-lif",
)  # fmt: skip
TIMING_NAMES = (
    "all-pairs", "nearest-pair", "nearest-pair-centred", "nearest-pair-reduced", "triplet",
    "triplet-nearest", "first-spike", "symmetric", "anti-hebbian", "clopath",
)  # fmt: skip
DEPENDENCE_NAMES = (
    "additive", "hard-bounds", "soft-bounds", "multiplicative", "van-rossum", "guetig", "logistic",
)  # fmt: skip
ENCODER_NAMES = (
    "current", "bernoulli", "poisson", "latency", "rank-order", "phase", "burst", "delta",
    "population", "snntorch-rate", "snntorch-latency", "norse-poisson", "norse-current",
)  # fmt: skip
#: What rules that spike take from the settings where they name none of their own.
SPIKING_SETTINGS = ("cell", "encoder", "timing", "weight_dependence")
#: Settings that name things and take a name, text with settings, or something of a user's own.
NAMED_SETTINGS = {
    "network": NETWORK_NAMES, "norm": NORM_NAMES, "cell": CELL_NAMES, "encoder": ENCODER_NAMES,
    "timing": TIMING_NAMES, "weight_dependence": DEPENDENCE_NAMES, "rules": RULE_NAMES,
    "normalisation": POLICY_NAMES, "readouts": READOUT_NAMES,
    "dissimilarity": DISSIMILARITY_NAMES, "comparator": COMPARATOR_NAMES,
}  # fmt: skip
#: What the profile ``published`` does otherwise (docs/published.md).
SWITCH_NAMES = (
    "bn_eval_leak", "identity_bn_epoch0", "stdp_window_inverted", "stdp_channel_means",
    "stdp_bn_backprop", "pc_channel_means", "fa_fc_transport", "black_padding", "own_init",
    "best_layer_per_epoch",
)  # fmt: skip
#: Profile -> the switches that are on in it.
PROFILES: Choices[tuple[str, ...]] = Choices(
    "profile", {"reference": (), "published": SWITCH_NAMES}
)


@dataclass(frozen=True)
class Comparison:
    """Every setting that a number of the result depends on.

    A field declared with ``option`` is an option of the command line and a key of a configuration
    file; its text there says what it is.
    """

    training: str = option(
        "cifar10",
        "training images by name, or of your own: a folder, .npz, module:function (docs/data.md)",
    )
    stimuli: str = option(
        "brain92", "stimuli with their brain by name, or of your own, as training images"
    )
    brain: str | None = option(
        None, "a brain of your own for the stimuli: any file of RDMs or responses that rsa reads"
    )
    n_train: int | None = option(8000, "training images drawn at random a seed", none="all")
    n_test: int | None = option(2000, "held-out images drawn at random a seed", none="all")
    rules: tuple[str, ...] = option(
        DEFAULT_RULES,
        "learning rules, with settings where wanted, 'stdp(timing=triplet)', or of your own, "
        "./mine.py:oja (docs/own.md)",
        known=RULE_NAMES,
    )
    seeds: tuple[int, ...] = option((42, 123, 456), "the cells are rules x seeds")
    epochs: int = option(5, "epochs of training")
    checkpoints: tuple[int, ...] = option(
        (0, 1, 2, 5), "epochs after which all is evaluated; 0 and the last included"
    )
    batch_size: int = option(128, "images a batch")
    augmentation: str = option("flip-crop", "of training images", known=AUGMENTATION_NAMES)
    schedule: str = option("cosine", "learning rate over training", known=SCHEDULE_NAMES)
    network: str = option(
        "conv3", "network that all rules share (docs/concepts.md)", known=NETWORK_NAMES
    )
    norm: str = option(
        "batch", "normalisation of the convolutions (those of stdp have none)", known=NORM_NAMES
    )
    labels: str = option(
        "true", "of training images; shuffled is an ablation of the rule", known=LABEL_NAMES
    )
    cell: str = option(CELL_NAMES[0], "spiking cell of stdp", known=CELL_NAMES)
    encoder: str = option(ENCODER_NAMES[0], "spike encoder of stdp", known=ENCODER_NAMES)
    timing: str = option(TIMING_NAMES[0], "spike timing of stdp (docs/stdp.md)", known=TIMING_NAMES)
    weight_dependence: str = option(
        DEPENDENCE_NAMES[0], "of the changes of stdp (docs/stdp.md)", known=DEPENDENCE_NAMES
    )
    training_px: int = option(32, "size of the training images")
    evaluation_px: tuple[int, ...] = option(
        (32, 160), "sizes of the stimuli, the training size among them"
    )
    normalisation: tuple[str, ...] = option(
        ("identity", "running", "calibrated"),
        "policies at evaluation",
        known=POLICY_NAMES,
    )
    readouts: tuple[str, ...] = option(
        ("gap", "4x4"), "readouts of the conv layers", known=READOUT_NAMES
    )
    dissimilarity: str = option(
        "correlation", "of two patterns of a layer, for its RDM", known=DISSIMILARITY_NAMES
    )
    comparator: str = option(
        "spearman", "of an RDM with the brain's, which is the score", known=COMPARATOR_NAMES
    )
    n_calibration: int = option(1000, "clean training images of the calibrated policies")
    profile: str = option(
        "reference",
        "each rule as its literature states it, or the published pipeline (docs/published.md)",
        known=tuple(PROFILES),
    )
    without: tuple[str, ...] = option(
        (), "switches of the profile published to leave off", known=SWITCH_NAMES
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", data_text(self.training))
        # The brain is a part of the stimuli from here on.
        object.__setattr__(self, "stimuli", data_text(self.stimuli, self.brain))
        object.__setattr__(self, "brain", None)
        for name, known in NAMED_SETTINGS.items():
            value = getattr(self, name)
            if isinstance(value, tuple):
                _require_some(name, value, known)
                text: Any = tuple(text_of(name, each, known) for each in value)
            else:
                text = text_of(name, value, known)
            object.__setattr__(self, name, text)
        rules = self.rules
        for name, known in (
            ("augmentation", AUGMENTATION_NAMES),
            ("schedule", SCHEDULE_NAMES),
            ("labels", LABEL_NAMES),
        ):
            _ = Choices(name, dict.fromkeys(known))[getattr(self, name)]
        of_profile = PROFILES[self.profile]
        known_switches = Choices("switch", dict.fromkeys(SWITCH_NAMES))
        for name in self.without:
            _ = known_switches[name]
            if name not in of_profile:
                raise ValueError(
                    f"the profile {self.profile} has no switch {name} to leave off: "
                    "give --profile published"
                )
        if self.switches() and self.network != type(self).network:
            raise ValueError(
                f"the profile {self.profile} is of the published network, not of {self.network}: "
                "leave --network or --profile out"
            )
        spiking = [rule for rule in rules if may_spike(rule)]
        with_settings = [rule for rule in rules if rule.endswith(")")]
        if self.switches() and with_settings:
            raise ValueError(
                f"the profile {self.profile} has rules of its own in place of some, which take no "
                f"settings: leave those of {', '.join(with_settings)} out, or the profile"
            )
        for name in SPIKING_SETTINGS:
            value = getattr(self, name)
            if value == getattr(type(self), name):
                continue
            if not spiking:
                raise ValueError(
                    f"{name} {value} would have no effect: none of the rules spikes "
                    f"({', '.join(self.rules)}); leave it out, or add the rule stdp"
                )
            if all(sets(rule, name) for rule in spiking):
                raise ValueError(
                    f"{name} {value} would have no effect: {', '.join(spiking)} "
                    f"{'name one' if len(spiking) > 1 else 'names one'} of their own; leave it out"
                )
            if "stdp_channel_means" in self.switches():
                raise ValueError(
                    f"{name} {value} would have no effect: the switch stdp_channel_means puts "
                    "the published first spikes in place of the spiking network; leave it out, "
                    "or add --without stdp_channel_means"
                )
        unnormalised = all(map(spikes, rules)) and "stdp_channel_means" not in self.switches()
        if unnormalised and self.norm != type(self).norm:
            raise ValueError(
                f"norm {self.norm} would have no effect: the convolutions of "
                f"{', '.join(self.rules)} have no normalisation; leave it out, or add another rule"
            )
        if self.weight_dependence != "additive" and "stdp_window_inverted" in self.switches():
            raise ValueError(
                f"weight_dependence {self.weight_dependence} does not go with the switch "
                "stdp_window_inverted, which inverts an additive window: leave one of them out "
                "(--without stdp_window_inverted)"
            )
        for name in (
            "rules", "seeds", "checkpoints", "evaluation_px", "normalisation", "readouts",
            "without",
        ):  # fmt: skip
            value = getattr(self, name)
            if len(set(value)) != len(value):
                raise ValueError(f"{name} names an entry twice: {', '.join(map(str, value))}")
        require_apart(rules)
        for name in ("epochs", "batch_size", "training_px", "n_calibration", "n_train", "n_test"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        require_seeds("seeds", self.seeds)
        if self.n_train is not None and self.n_train < self.batch_size:
            raise ValueError(
                f"n_train ({self.n_train}) is less than one batch ({self.batch_size}): "
                "the last partial batch is dropped, so nothing would be learned"
            )
        if sorted(self.checkpoints) != list(self.checkpoints) or not self.checkpoints:
            raise ValueError(f"checkpoints must rise, got {self.checkpoints}")
        if self.checkpoints[0] != 0 or self.checkpoints[-1] != self.epochs:
            raise ValueError(
                f"checkpoints must start at 0 and end at epochs ({self.epochs}), "
                f"got {', '.join(map(str, self.checkpoints))}"
            )
        if any(px < 8 for px in self.evaluation_px):
            raise ValueError(f"evaluation_px must be at least 8 each, got {self.evaluation_px}")
        if self.training_px not in self.evaluation_px:
            raise ValueError(
                f"evaluation_px must hold the training size {self.training_px}, "
                f"got {', '.join(map(str, self.evaluation_px))}: without it, size and learning "
                "cannot be told apart"
            )

    def switches(self) -> tuple[str, ...]:
        """The switches that are on."""
        return tuple(name for name in PROFILES[self.profile] if name not in self.without)

    def sources(self, *rules: str) -> dict[str, str]:
        """File or module -> SHA-256, of what is a user's own in rules (default: all) and in what
        they take from the settings.

        Raises:
            MissingSourceError: one of them is not there any more.
        """
        taken = {name: getattr(self, name) for name in NAMED_SETTINGS}
        texts = {n: value if isinstance(value, tuple) else (value,) for n, value in taken.items()}
        return own_sources({**texts, "rules": rules or self.rules})

    def cell_settings(self) -> dict[str, Any]:
        """The settings that each cell's numbers depend on: all but which cells there are."""
        settings = dataclasses.asdict(self)
        del settings["rules"], settings["seeds"], settings["brain"]
        settings["without"] = sorted(self.without)
        return settings

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Comparison:
        """The inverse of ``dataclasses.asdict`` after a round through JSON."""
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in settings.items()
        }
        return cls(**given)


def _require_some(name: str, value: Sequence[Any], known: Sequence[str]) -> None:
    if not value:
        raise ValueError(f"{name} is empty: name at least one of {', '.join(known)}")


def with_defaults(record: Mapping[str, Any]) -> dict[str, Any]:
    """What is on record of settings, with the defaults of those that were added since.

    A default has to keep older numbers, so that older runs can be gone on with.
    """
    defaults = json.loads(json.dumps(Comparison().cell_settings()))
    return {**defaults, **record}


def with_checkpoints(layer: Layer, below: Sequence[int]) -> Layer:
    """Where ``epochs`` is given without ``checkpoints``: those from below up to it, and itself."""
    if "epochs" not in layer.values or "checkpoints" in layer.values:
        return layer
    epochs = layer.read(Comparison, "epochs")
    kept = [epoch for epoch in below if epoch < epochs]
    return dataclasses.replace(layer, values={**layer.values, "checkpoints": [*kept, epochs]})


@dataclass(frozen=True)
class Execution:
    """Where and how a comparison runs: no number of the result depends on it."""

    workers: int = option(os.cpu_count() or 1, "processes side by side; by default all cores")
    device: str = option("cpu", "cpu, cuda or mps")
    deterministic: bool = option(
        True, "deterministic algorithms; an operation that has none is named"
    )
    scheduler: str | None = option(None, "Dask scheduler whose workers run the cells: tcp://...")
    dask_jobqueue: Path | None = option(
        None, "YAML file of a job queue (SLURM, PBS, SGE, ...) to start Dask workers on"
    )
    data_dir: Path | None = option(None, "data; by default $NEUROSIM_DATA, else the user's cache")
    download: bool = option(False, "fetch missing data sets")
    out: Path | None = option(None, "run folder; by default runs/PRESET")
    resume: bool = option(
        True, "go on from what the run folder holds; --no-resume refuses a folder with a run"
    )

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"--workers must be at least 1, got {self.workers}")
        if self.scheduler is not None and self.dask_jobqueue is not None:
            raise ValueError("--scheduler and --dask-jobqueue exclude each other: give one")
        for path in (self.data_dir, self.dask_jobqueue, self.out):
            if path is not None:
                _ = path_text(path)


PRESETS: Choices[Comparison] = Choices(
    "preset",
    {
        # Everything at a scale that ends within three minutes on two cores; SIMULATED data.
        "demo": Comparison(
            training="demo",
            stimuli="demo",
            n_train=768,
            n_test=400,
            seeds=(42,),
            epochs=2,
            checkpoints=(0, 1, 2),
            batch_size=32,
            evaluation_px=(32, 96),
            n_calibration=256,
        ),
        # Real CIFAR-10 images against real fMRI of early visual cortex and IT, at half the
        # published number of images: within 45 minutes on two cores.
        "brain92": Comparison(n_train=4000),
        # The published scale (Leutenegger 2026, arXiv 2605.30556).
        "paper": Comparison(
            stimuli="things",
            seeds=(42, 123, 456, 789, 1337),
            epochs=40,
            checkpoints=(0, 1, 2, 5, 10, 20, 30, 40),
            evaluation_px=(32, 64, 96, 128, 160, 224),
        ),
    },
)


@dataclass(frozen=True)
class Start:
    """What the other settings are laid over."""

    preset: str = option("demo", "settings to start from", known=tuple(PRESETS))

    def __post_init__(self) -> None:
        _ = PRESETS[self.preset]
