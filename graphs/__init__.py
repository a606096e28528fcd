"""How tasks are run: in which order, how many at a time."""

from graphs.workflow import ThreadWorkflow, Workflow

__all__ = ["ThreadWorkflow", "Workflow"]
