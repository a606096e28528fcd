"""Where the gate sent a run, and by how much it missed what it was to reach."""

from typing import Any

from core import journal
from core.task import Severity
from flows.gate import measure
from flows.investigation.case import Case

# Of what was changed before the rounds after the first, and of what could not be, so much is told.
MOST_REPLANS = 12


def route_facts(case: Case) -> dict[str, Any]:
    """The course through the gate, what was missed at the first passage and by how much, and what was critical."""
    passages = list(case.history.passages())
    facts: dict[str, Any] = {
        "gate.course": [{"route": route, "quality": quality.overall} for route, quality in passages],
        "failures": {key: failure.message for key, failure in case.failures.items()},
    }
    replans = journal.events(case.database, case.run_id, kind="replan.")
    if made := [event.data["change"] for event in replans if event.kind == "replan.made"]:
        facts["replans"] = made[:MOST_REPLANS]
    if refused := [event.data["reason"] for event in replans if event.kind == "replan.refused"]:
        facts["replans.refused"] = list(dict.fromkeys(refused))[:MOST_REPLANS]
    verdict = case.history.first_verdict()
    if verdict is None:
        return facts
    facts["gate.reason"] = verdict["reason"]
    facts["gate.critical"] = [
        f"{told['dataset']}: {told['check']}" for told in verdict["violations"] if told["severity"] == Severity.CRITICAL
    ]
    facts["gate.missed"] = _missed(case, verdict)
    return facts


def _missed(case: Case, verdict: dict[str, Any]) -> list[dict[str, Any]]:
    gate = case.spec.gate
    found: list[dict[str, Any]] = []
    overall = verdict["quality"]["overall"]
    if overall is not None and overall < gate.publish:
        found.append({"what": "mean quality", "reached": overall, "needed": gate.publish, "by": gate.publish - overall})
    first = {key: task for key, task in case.history.all_tasks.items() if not task.round}
    outcomes = {key: outcome for key in first if (outcome := case.history.outcome(key))}
    for dataset, counts in measure(first.values(), outcomes).items():
        for dimension, (rows, faults) in counts.items():
            reached = 1 - min(faults, rows) / rows
            needed = gate.thresholds.get(dimension, 0.0) - gate.critical_margin
            if reached < needed:
                found.append(
                    {
                        "what": f"{dimension} of {dataset}",
                        "dataset": dataset,
                        "dimension": str(dimension),
                        "reached": reached,
                        "needed": needed,
                        "by": needed - reached,
                    }
                )
    return found
