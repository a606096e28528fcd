"""What spawned agents do: of each template a worker, on the tools of the floors below (systems C5)."""

import math
from collections.abc import Mapping
from typing import Any

from core.errors import InputError
from core.store import Database
from core.task import Outcome
from crews.dynamic import AgentSpec
from crews.dynamic.parameters import parameters_of
from graphs.adaptive.specialists import Perform, analysis, research, synthesis, worth
from graphs.adaptive.workflow import Maker
from graphs.branch import Branch
from graphs.parallel.merge import merge
from graphs.worker import Answer, Attempt, FunctionWorker, Result, Worker
from graphs.workers import default_workers
from tools.context import ToolContext
from tools.engine.limits import LEAST_MEMORY_MB, Limits
from tools.orchestration.monitor import monitor

# A number that several branches found is in dispute when their values are further apart than this share of their mean.
_AGREED = 0.05


def default_maker(database: Database, context: ToolContext) -> Maker:
    """Makes workers of the built-in templates, within the bounds of the context and of what each takes.

    What it makes raises InputError for a kind that is not built in: give AdaptiveWorkflow a maker of your own for it.
    """

    def make(spec: AgentSpec) -> Worker:
        within = context.model_copy(update={"limits": _limits(spec, context.limits)})
        able: dict[str, Perform] = {
            kind: worker.perform  # type: ignore[misc]  # they are plain functions
            for worker in default_workers(database, within)
            for kind in worker.kinds
        }
        specialised = {"research": research, "analysis": analysis}.get(spec.template)
        told = parameters_of(spec.template, spec.parameters)

        def perform(branch: Branch, attempt: Attempt) -> Answer:
            if branch.kind == "synthesis":
                return synthesis(attempt.needed, parameters_of("synthesis", spec.parameters))
            if branch.kind == "coordination":
                return coordination(attempt.needed)
            if branch.kind == "monitoring":
                return Result(monitor(database, within).model_dump(mode="json"))
            kind = branch.kind if branch.kind != "research" else f"research.{told.get('focus', 'technical')}"
            if kind not in able:
                raise InputError(
                    f"No built-in agent performs {kind}.", remedy="Give AdaptiveWorkflow a maker that does."
                )
            work = specialised(able[kind], told) if specialised else able[kind]
            return work(branch.model_copy(update={"kind": kind}), attempt)

        return FunctionWorker(spec.id, frozenset(spec.kinds), perform, spec.concurrent_tasks)

    return make


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
    return Result(values, worth({key: o for key, o in needed.items() if o.status == "done"}))


def _limits(spec: AgentSpec, bounds: Limits) -> Limits:
    """The engine of an agent gets what it takes of the machine, within the context's own limits."""
    wanted = spec.resources
    return Limits(
        threads=min(bounds.threads, math.ceil(wanted.cores)),
        memory_mb=min(bounds.memory_mb, max(LEAST_MEMORY_MB, wanted.memory_mb)),
    )
