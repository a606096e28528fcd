"""The workers that are known by name, so that a run can be taken up by whom it was not started by."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from core.errors import InputError
from core.store.database import Database
from graphs.worker import Worker
from tools.context import ToolContext

# Entry points of this group are functions of (database, context) that return workers.
GROUP = "crewline.workers"

Provider = Callable[[Database, ToolContext], Sequence[Worker]]


def known_workers(database: Database, context: ToolContext) -> dict[str, Worker]:
    """Crewline's own workers, and those of other packages, by name. Raises InputError for two of one name."""
    from graphs.workers import default_workers

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


def staff_for(run_id: str, definition: Mapping[str, Any], known: Mapping[str, Worker]) -> list[Worker]:
    """The workers of a run, as they are on record with it. Raises InputError if one is unknown, or has changed."""
    wanted: dict[str, list[str]] = definition["workers"]
    remedy = (
        f"Resume it from Python, with workers of these names: graphs.resume(workflow, {run_id!r}); or let a package"
        f" provide them, by an entry point of the group {GROUP}."
    )
    if unknown := sorted(wanted.keys() - known.keys()):
        raise InputError(f"Run {run_id} is worked on by {', '.join(unknown)}, which nobody here knows.", remedy=remedy)
    if others := sorted(name for name, kinds in wanted.items() if set(kinds) - known[name].kinds):
        raise InputError(f"{', '.join(others)}: no longer performs what run {run_id} has for it.", remedy=remedy)
    return [known[name] for name in wanted]


def _provider(entry: EntryPoint) -> Provider:
    try:
        provider: Provider = entry.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"The workers of {entry.value} cannot be loaded: {error}.", remedy="Mend or remove the package."
        ) from error
    return provider
