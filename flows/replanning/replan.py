"""replan: what is changed before the tasks that failed are tried again; the cheapest change that may help each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.errors import Unsolvable
from core.task import Outcome, Stage, Task
from flows.replanning.changes import Analysis, Changes
from flows.replanning.domain import NAME
from flows.session import Session
from flows.state import Recovery
from graphs.planning import find, make_plan
from graphs.planning.replanning import Kind
from graphs.planning.term import Term
from tools.orchestration.requirements import Plan

# A retry waits twice as long as the one before, but no longer than this.
MOST_PAUSE_S = 30.0

# Rows are worked on in at most so many pieces; with each replan in twice as many.
_MOST_PIECES = 16

# What is wrong with the data, or with what is asked of it, would be as wrong for everybody.
_DATA = {
    *("SourceError", "SchemaError", "DataError", "RuleError", "CheckError", "ExpressionError", "SpecError"),
    *("TargetError", "InputError", "Refused", "AccountingError"),
}


def replan(
    session: Session,
    plan: Plan,
    recovery: Recovery,
    agents: Mapping[str, str],
    tasks: Iterable[Task],
    outcomes: Mapping[str, Outcome],
) -> Changes:
    """What the next round changes for the tasks that failed; what is done stays done. `agents` has who tried, by place.

    Not `possible`, if some task failed as it would in any round.
    """
    failed = {task.place: task for task in tasks if (one := outcomes.get(task.key)) and one.failure}
    analyses = [analysed(outcomes[task.key]) for task in failed.values()]
    facts: list[Term] = [("alone",)] if recovery.alone else []
    for task, why in zip(failed.values(), analyses, strict=True):
        facts.append(("failed", task.place, why.kind))
        following = 2 * recovery.pieces.get(task.place, 1)
        if following <= divisible(session, plan, task):
            facts.append(("pieces", task.place, following))
        tried = (*recovery.tried.get(task.place, []), agents.get(task.place))
        able = [agent.id for agent in session.staff.agents.values() if task.stage in agent.stages]
        facts += [("able", task.place, agent) for agent in able if agent not in tried]
    try:
        found = make_plan(find(NAME), [("rescue", place) for place in failed], facts)
    except Unsolvable as error:
        return Changes(analyses=analyses, unmet=error.unmet)
    changed: dict[str, Any] = {"analyses": analyses, "pieces": dict(recovery.pieces), "agents": {}, "told": []}
    for step in found.steps:
        name, place, *value = map(str, step.task)
        kind = next(why.kind for task, why in zip(failed, analyses, strict=True) if task == place)
        changed["told"].append(f"{_words(name, place, value)}, as it failed for want of {_WANT[kind]}")
        if name == "pause":
            changed["pause_s"] = min(2.0**recovery.retries, MOST_PAUSE_S)
        if name in ("pause", "run alone"):
            changed["alone"] = True
        if name == "work in pieces":
            changed["pieces"][place], changed["alone"] = int(value[0]), True
        if name == "give to":
            changed["agents"][place] = value[0]
    return Changes.model_validate(changed)


def analysed(outcome: Outcome) -> Analysis:
    """Why a task failed."""
    failure = outcome.failure
    assert failure is not None, "it failed"
    kind: Kind = "logic"
    if failure.kind != "permanent":
        kind = failure.kind
    elif failure.error in _DATA:
        kind = "schema" if "has no column" in failure.message else "data"
    return Analysis(task=outcome.task, kind=kind, error=failure.error, reason=failure.message)


def divisible(session: Session, plan: Plan, task: Task) -> int:
    """In how many pieces a task's rows could be worked on."""
    if task.stage == Stage.INGESTION:
        parts = len(plan.parts[task.dataset])
        return (task.shard + 1) * parts // task.shards - task.shard * parts // task.shards
    rules = {
        Stage.TRANSFORMATION: session.spec.transformation,
        Stage.ENRICHMENT: session.spec.enrichment,
    }.get(task.stage)
    if rules is None or any(rule.whole for rule in rules[task.dataset]):
        return 1
    return max(1, min(_MOST_PIECES, plan.rows[task.dataset] // task.shards))


_WANT: dict[Kind, str] = {
    "transient": "what was away",
    "resource": "memory",
    "logic": "an agent that can do it",
    "data": "other data",
    "schema": "a column",
}


def _words(name: str, place: str, value: Sequence[Any]) -> str:
    if name == "pause":
        return f"{place} is done again after a pause, alone on the machine"
    if name == "run alone":
        return f"{place} is done alone on the machine"
    if name == "work in pieces":
        return f"{place} is done in {value[0]} pieces"
    return f"{place} is given to {value[0]}"
