"""What the members of a crew may do: the policy hands each its part, with the rights that the task needs."""

from core.classification import Classification
from core.errors import Refused
from core.task import THRESHOLDS, Task
from crews.agents import Work
from crews.data_team.budget import Budget
from delegation.card import AgentCard, Authority
from delegation.decision import record
from delegation.handover import TASK_TYPES
from delegation.policy import Policy
from delegation.rights import Rights
from delegation.rules import load_rules
from delegation.rules.resources import Resources
from tools.context import ToolContext

# What a model may be shown: it stands on a server that Crewline does not know.
CLEARANCE = Classification.INTERNAL

# How long a tool may take, seconds.
_TOOL_S = 60.0


class _Idle:
    """The workload of members who are made for one task, and have no other."""

    def load(self, agent_id: str) -> int:
        return 0


def contexts_for(delegator: str, task: Task, work: Work, budget: Budget) -> dict[str, ToolContext]:
    """The context of each member's tools: of the task's folder of rows that wait, and no other place.

    Every decision is in the journal. Raises Refused if the policy lets `delegator` hand a part to nobody, as it does
    with data of a classification above what a model may be shown.
    """
    parts = {"data_analyst": "data_profiling", "data_steward": TASK_TYPES[task.stage]}
    folder = str(work.path / "crew" / "waiting")
    resources = Resources(cpu=work.limits.threads, memory=work.limits.memory_mb / 1000)
    data = work.spec.governance.classification or Classification.INTERNAL
    held = Rights(
        roots=(str(work.path),),
        clearance=max(data, CLEARANCE, key=lambda level: level.rank),
        resources=resources,
    )
    cards = [AgentCard(id=delegator, authority=Authority.STAGE_COORDINATOR)]
    cards += [
        AgentCard(id=member, authority=Authority.PIPELINE_COLLABORATOR, skills={part: 1.0})
        for member, part in parts.items()
    ]
    policy = Policy(load_rules(), cards, _Idle())
    facts = {"scope": "stage", "quality_threshold": min(THRESHOLDS.values()), "classification": data}
    decisions = []
    for member, part in parts.items():
        asked = Rights(roots=(folder,), clearance=CLEARANCE, task_types=frozenset({part}))
        decisions.append(policy.can_delegate(delegator, member, part, facts, held=held, asked=asked))
    record(budget.database, decisions, run_id=budget.run_id)
    contexts = {}
    for decision in decisions:
        if not decision.allowed or decision.approval or decision.rights is None:
            remedy = " ".join(decision.remedy) or "Have it approved."
            raise Refused(delegator, f"{decision.task_type} to {decision.delegate}: {decision.reason}", remedy=remedy)
        context = ToolContext(
            agent=decision.delegate,
            pipeline=work.spec.name,
            task=task.key,
            roots=(folder,),
            limits=work.limits,
            timeout_s=_TOOL_S,
            clearance=CLEARANCE,
        )
        contexts[decision.delegate] = decision.rights.bound(context)
    return contexts
