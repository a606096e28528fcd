"""What a task asks for, from a description of it: by rules, or by a language model (systems C2)."""

from crews.analysis.analysis import TaskAnalysis, analyze
from crews.analysis.rules import by_rules

__all__ = ["TaskAnalysis", "analyze", "by_rules"]
