"""Networks and learning rules built from the core.

``rule`` registers a rule of one's own, ``variant`` is a rule with settings.
"""

from neurosim.models.rule_table import RULES, Rule, rule, variant

__all__ = ["RULES", "Rule", "rule", "variant"]
