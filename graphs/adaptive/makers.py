"""What spawned agents do: of each template a worker, on the tools of the floors below (systems C5)."""

from collections.abc import Mapping
from typing import Any

from core.errors import InputError
from core.store import Database
from core.task import Outcome
from crews.dynamic import AgentSpec
from graphs.adaptive.workflow import Maker
from graphs.branch import Branch
from graphs.parallel.merge import merge, weight
from graphs.worker import Answer, Attempt, FunctionWorker, Result, Worker
from graphs.workers import default_workers
from tools.context import ToolContext
from tools.orchestration.monitor import monitor

# A number that several branches found is in dispute when their values are further apart than this share of their mean.
_AGREED = 0.05


def default_maker(database: Database, context: ToolContext) -> Maker:
    """Makes workers of the built-in templates, within the bounds of the context.

    What it makes raises InputError for a kind that is not built in: give AdaptiveWorkflow a maker of your own for it.
    """
    able = {kind: worker for worker in default_workers(database, context) for kind in worker.kinds}

    def make(spec: AgentSpec) -> Worker:
        def perform(branch: Branch, attempt: Attempt) -> Answer:
            if branch.kind == "synthesis":
                return synthesis(attempt.needed, spec.parameters.get("length", 20))
            if branch.kind == "coordination":
                return coordination(attempt.needed)
            if branch.kind == "monitoring":
                return Result(monitor(database, context).model_dump(mode="json"))
            if branch.kind not in able:
                raise InputError(
                    f"No built-in agent performs {branch.kind}.", remedy="Give AdaptiveWorkflow a maker that does."
                )
            return able[branch.kind].perform(branch, attempt)  # type: ignore[return-value]  # they are plain functions

        return FunctionWorker(spec.id, frozenset(spec.kinds), perform, spec.concurrent_tasks)

    return make


def synthesis(needed: Mapping[str, Outcome], length: int) -> Result:
    """What the branches before found, as statements with the branch that each is cited from, the weightiest first.

    Its quality is the mean of theirs, by weight; None if none measured it.
    """
    found = {key: o for key, o in needed.items() if o.status == "done" and o.result}
    ranked = sorted(found, key=lambda key: (-weight(found[key]), key))
    statements = [
        {"name": name, "value": value, "from": key, "by": found[key].agent}
        for key in ranked
        for name, value in (found[key].result or {}).items()
        if isinstance(value, (str, int, float, bool))
    ]
    values = {"statements": statements[:length], "left_out": max(0, len(statements) - length), "sources": ranked}
    return Result(values, _worth(found))


def coordination(needed: Mapping[str, Outcome]) -> Result:
    """Who did what, what is missing, and where branches that found the same number disagree."""
    merged = merge(needed)
    disputed: dict[str, dict[str, Any]] = {}
    for name in merged.estimates:
        by = {key: o.result[name] for key, o in needed.items() if o.status == "done" and o.result and name in o.result}
        scale = max(abs(merged.estimates[name].mean), 1e-12)
        if len(by) > 1 and (max(by.values()) - min(by.values())) / scale > _AGREED:
            disputed[name] = by
    agents: dict[str, dict[str, int]] = {}
    for outcome in needed.values():
        done = agents.setdefault(outcome.agent, {"done": 0, "not done": 0})
        done["done" if outcome.status == "done" else "not done"] += 1
    missing = {key: o.failure.message if o.failure else o.status for key, o in needed.items() if o.status != "done"}
    values = {"agents": agents, "missing": missing, "disputed": disputed}
    return Result(values, _worth({key: o for key, o in needed.items() if o.status == "done"}))


def _worth(done: Mapping[str, Outcome]) -> float | None:
    measured = [(weight(outcome), outcome.quality) for outcome in done.values() if outcome.quality is not None]
    return sum(w * q for w, q in measured) / sum(w for w, _ in measured) if measured else None
