"""Planning by hierarchical task networks: domains of actions and methods, and the cheapest plan in them."""

from graphs.planning.domain import Action, Domain, Method
from graphs.planning.estimate import Weights
from graphs.planning.plan import Choice, Plan, PlanStep, Risk
from graphs.planning.planner import make_plan
from graphs.planning.registry import find, register
from graphs.planning.replanning import Course, StepFailed, World, carry_out
from graphs.planning.search import Bounds

__all__ = [
    "Action",
    "Bounds",
    "Choice",
    "Course",
    "Domain",
    "Method",
    "Plan",
    "PlanStep",
    "Risk",
    "StepFailed",
    "Weights",
    "World",
    "carry_out",
    "find",
    "make_plan",
    "register",
]
