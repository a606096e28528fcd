"""The workers that are known by name: with them a run is taken up by a process that knows nothing else of it."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from core import run as runs
from core.errors import InputError, RunFinished
from core.journal import Listener
from core.run import Run
from core.stop import Stop
from core.store.database import Database
from crews.deployment.jobs import DEPLOYMENT
from graphs.adaptive.makers import default_maker
from graphs.assembly.order import GRAPH
from graphs.assembly.run import resume_assembly
from graphs.gallery import restored
from graphs.runs import GraphReport, resume
from graphs.worker import Worker
from graphs.workers import default_workers
from tools.context import ToolContext

# Entry points of this group are functions of (database, context) that return workers.
GROUP = "crewline.workers"

Provider = Callable[[Database, ToolContext], Sequence[Worker]]


def take_up(
    database: Database,
    run_id: str,
    answers: Mapping[str, Any],
    *,
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> GraphReport:
    """Go on with a graph's run, with the workers that are known by name, below the working directory.

    Without an answer, a run that waits is left waiting, and its report returned. Raises as `resume` does, and
    InputError if a worker is unknown.
    """
    run = runs.get(database, run_id)
    if run.status in runs.FINISHED:
        raise RunFinished(run_id, run.status, remedy=f"See what it did with: crewline status {run_id}")
    if run.status == "waiting" and run.report and not answers:
        return GraphReport.model_validate(run.report)
    if run.pipeline == GRAPH:
        return resume_assembly(database, run_id, stop=stop, listener=listener).as_graph()
    if run.pipeline == DEPLOYMENT:
        raise InputError(f"Run {run_id} is a deployment, and has ended.", remedy="Deploy its agents anew.")
    context = ToolContext(agent="graph")
    workers = staff_for(run, known_workers(database, context))
    workflow = restored(run.spec, workers, default_maker(database, context))
    return resume(workflow, run_id, answers, database=database, stop=stop, listener=listener)


def known_workers(database: Database, context: ToolContext) -> dict[str, Worker]:
    """Crewline's own workers, and those of other packages, by name. Raises InputError for two of one name."""
    found: dict[str, tuple[str, Worker]] = {w.name: ("crewline", w) for w in default_workers(database, context)}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        for worker in _provider(entry)(database, context):
            if worker.name in found:
                raise InputError(
                    f"The worker {worker.name} comes from {found[worker.name][0]} and from {entry.value}.",
                    remedy="Rename one, or remove one of the packages.",
                )
            found[worker.name] = (entry.value, worker)
    return {name: worker for name, (_, worker) in found.items()}


def staff_for(run: Run, known: Mapping[str, Worker]) -> list[Worker]:
    """The workers of a run, as they are on record with it. Raises InputError if one is unknown, or has changed."""
    wanted: dict[str, list[str]] = run.spec["workers"]
    remedy = (
        f"Resume it from Python, with those who did its work: graphs.resume(workflow, {run.run_id!r}); or let a package"
        f" provide them, by an entry point of the group {GROUP}."
    )
    if unknown := sorted(wanted.keys() - known.keys()):
        raise InputError(
            f"Run {run.run_id} is worked on by {', '.join(unknown)}, which nobody here knows.", remedy=remedy
        )
    if run.spec.get("maker", default_maker.__module__) != default_maker.__module__:
        raise InputError(f"The agents of run {run.run_id} are made by {run.spec['maker']}.", remedy=remedy)
    if others := sorted(name for name, kinds in wanted.items() if set(kinds) - known[name].kinds):
        raise InputError(f"{', '.join(others)}: no longer performs what run {run.run_id} has for it.", remedy=remedy)
    return [known[name] for name in wanted]


def _provider(entry: EntryPoint) -> Provider:
    try:
        provider: Provider = entry.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"The workers of {entry.value} cannot be loaded: {error}.", remedy="Mend or remove the package."
        ) from error
    return provider
