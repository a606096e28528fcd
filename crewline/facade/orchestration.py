"""Pipelines as wholes: how they do, what to change about them, where their data comes from and goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crewline.facade.store import database

if TYPE_CHECKING:
    from tools.context import ToolContext
    from tools.orchestration.lineage import Lineage
    from tools.orchestration.monitor import Overview
    from tools.orchestration.openlineage.sending import Sent
    from tools.orchestration.optimization import Optimization


def pipelines() -> Overview:
    """All pipelines on record, each over its last runs: success rate, latency, throughput, errors, freshness, breaches
    of its service level. What was not measured is None."""
    from tools.orchestration.monitor import monitor

    with database() as store:
        return monitor(store, _of_person())


def optimize(pipeline: str) -> Optimization:
    """Where the time of a pipeline's runs goes, and what to change about that, with evidence from measured runs.

    Raises InputError if there is no such pipeline. With fewer than three runs of its present version to go by, the
    answer's `enough` is false.
    """
    from tools.orchestration.optimization import optimize as work_out

    with database() as store:
        return work_out(store, _of_person(), pipeline)


def lineage(subject: str) -> Lineage:
    """Where data comes from and goes to, as a graph: of the run with this id, or else of the pipeline of this name.

    Raises InputError if there is neither.
    """
    from core import run as runs
    from core.errors import RunNotFound
    from tools.orchestration.lineage import lineage as trace

    with database() as store:
        try:
            run_id = runs.get(store, subject).run_id
        except RunNotFound:
            return trace(store, _of_person(), subject)
        return trace(store, _of_person(), run_id=run_id)


def send_lineage(run_id: str, destination: str) -> Sent:
    """Send a run's OpenLineage events to a server (`http://host:5000`), or append them to a file.

    They can be sent as often as is wanted, with the same ids. Raises RunNotFound; WorkError if some could not be
    delivered; InputError if openlineage-python is not installed.
    """
    from core.errors import InputError

    try:
        from tools.orchestration.openlineage.sending import send
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "openlineage":
            raise
        raise InputError(
            "openlineage-python is not installed.", remedy="Install it with: pip install 'crewline[openlineage]'"
        ) from error

    with database() as store:
        return send(store, run_id, destination)


def _of_person() -> ToolContext:
    """Who sits at the machine may see what is on it."""
    from core.classification import Classification
    from tools.context import ToolContext

    return ToolContext(agent="person", roots=("/",), clearance=Classification.RESTRICTED)
