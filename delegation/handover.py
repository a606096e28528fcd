"""Hand-overs: a task to the first of several agents to whom the policy lets it be handed."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from core.errors import AtCapacity, Refused
from core.task import Stage, Task
from delegation.assignment import Assignment, nobody
from delegation.decision import Decision, Verdict
from delegation.policy import Policy
from delegation.rights import Rights

# As what type of task the default rules know the work of each stage.
TASK_TYPES = {
    Stage.INGESTION: "schema_mapping",
    Stage.VALIDATION: "data_validation",
    Stage.TRANSFORMATION: "data_transformation",
    Stage.ENRICHMENT: "data_transformation",
    Stage.AGGREGATION: "data_transformation",
}


class Terms(NamedTuple):
    """On what terms a task is handed over: the facts for the policy, the delegator's rights, and those that it needs.
    See `Policy.can_delegate`."""

    context: Mapping[str, Any]
    held: Rights | None = None
    asked: Rights | None = None


# Gets the decisions that ask for an approval, by the places of their tasks. Returns once all are approved; raises what
# keeps the tasks from being handed over.
Approve = Callable[[Mapping[str, Decision]], None]


class Handover(BaseModel):
    """What came of a hand-over: the decision on each agent that was asked about, for the journal.

    The last one is on `delegate`, if there is one. It may need an approval: then no agent was there that needs none.
    """

    model_config = ConfigDict(frozen=True)

    delegate: str | None
    decisions: tuple[Decision, ...]


def hand_over(
    policy: Policy,
    delegator: str,
    delegates: Iterable[str],
    task_type: str,
    context: Mapping[str, Any],
    *,
    held: Rights | None = None,
    asked: Rights | None = None,
) -> Handover:
    """The first of `delegates` that may get the task without an approval; if none may, the first that may with one."""
    decisions: list[Decision] = []
    for delegate in delegates:
        decision = policy.can_delegate(delegator, delegate, task_type, context, held=held, asked=asked)
        decisions.append(decision)
        if decision.allowed and not decision.approval:
            return Handover(delegate=delegate, decisions=tuple(decisions))
    with_approval = next((decision for decision in decisions if decision.allowed), None)
    if with_approval is None:
        return Handover(delegate=None, decisions=tuple(decisions))
    others = [decision for decision in decisions if decision is not with_approval]
    return Handover(delegate=with_approval.delegate, decisions=(*others, with_approval))


def refusal(delegator: str, task: Task, decisions: Sequence[Decision]) -> Refused:
    """The error of a task that is refused to all agents that could do it: AtCapacity, if it is enough to wait."""
    for decision in decisions:
        if decision.verdict is Verdict.NO_CAPACITY and decision.impact and decision.impact.capacity:
            return AtCapacity(decision.delegate, decision.impact.capacity)
    last = decisions[-1]
    to = f"to {last.delegate}" if len(decisions) == 1 else "to nobody"
    return Refused(delegator, f"{task.place} {to}: {last.reason}", remedy=" ".join(last.remedy))


def unapproved(given: Mapping[str, Decision]) -> None:
    """An Approve where there is nobody to ask. Raises Refused."""
    for place, decision in given.items():
        raise Refused(decision.delegator, f"{place} needs an approval", remedy="Have it approved.")


class PolicyAssigner:
    """Gives each task to the best agent for its stage to whom the policy lets `delegator` hand it (an Assigner).

    The best: of the highest skill, of equals the one with the fewest tasks so far, then the first by id. `terms` says
    on what terms a task is handed over. `told` gets every decision, also when no agent is found: for the journal.
    `approve` is asked once, about all tasks that may be had with an approval only.
    """

    def __init__(
        self,
        policy: Policy,
        delegator: str,
        terms: Callable[[Task], Terms],
        told: Callable[[Sequence[Decision]], None],
        approve: Approve = unapproved,
    ) -> None:
        self._policy = policy
        self._delegator = delegator
        self._terms = terms
        self._told = told
        self._approve = approve

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        """An assignment for each task, in order.

        Raises InputError if no agent can perform a task's stage, Refused if the policy lets none get it that could,
        AtCapacity if one that could has too many tasks at the moment; and what `approve` raises.
        """
        decisions: list[Decision] = []
        given: Counter[str] = Counter()
        try:
            found = {task.place: self._found(task, agents, given, decisions) for task in tasks}
        finally:
            self._told(decisions)
        if asking := {place: decision for place, decision in found.items() if decision.approval}:
            self._approve(asking)
        return [Assignment(task=place, agent=found[place].delegate, reason=found[place].reason) for place in found]

    def _found(
        self, task: Task, agents: Mapping[str, frozenset[Stage]], given: Counter[str], decisions: list[Decision]
    ) -> Decision:
        able = [agent for agent, stages in agents.items() if task.stage in stages]
        if not able:
            raise nobody(task, agents)
        task_type = TASK_TYPES[task.stage]
        able.sort(key=lambda agent: (-self._skill(agent, task_type), given[agent], agent))
        terms = self._terms(task)
        found = hand_over(
            self._policy, self._delegator, able, task_type, terms.context, held=terms.held, asked=terms.asked
        )
        decisions.extend(found.decisions)
        if found.delegate is None:
            raise refusal(self._delegator, task, found.decisions)
        given[found.delegate] += 1
        return found.decisions[-1]

    def _skill(self, agent: str, task_type: str) -> float:
        card = self._policy.roster.cards.get(agent)
        return card.skills.get(task_type, 0.0) if card else 0.0
