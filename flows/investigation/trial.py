"""A trial: what a changed spec would make of the sources as they are now, without a run, and without publishing."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import CrewlineError, InputError
from core.settings import Settings
from core.spec import PipelineSpec
from core.stop import Stop
from core.task import Failure, Outcome, Task
from crews import AGENTS, Work
from flows.gate import judge
from tools.engine.limits import Limits
from tools.engine.session import session
from tools.orchestration.examination import examine
from tools.orchestration.requirements import make_plan
from tools.sources import Surroundings

# A trial takes as long as a run: no more rows than these are tried.
MOST_ROWS = 1_000_000


def tried(spec: PipelineSpec, surroundings: Surroundings, settings: Settings) -> dict[str, Any]:
    """Perform all tasks of the spec in a folder of their own, and let the gate judge them.

    Returns `route`, `reason`, `quality`, `quarantined`, and what `failed`, by task. Raises what is wrong with spec and
    sources, and InputError for more rows than a trial takes.
    """
    limits = Limits(threads=settings.threads or 1, memory_mb=settings.engine_memory_mb)
    with session(limits) as (engine, folder):
        inspections = examine(engine, spec, surroundings)
        plan = make_plan(spec, inspections)
        if sum(plan.rows.values()) > MOST_ROWS:
            raise InputError(f"A trial takes at most {MOST_ROWS:,} rows.", remedy="Change the spec, and run it.")
        outcomes: dict[str, Outcome] = {}
        for number, task in enumerate(plan.tasks):
            if all(key in outcomes and outcomes[key].status == "done" for key in task.needs):
                path = folder / str(number)
                path.mkdir()
                work = _work(spec, surroundings, plan.parts[task.dataset], task, outcomes, path, limits)
                outcomes[task.key] = _performed(task, work)
        verdict = judge(spec.gate, plan.tasks, outcomes)
    return {
        "route": str(verdict.route),
        "reason": verdict.reason,
        "quality": verdict.quality.model_dump(),
        "quarantined": sum(outcome.rows.quarantined for outcome in outcomes.values()),
        "failed": {key: o.failure.message for key, o in outcomes.items() if o.failure},
    }


def _work(
    spec: PipelineSpec,
    surroundings: Surroundings,
    parts: Any,
    task: Task,
    outcomes: dict[str, Outcome],
    path: Path,
    limits: Limits,
) -> Work:
    def of(keys: tuple[str, ...]) -> list[Any]:
        return [output for key in keys if (output := outcomes[key].output) is not None]

    return Work(
        spec=spec,
        surroundings=surroundings,
        parts=parts,
        inputs=of(task.inputs),
        context={dataset: of(keys) for dataset, keys in task.context.items()},
        path=path,
        limits=limits,
        stop=Stop(),
        began=datetime.now(UTC),
    )


def _performed(task: Task, work: Work) -> Outcome:
    agent = next(agent for agent in AGENTS.values() if task.stage in agent.stages)
    try:
        return agent.perform(task, work)
    except CrewlineError as error:
        failure = Failure(error=type(error).__name__, message=str(error))
        return Outcome(task=task.key, status="failed", failure=failure)
