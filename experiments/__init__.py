"""Experiments compose models, core and rsa; they hold no equations and no kernels.

>>> from neurosim.experiments import compare    # run = compare(rules=["bp", "fa"], out="runs/mine")
"""

from neurosim.naming.lazily import handed_on

_HOMES = {
    "comparison.api": ("Run", "compare", "open_run"),
    "audit.activations": ("audit_activations", "write_activations"),
    "audit.run": ("audit_run",),
    "data.registry": ("load_stimuli", "load_training_images"),
    "data.types": ("StimulusSet", "TrainingImages"),
    "model_audit.door": ("audit",),
    "settings.config": ("Comparison", "Execution"),
}
__getattr__, __dir__, __all__ = handed_on(__name__, _HOMES)
