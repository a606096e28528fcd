"""Who may hand what to whom, as data: rules with conditions and limits, and the default table of them."""

from delegation.rules.condition import Condition, Finding
from delegation.rules.resources import Resources
from delegation.rules.rule import Rule
from delegation.rules.table import Rules, load_rules

__all__ = ["Condition", "Finding", "Resources", "Rule", "Rules", "load_rules"]
