"""Who performs a run's tasks: handed over by the policy, won by auction, or placed by the optimizer."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from core.errors import Refused
from core.task import Stage, Task
from crews import AGENTS, Agent, Level
from delegation import (
    AgentCard,
    Assigner,
    Assignment,
    Authority,
    Decision,
    Policy,
    PolicyAssigner,
    Priority,
)
from delegation.auction.assignment import AuctionAssigner
from delegation.auction.bidder import measured
from delegation.handover import TASK_TYPES, Approve, Terms, refusal
from delegation.load import Loads
from delegation.optimizer import Candidate, PendingTask
from flows.experience import taught
from flows.formation import SKILLS
from flows.planning import planned
from flows.session import Session
from flows.terms import classification_of, terms_of

# On whose behalf a run hands its tasks over.
COORDINATOR = "stage_coordinator"

Tell = Callable[[Sequence[Decision]], None]


def cards(agents: Mapping[str, Agent] = AGENTS) -> dict[str, AgentCard]:
    """The coordinator, and these agents: collaborators, each as skilled in what its stages ask for as they fit it."""
    found = {COORDINATOR: AgentCard(id=COORDINATOR, authority=Authority.STAGE_COORDINATOR)}
    for agent in agents.values():
        skills: dict[str, float] = {}
        for stage in agent.stages:
            fit = agent.profile.fit(SKILLS[stage], Level.MASTER)
            skills[stage] = fit
            skills[TASK_TYPES[stage]] = max(fit, skills.get(TASK_TYPES[stage], 0.0))
        peers = frozenset(agents.keys() - {agent.id})
        found[agent.id] = AgentCard(id=agent.id, authority=Authority.PIPELINE_COLLABORATOR, skills=skills, peers=peers)
    return found


def assigner_for(session: Session, loads: Loads, tell: Tell, approve: Approve) -> Assigner:
    """The assigner that the spec asks for. Whichever it is, the policy decides who may get a task at all: `tell` gets
    its decisions, `approve` those that ask for an approval. Raises what a PolicyAssigner raises."""
    known = cards(session.staff.agents)
    policy = Policy(session.rules, known.values(), loads)

    def terms(task: Task) -> Terms:
        return terms_of(session, task)

    if session.spec.assignment == "auction":
        busy = {agent: load.tasks for agent, load in loads.items()}
        auction = AuctionAssigner(session.lease.database, cards=known, loads=busy, run_id=session.run_id)
        return Permitted(auction, policy, terms, tell, approve)
    if session.spec.assignment == "optimizer":
        return OptimizerAssigner(session, policy, terms, tell, approve, loads)
    return PolicyAssigner(policy, COORDINATOR, terms, tell, approve)


def _decided(policy: Policy, task: Task, agent: str, terms: Terms) -> Decision:
    return policy.can_delegate(
        COORDINATOR, agent, TASK_TYPES[task.stage], terms.context, held=terms.held, asked=terms.asked
    )


def _ask(approve: Approve, given: Iterable[tuple[Task, Decision]]) -> None:
    if asking := {task.place: decision for task, decision in given if decision.approval}:
        approve(asking)


class Permitted:
    """An assigner whose hand-overs are decided by the policy."""

    def __init__(
        self, assigner: Assigner, policy: Policy, terms: Callable[[Task], Terms], tell: Tell, approve: Approve
    ) -> None:
        self._assigner = assigner
        self._policy = policy
        self._terms = terms
        self._tell = tell
        self._approve = approve

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        """An assignment for each task, in order. Raises InputError if nobody can perform one, Refused if nobody may."""
        given = self._assigner.assign(tasks, agents)
        decisions = [
            _decided(self._policy, task, found.agent, self._terms(task))
            for task, found in zip(tasks, given, strict=True)
        ]
        self._tell(decisions)
        for task, decision in zip(tasks, decisions, strict=True):
            if not decision.allowed:
                raise refusal(COORDINATOR, task, [decision])
        _ask(self._approve, zip(tasks, decisions, strict=True))
        return given


class OptimizerAssigner:
    """Places all tasks at once, by the hours that such tasks took before, where the policy lets them be placed."""

    def __init__(
        self,
        session: Session,
        policy: Policy,
        terms: Callable[[Task], Terms],
        tell: Tell,
        approve: Approve,
        loads: Loads,
    ) -> None:
        self._session = session
        self._policy = policy
        self._terms = terms
        self._tell = tell
        self._approve = approve
        self._loads = loads

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        """An assignment for each task, in order. Raises Refused if one finds no agent."""
        # With SciPy, which other assigners need not wait for.
        from delegation.optimizer import optimize
        from delegation.optimizer import record as record_proposal

        by_place = {task.place: task for task in tasks}
        decisions: dict[tuple[str, str], Decision] = {}

        def permit(pending: PendingTask, card: AgentCard) -> Decision:
            pair = (pending.id, card.id)
            if pair not in decisions:
                task = by_place[pending.id]
                decisions[pair] = _decided(self._policy, task, card.id, self._terms(task))
            return decisions[pair]

        candidates = [self._candidate(agent, len(tasks)) for agent in sorted(agents)]
        proposal = optimize(self._pending(tasks, agents), candidates, permit=permit)
        for left in proposal.left_over:
            refused = [decision for (place, _), decision in decisions.items() if place == left.task]
            self._tell(refused)
            if refused:
                raise refusal(COORDINATOR, by_place[left.task], refused)
            raise Refused(COORDINATOR, f"{left.task} to nobody: {left.reason}", remedy="Register another agent.")
        record_proposal(self._session.lease.database, proposal, actor=COORDINATOR, run_id=self._session.run_id)
        agent_of = {placement.task: placement.agent for placement in proposal.placements}
        found = [(task, decisions[task.place, agent_of[task.place]]) for task in tasks]
        self._tell([decision for _, decision in found])
        _ask(self._approve, found)
        proof = "proven best" if proposal.proven else f"within {proposal.gap:.1%} of the best"
        reason = f"placed by the optimizer, {proof}"
        return [Assignment(task=task.place, agent=decision.delegate, reason=reason) for task, decision in found]

    def _pending(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[PendingTask]:
        known = [measured(self._session.lease.database, agent) for agent in agents]
        hours = {}
        for stage in Stage:
            found = [of[stage] for of in known if stage in of and of[stage].done]
            done = sum(one.done for one in found)
            hours[stage] = max(1.0, sum(one.seconds for one in found) / done if done else 0.0) / 3600
        plan = planned(self._session)
        lessons = taught(plan)
        expected = {task.place: lessons.task_s(task, plan.rows[task.dataset]) for task in tasks}
        return [
            PendingTask(
                id=task.place,
                task_type=str(task.stage),
                # What the pipeline's own runs took is nearer than what the agents' tasks took anywhere.
                hours=max(1.0, seconds) / 3600 if (seconds := expected[task.place]) else hours[task.stage],
                priority=Priority[task.priority.upper()],
                classification=classification_of(self._session),
            )
            for task in tasks
        ]

    def _candidate(self, agent: str, tasks: int) -> Candidate:
        # Tasks wait for one another: how many an agent has at a time is seen to when the work is done.
        card = self._policy.roster.cards[agent]
        return Candidate(
            card=card.model_copy(update={"capacity": card.capacity + tasks}),
            load=self._loads.load(agent),
            clearance=classification_of(self._session),
        )
