"""Networks and learning rules built from the core: what a user writes is imported from here.

>>> from neurosim.models import backprop, mlp, NetworkContext
>>> backprop().name
'bp'

``rule`` registers a rule of one's own, ``variant`` is a rule with settings.
"""

from neurosim.models.rule_table import RULES as RULES
from neurosim.models.rule_table import Rule as Rule
from neurosim.models.rule_table import rule as rule
from neurosim.models.rule_table import variant as variant
from neurosim.naming.lazily import handed_on

_HOMES = {
    "catalogue": (
        "backprop", "error_circuit_rule", "feedback_alignment", "readout_part", "untrained",
    ),
    "interop.attach": ("AttachedSTDP", "attach_stdp"),
    "interop.drafts": ("UntranslatableError",),
    "interop.from_torch": ("from_torch",),
    "interop.nir_export": ("NORSE", "SNNTORCH", "write_nir"),
    "network.builders": (
        "NETWORKS", "NetworkContext", "conv3", "convolutional_network", "dense_network", "mlp",
        "resnet", "vgg",
    ),
    "network.graph": ("Network", "Roles"),
    "network.layers": ("Layer",),
    "network.normalisation": ("NORMS", "AbstractNorm"),
    "network.policies": ("POLICIES",),
    "rules.error_circuit": ("ErrorCircuit",),
    "rules.feed_forward": ("FeedForward",),
    "rules.feedback": (
        "AbstractFeedback", "DirectFeedback", "KolenPollack", "RandomFixed", "SignSymmetric",
        "Transpose",
    ),
    "rules.learner": ("Learner", "SharedStart"),
    "rules.losses": ("AbstractLoss", "CrossEntropy", "SquaredError"),
    "rules.pc_hybrid": ("HybridPredictiveCoding",),
    "rules.pc_rules": (
        "fixed_prediction_rule", "predictive_coding_hybrid_rule",
        "predictive_coding_supervised_rule", "zero_divergence_rule",
    ),
    "rules.predictive_coding": ("PredictiveCoding",),
    "rules.zero_divergence": ("ZeroDivergence",),
    "spiking.bounded_stdp": ("BoundedSTDP",),
    "spiking.competitive": ("CompetitiveNetwork",),
    "spiking.dynamics": ("SpikingDynamics",),
    "spiking.network": ("SpikingNetwork",),
    "spiking.stdp": ("spiking_network", "stdp_part"),
}  # fmt: skip
__getattr__, __dir__, __all__ = handed_on(__name__, _HOMES, ("RULES", "Rule", "rule", "variant"))
