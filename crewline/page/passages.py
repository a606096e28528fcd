"""The course of a run through its rounds and the gate, step by step."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from core.report import Quality
from core.store.database import Database
from crewline.page.attempts import Course
from crewline.page.wording import count, span

MOST_STOPS = 60

_RUN = {
    "run.interrupted": "interrupted",
    "run.failed": "failed",
    "run.waiting": "waits",
    "run.published": "published",
    "run.done": "done",
    "run.forked": "forked",
}
# Events of other kinds that are stops. What was analysed before a replan is told beside the plan.
_OTHERS = ("run.claimed", "round.started", "spec.changed", "replan.made", "replan.refused")


@dataclass
class Stop:
    """A stop on the way: what it is, how it came out (also a class of its looks), and why."""

    at: datetime
    name: str
    result: str
    reason: str = ""
    quality: Quality | None = None
    facts: list[str] = field(default_factory=list)


def passages(database: Database, run_id: str, course: Course) -> tuple[list[Stop], int]:
    """The stops of a run in order, and how many of them were left out from the middle."""
    rows = database.query(
        "SELECT at, kind, step, data FROM journal WHERE run_id = %s AND (kind = ANY(%s) OR starts_with(kind, 'source.')"
        " OR (kind = 'step.committed' AND (step IN ('plan', 'assignment', 'publish') OR starts_with(step, 'gate/'))))"
        " ORDER BY seq",
        (run_id, [*_RUN, *_OTHERS]),
    )
    found = [stop for index, row in enumerate(rows) if (stop := _stop(row, rows[index + 1 :], course))]
    if len(found) > MOST_STOPS:
        half = MOST_STOPS // 2
        return [*found[:half], *found[-half:]], len(found) - MOST_STOPS
    return found, 0


def _stop(row: dict[str, Any], later: list[dict[str, Any]], course: Course) -> Stop | None:
    at, kind, data = row["at"], row["kind"], row["data"]
    step = row["step"] or ""
    if kind in _RUN:
        return Stop(at, "Run", _RUN[kind], data.get("error") or "")
    if kind == "run.claimed":
        holder = f"process {data.get('pid')} on {data.get('host')}"
        return Stop(at, "Worked on", "begun" if data.get("token") == 1 else "resumed", "", None, [holder])
    if kind == "round.started":
        return _round(at, data, later, course)
    if kind == "step.committed" and step == "plan":
        facts = [count(rows, "row") + f" of {source}" for source, rows in list(data.get("rows", {}).items())[:8]]
        return Stop(
            at, "Plan", f"{count(len(data.get('tasks', ())), 'task')}, {data.get('level', '')}", "", None, facts
        )
    if kind == "step.committed" and step == "assignment":
        given = data.get("assignments", ())
        agents = {told["agent"] for told in given}
        return Stop(at, "Teams", f"{count(len(given), 'task')} to {count(len(agents), 'agent')}")
    if kind == "step.committed" and step == "publish":
        return Stop(at, "Publish", "target swapped", "", None, [str(data.get("target", ""))])
    if kind == "step.committed":
        quality = Quality.model_validate(data["quality"]) if "quality" in data else None
        facts = [f"{data.get('critical', 0)} critical", f"{count(data.get('failed', 0), 'task')} failed"]
        return Stop(at, "Gate", str(data.get("route", "")), data.get("reason") or "", quality, facts)
    words = (
        data.get("reason") or data.get("change") or data.get("action") or "; ".join(map(str, data.get("changes", ())))
    )
    return Stop(at, kind.partition(".")[0].capitalize(), kind.partition(".")[2], str(words))


def _round(at: datetime, data: dict[str, Any], later: list[dict[str, Any]], course: Course) -> Stop:
    """A round of execution, until the next stop: how many of its tasks were tried, and how they came out."""
    until = later[0]["at"] if later else None
    tasks = set(data.get("tasks", ()))
    tried = [a for a in course.attempts if a.step in tasks and a.start >= at and (until is None or a.start < until)]
    states = {state: sum(a.state == state for a in tried) for state in ("done", "failed", "lost", "running")}
    facts = [f"{count(n)} {state}" for state, n in states.items() if n]
    if tried:
        last = max((a.end for a in tried if a.end), default=None)
        facts.append(f"in {span((last - at).total_seconds())}" if last else "under way")
    stood = len(tasks) - len({a.step for a in tried})
    if stood:
        facts.append(f"{count(stood)} not tried: done before, or not reached")
    bad = states["failed"] or states["lost"]
    return Stop(at, "Execute", f"{count(len(tried), 'attempt')}" if not bad else "failures", "", None, facts)
