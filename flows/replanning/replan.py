"""replan: what is changed before the tasks that failed are tried again; the cheapest change that may help each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.errors import Unsolvable
from core.task import Outcome, Stage, Task
from flows.replanning.changes import Analysis, Change, Changes, Want
from flows.replanning.domain import NAME
from flows.replanning.reading import Rereading, Way, rereadings
from flows.session import Session
from flows.state import PipelineState, Recovery
from graphs.planning import PlanStep, find, make_plan
from graphs.planning.replanning import Kind
from graphs.planning.term import Term
from tools.orchestration.requirements import Plan

# A retry waits twice as long as the one before, but no longer than this.
MOST_PAUSE_S = 30.0

# Rows are worked on in at most so many pieces; with each replan in twice as many.
_MOST_PIECES = 16

# What is wrong with the data, or with what is asked of it, would be as wrong for everybody.
_DATA = {
    *("SourceError", "SourceChanged", "WrittenOtherwise", "SchemaError", "DataError", "RuleError", "CheckError"),
    *("ExpressionError", "SpecError", "TargetError", "InputError", "Refused", "AccountingError"),
}


def replan(
    session: Session,
    plan: Plan,
    state: PipelineState,
    tasks: Iterable[Task],
    outcomes: Mapping[str, Outcome],
    analyses: Sequence[Analysis],
    *,
    repairable: Iterable[str] = (),
    garbage: bool = False,
) -> Changes:
    """What the next round changes for the tasks that the analyses are of; what is done stays done.

    `repairable` are the datasets that repair was not tried on and that are not as good as the gate asks; with `garbage`
    there are files of attempts that came to nothing. Not `possible`, if nothing can be changed about some task.
    """
    recovery, agents = state.error_recovery, state.team_assignments
    by_place = {task.place: task for task in tasks}
    facts: list[Term] = [*[("alone",)] * recovery.alone, *[("garbage",)] * garbage]
    asked: list[Term] = []
    ways: dict[Term, Way] = {}
    closed: list[str] = []
    for why in analyses:
        task = by_place[why.place]
        rereading = _rereadings(session, plan, task, outcomes, why)
        for one in rereading:
            closed += one.closed or [f"what could be changed about {one.part.path} was tried"]
            for way in one.ways:
                ways[(way.name, why.place, one.part.index)] = way
                facts.append(("open", why.place, one.part.index, way.name))
        asked += [("reread", why.place, one.part.index) for one in rereading] or [("rescue", why.place)]
        facts += [("wants", why.place, why.want), *_facts(session, plan, recovery, agents, task)]
        facts += [("repairable", why.place, task.dataset)] * (task.dataset in repairable)
    try:
        found = make_plan(find(NAME), asked, facts)
    except Unsolvable as error:
        return Changes(analyses=list(analyses), unmet=_unmet(error.unmet, analyses, closed))
    return _changes(found.steps, analyses, recovery, ways)


def analysed(task: Task, outcome: Outcome) -> Analysis:
    """Why a task failed."""
    failure = outcome.failure
    assert failure is not None, "it failed"
    kind: Kind = "logic"
    if failure.kind != "permanent":
        kind = failure.kind
    elif failure.error in _DATA:
        kind = "schema" if "has no column" in failure.message else "data"
    return Analysis(task=task.key, place=task.place, kind=kind, want=kind, error=failure.error, reason=failure.message)


def _rereadings(
    session: Session, plan: Plan, task: Task, outcomes: Mapping[str, Outcome], why: Analysis
) -> list[Rereading]:
    if task.stage != Stage.INGESTION or why.want not in ("data", "schema"):
        return []
    return rereadings(session, plan, task, outcomes, why)


def _facts(session: Session, plan: Plan, recovery: Recovery, agents: Mapping[str, str], task: Task) -> Iterable[Term]:
    following = 2 * recovery.pieces.get(task.place, 1)
    if following <= divisible(session, plan, task):
        yield "pieces", task.place, following
    tried = (*recovery.tried.get(task.place, []), agents.get(task.place))
    able = [agent.id for agent in session.staff.agents.values() if task.stage in agent.stages]
    yield from (("able", task.place, agent) for agent in able if agent not in tried)


def divisible(session: Session, plan: Plan, task: Task) -> int:
    """In how many pieces a task's rows could be worked on."""
    if task.stage == Stage.INGESTION:
        return len(plan.parts_of(task))
    rules = {
        Stage.TRANSFORMATION: session.spec.transformation,
        Stage.ENRICHMENT: session.spec.enrichment,
    }.get(task.stage)
    if rules is None or any(rule.whole for rule in rules[task.dataset]):
        return 1
    return max(1, min(_MOST_PIECES, plan.rows[task.dataset] // task.shards))


def _unmet(lines: Sequence[str], analyses: Sequence[Analysis], closed: Iterable[str]) -> list[str]:
    """What stood in the way, for people: not which ways are for failures of other kinds. Of reading, what was found of
    the files says more."""
    found = [line for line in lines if " needs wants(" not in line and not line.startswith("reread(")]
    found += dict.fromkeys(closed)
    return found or [f"nothing that is known helps {why.place} to {_WANT[why.want]}" for why in analyses]


def _changes(
    steps: Sequence[PlanStep], analyses: Sequence[Analysis], recovery: Recovery, ways: Mapping[Term, Way]
) -> Changes:
    """The steps of a plan of the domain as changes."""
    by_place = {why.place: why for why in analyses}
    changed: dict[str, Any] = {
        **{"analyses": list(analyses), "pieces": dict(recovery.pieces), "agents": {}},
        **{"amendments": [], "repair": [], "told": []},
    }
    for step in steps:
        way, place, *value = step.task
        why = by_place[str(place)]
        if step.task in ways:
            changed["amendments"].append(ways[step.task].amendment)
            told = f"{place} {ways[step.task].told}"
        else:
            told = (
                f"{_words(str(way), str(place), value)}, as it {_FAILED[bool(why.error)]} for want of {_WANT[why.want]}"
            )
        changed["told"].append(Change(task=why.task, kind=why.kind, way=str(way), told=told))
        if way == "pause":
            changed["pause_s"] = min(2.0**recovery.retries, MOST_PAUSE_S)
        if way in ("pause", "run alone"):
            changed["alone"] = True
        if way == "work in pieces":
            changed["pieces"][place], changed["alone"] = int(str(value[0])), True
        if way == "give to":
            changed["agents"][place] = value[0]
        if way == "repair":
            changed["repair"] = sorted({*changed["repair"], str(value[0])})
        if way == "make room":
            changed["room"] = True
    return Changes.model_validate(changed)


_FAILED = {True: "failed", False: "would fail"}

_WANT: dict[Want, str] = {
    "transient": "what was away",
    "resource": "memory",
    "room": "room on the disk",
    "logic": "an agent that can do it",
    "data": "other data",
    "quality": "better data",
    "files": "files that are lost",
    "schema": "a column",
}


def _words(way: str, place: str, value: Sequence[Any]) -> str:
    if way == "pause":
        return f"{place} is done again after a pause, alone on the machine"
    if way == "run alone":
        return f"{place} is done alone on the machine"
    if way == "work in pieces":
        return f"{place} is done in {value[0]} pieces"
    if way == "repair":
        return f"{place} is done on {value[0]} with repair"
    if way == "make room":
        return f"{place} is done once the files of attempts that came to nothing are removed"
    return f"{place} is given to {value[0]}"
