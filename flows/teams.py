"""Who performs a run's tasks: handed over by the policy, won by auction, or placed by the optimizer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.classification import Classification
from core.errors import Refused
from core.task import THRESHOLDS, Stage, Task
from crews import AGENTS
from delegation import (
    AgentCard,
    Assigner,
    Assignment,
    Authority,
    Decision,
    Policy,
    PolicyAssigner,
    Priority,
    load_rules,
)
from delegation import record as record_decisions
from delegation.auction.assignment import AuctionAssigner
from delegation.auction.bidder import measured
from delegation.handover import TASK_TYPES
from delegation.load import Loads
from delegation.optimizer import Candidate, PendingTask
from flows.session import Session

# On whose behalf a run hands its tasks over.
COORDINATOR = "stage_coordinator"


def cards() -> dict[str, AgentCard]:
    """The coordinator, and the built-in agents: collaborators, each skilled in what its stages ask for."""
    found = {COORDINATOR: AgentCard(id=COORDINATOR, authority=Authority.STAGE_COORDINATOR)}
    for agent in AGENTS.values():
        skills = {name: 1.0 for stage in agent.stages for name in (str(stage), TASK_TYPES[stage])}
        peers = frozenset(AGENTS.keys() - {agent.id})
        found[agent.id] = AgentCard(id=agent.id, authority=Authority.PIPELINE_COLLABORATOR, skills=skills, peers=peers)
    return found


def assigner_for(session: Session, loads: Loads) -> Assigner:
    """The assigner that the spec asks for. Whichever it is, the policy decides who may get a task at all."""
    known = cards()
    policy = Policy(load_rules(), known.values(), loads)
    context = {
        "scope": "stage",
        "quality_threshold": min(THRESHOLDS.values()),
        "classification": _classification(session),
    }

    def tell(decisions: Sequence[Decision]) -> None:
        record_decisions(session.lease.database, decisions, run_id=session.run_id)

    if session.spec.assignment == "auction":
        auction = AuctionAssigner(session.lease.database, cards=known, run_id=session.run_id)
        return Permitted(auction, policy, context, tell)
    if session.spec.assignment == "optimizer":
        return Permitted(OptimizerAssigner(session, policy, context, loads), policy, context, tell)
    return PolicyAssigner(policy, COORDINATOR, context, tell)


def _classification(session: Session) -> Classification:
    return session.spec.governance.classification or Classification.INTERNAL


class Permitted:
    """An assigner whose hand-overs are decided by the policy."""

    def __init__(
        self,
        assigner: Assigner,
        policy: Policy,
        context: Mapping[str, Any],
        tell: Callable[[Sequence[Decision]], None],
    ) -> None:
        self._assigner = assigner
        self._policy = policy
        self._context = context
        self._tell = tell

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        """An assignment for each task, in order. Raises InputError if nobody can perform one, Refused if nobody may."""
        given = self._assigner.assign(tasks, agents)
        decisions = [
            self._policy.can_delegate(COORDINATOR, found.agent, TASK_TYPES[task.stage], self._context)
            for task, found in zip(tasks, given, strict=True)
        ]
        self._tell(decisions)
        for task, decision in zip(tasks, decisions, strict=True):
            if not decision.allowed or decision.approval:
                why = f"{task.place} to {decision.delegate}: {decision.reason}"
                raise Refused(COORDINATOR, why, remedy=" ".join(decision.remedy) or "Have it approved.")
        return given


class OptimizerAssigner:
    """Places all tasks at once, by the hours that such tasks took before."""

    def __init__(self, session: Session, policy: Policy, context: Mapping[str, Any], loads: Loads) -> None:
        self._session = session
        self._policy = policy
        self._context = context
        self._loads = loads

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        """An assignment for each task, in order. Raises Refused if one finds no agent."""
        # With SciPy, which other assigners need not wait for.
        from delegation.optimizer import optimize
        from delegation.optimizer import record as record_proposal

        proposal = optimize(
            self._pending(tasks, agents),
            [self._candidate(agent, len(tasks)) for agent in sorted(agents)],
            permit=self._permit,
        )
        record_proposal(self._session.lease.database, proposal, actor=COORDINATOR, run_id=self._session.run_id)
        for left in proposal.left_over:
            raise Refused(COORDINATOR, f"{left.task} to nobody: {left.reason}", remedy="Register another agent.")
        agent_of = {placement.task: placement.agent for placement in proposal.placements}
        proof = "proven best" if proposal.proven else f"within {proposal.gap:.1%} of the best"
        reason = f"placed by the optimizer, {proof}"
        return [Assignment(task=task.place, agent=agent_of[task.place], reason=reason) for task in tasks]

    def _pending(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[PendingTask]:
        known = [measured(self._session.lease.database, agent) for agent in agents]
        hours = {}
        for stage in Stage:
            found = [of[stage] for of in known if stage in of and of[stage].done]
            done = sum(one.done for one in found)
            hours[stage] = max(1.0, sum(one.seconds for one in found) / done if done else 0.0) / 3600
        return [
            PendingTask(
                id=task.place,
                task_type=str(task.stage),
                hours=hours[task.stage],
                priority=Priority[task.priority.upper()],
                classification=_classification(self._session),
            )
            for task in tasks
        ]

    def _candidate(self, agent: str, tasks: int) -> Candidate:
        # Tasks wait for one another: how many an agent has at a time is seen to when the work is done.
        card = self._policy.roster.cards[agent]
        return Candidate(
            card=card.model_copy(update={"capacity": card.capacity + tasks}),
            load=self._loads.load(agent),
            clearance=_classification(self._session),
        )

    def _permit(self, task: PendingTask, card: AgentCard) -> Decision:
        stage = Stage(task.task_type)
        return self._policy.can_delegate(COORDINATOR, card.id, TASK_TYPES[stage], self._context)
