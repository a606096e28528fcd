"""The policy: may this agent hand this task to that one?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from core.errors import InputError
from delegation.card import AgentCard, Authority
from delegation.case import Case, shared
from delegation.decision import Compliance, Decision, Impact, Verdict
from delegation.rights import Rights
from delegation.roster import Roster
from delegation.rules.condition import Condition, Finding, shown
from delegation.rules.resources import excess, misstated
from delegation.rules.rule import told
from delegation.rules.table import Rules

# Whom to ask when no rule says it (systems D2).
ESCALATION = ("stage_coordinator", "pipeline_manager")

# How many alternatives to a full agent are named, and how many agents are looked at to find them.
ALTERNATIVES = 3
LOOKED_AT = 100


class Workload(Protocol):
    """How busy agents are."""

    def load(self, agent_id: str) -> int:
        """The tasks that the agent has now. Raises InputError for an agent that it does not know."""
        ...


class Policy:
    """Decides who may hand what to whom, by rules, cards and workload. Deterministic, and without a memory."""

    def __init__(self, rules: Rules, cards: Iterable[AgentCard], workload: Workload) -> None:
        self._rules = rules
        self._workload = workload
        self.roster = Roster(cards)
        self._cards = self.roster.cards

    def can_delegate(
        self,
        delegator: str,
        delegate: str,
        task_type: str,
        context: Mapping[str, Any],
        *,
        held: Rights | None = None,
        asked: Rights | None = None,
    ) -> Decision:
        """Whether `delegator` may hand a task of this type to `delegate`. Raises nothing for bad input: it is refused.

        `context` has the facts that conditions are about, and perhaps `resources` (a mapping, see Resources) and
        `classification` (of the data; internal if not given). The facts `workload` (share of the delegate's capacity
        that is taken) and `expertise_match` (its skill in the task type) are measured here, whatever the context says.
        `held` are the delegator's rights, `asked` those that the task needs: the delegate gets what both allow; where
        one of them is not stated, the other alone.

        Asked in this order: is the authority known, does a rule apply, is there capacity, are the limits kept, does
        governance agree. The first no decides.
        """
        case = Case(_worded(delegator), _worded(delegate), _worded(task_type), context, shared(held, asked))
        steps = (self._authority, self._rule, self._capacity, self._limits, self._governance)
        for step in steps:
            refusal = step(case)
            if refusal is not None:
                return refusal
        rule = case.applying
        return case.closed(
            Verdict.ALLOWED,
            f"rule {rule.name} lets {delegator} hand {task_type} to {delegate}",
            approval=rule.approval,
            escalates_to=rule.escalates_to if rule.approval else (),
            monitoring=rule.monitoring,
            quality_validation=rule.quality_validation,
            rights=case.rights,
        )

    def _authority(self, case: Case) -> Decision | None:
        unknown = [agent for agent in (case.delegator, case.delegate) if agent not in self._cards]
        if unknown:
            return case.closed(
                Verdict.UNKNOWN_AGENT,
                f"the authority of {' and '.join(unknown)} is not known",
                remedy=tuple(f"Register a card for {agent}." for agent in unknown),
                escalates_to=ESCALATION,
            )
        load = self._load(case.delegate)
        if load is None:
            return case.closed(
                Verdict.UNKNOWN_AGENT,
                f"the workload of {case.delegate} is not known",
                remedy=(f"Register {case.delegate} with the workload.",),
                escalates_to=ESCALATION,
            )
        case.impact = Impact(load=load, capacity=self._cards[case.delegate].capacity)
        lacking = case.lacking()
        if lacking:
            return case.closed(
                Verdict.BEYOND_RIGHTS,
                f"{case.delegator} cannot hand on what it does not hold: {lacking}",
                remedy=("Ask whoever gave the rights for more, or hand on a smaller task.",),
                escalates_to=ESCALATION,
            )
        return None

    def _rule(self, case: Case) -> Decision | None:
        levels = (self._cards[case.delegator].authority, self._cards[case.delegate].authority)
        candidates = self._rules.candidates(*levels, case.task_type)
        if not candidates or case.delegator == case.delegate:
            return self._without_rule(case, *levels)
        if candidates[0].of_peers and not self.roster.are_peers(case.delegator, case.delegate):
            case.rule = candidates[0]
            return case.closed(
                Verdict.NOT_PEERS,
                f"{case.delegator} and {case.delegate} are no peers",
                remedy=("Name the one as a peer on the other's card, or ask a peer.",),
                escalates_to=ESCALATION,
            )
        if not isinstance(case.context, Mapping):
            return case.closed(
                Verdict.MISTYPED_CONTEXT,
                f"the context is a mapping of facts, not {shown(case.context)}",
                remedy=("Give the facts by their names.",),
                escalates_to=ESCALATION,
            )
        facts = case.facts(self._cards[case.delegate], case.known)
        failed = [rule.failing(facts) for rule in candidates]
        nearest = min(range(len(candidates)), key=lambda index: len(failed[index]))
        case.rule = candidates[nearest]
        if not failed[nearest]:
            return None
        return _not_applying(case, failed[nearest], facts)

    def _without_rule(self, case: Case, delegator: Authority, delegate: Authority) -> Decision:
        levels = self._rules.levels(case.task_type)
        if not levels:
            verdict, reason = Verdict.UNKNOWN_TASK_TYPE, f"no rule knows the task type {case.task_type}"
            remedy = "Use a task type of the rules, or add a rule for this one."
        else:
            verdict, reason = (
                Verdict.NO_RULE,
                f"no rule lets a {told(delegator)} hand {case.task_type} to a {told(delegate)}",
            )
            if case.delegator == case.delegate:
                reason = f"{case.delegator} cannot hand a task to itself"
            ways = dict.fromkeys(f"from {told(above)} to {told(below)}" for above, below in levels)
            remedy = f"It can be handed {', '.join(ways)}."
        return case.closed(verdict, reason, remedy=(remedy,), escalates_to=ESCALATION)

    def _capacity(self, case: Case) -> Decision | None:
        impact = case.known
        if impact.load < impact.capacity:
            return None
        alternatives = tuple(islice(self._free(case), ALTERNATIVES))
        instead = f"Hand it to {' or '.join(alternatives)}, or wait" if alternatives else "Wait"
        return case.closed(
            Verdict.NO_CAPACITY,
            f"{case.delegate} has {impact.load} of {impact.capacity} tasks",
            alternatives=alternatives,
            remedy=(f"{instead} until {case.delegate} has finished one.",),
        )

    def _free(self, case: Case) -> Iterator[str]:
        """Agents to whom the rule would let the task be handed now, best first; none beyond the first LOOKED_AT."""
        rule = case.applying
        roster = self.roster
        ranked = (
            iter(roster.peers(case.delegator, case.task_type))
            if rule.of_peers
            else roster.best(rule.delegate, case.task_type)
        )
        for card in islice(ranked, LOOKED_AT):
            if card.authority is not rule.delegate or card.id in (case.delegator, case.delegate):
                continue
            load = self._load(card.id)
            if load is None or load >= card.capacity:
                continue
            if not rule.failing(case.facts(card, Impact(load=load, capacity=card.capacity))):
                yield card.id

    def _limits(self, case: Case) -> Decision | None:
        rule = case.applying
        asked = case.context.get("resources", {})
        verdict, violations = Verdict.MISSTATED_RESOURCES, misstated(asked)
        if not violations:
            verdict, violations = Verdict.OVER_LIMITS, excess(asked, rule.limits.named)
            if case.rights is not None:
                beyond = excess(asked, case.rights.resources.named)
                violations += [f"{line}, which {case.delegator} holds or the task has" for line in beyond]
        if not violations:
            return None
        return case.closed(
            verdict,
            "; ".join(violations),
            violations=tuple(violations),
            remedy=("State amounts that can be.",) if verdict is Verdict.MISSTATED_RESOURCES else ("Ask for less.",),
            escalates_to=rule.escalates_to,
        )

    def _governance(self, case: Case) -> Decision | None:
        rule = case.applying
        if not rule.governance:
            return None
        findings = case.ungoverned()
        case.compliance = Compliance(required=True, compliant=not findings, findings=tuple(findings))
        if not findings:
            return None
        return case.closed(
            Verdict.UNGOVERNED,
            "; ".join(findings),
            remedy=("Use other data, or hand it on with a clearance that covers it.",),
            escalates_to=rule.escalates_to,
        )

    def _load(self, agent: str) -> int | None:
        try:
            return self._workload.load(agent)
        except InputError:
            return None


def _worded(name: Any) -> str:
    """An id or a type of task; of what is no text, how messages quote it: nobody is called so."""
    return name if isinstance(name, str) else shown(name)


def _not_applying(case: Case, failed: Sequence[tuple[Condition, Finding]], facts: Mapping[str, Any]) -> Decision:
    findings = {finding for _, finding in failed}
    verdict = Verdict.UNMET_CONDITION
    if Finding.MISSING in findings:
        verdict = Verdict.MISSING_CONTEXT
    elif Finding.MISTYPED in findings:
        verdict = Verdict.MISTYPED_CONTEXT
    fields = ", ".join(f"{condition.field} is {finding}" for condition, finding in failed)
    return case.closed(
        verdict,
        f"rule {case.applying.name} does not apply: {fields}",
        remedy=tuple(condition.demand(facts) for condition, _ in failed),
        escalates_to=ESCALATION,
    )
