"""Agents that are registered, and pipelines assembled of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crewline.facade.store import database

if TYPE_CHECKING:
    from core.journal import Listener
    from core.stop import Stop
    from crews.deployment import Deployment, DeploymentReport, JobRecord
    from crews.registry import Plan, Registry, Suggestion
    from crews.registry.overview import Overview
    from graphs import AssemblyReport

# How often who waits for a job looks at it, seconds.
_LOOK_S = 0.1


def agents(documents: Iterable[str | Path] = (), *, modules: Iterable[str] = ()) -> Overview:
    """All agents that are registered, with what was measured of them: Crewline's own, those of installed packages, and
    those of YAML documents; and those that are made at run time.

    `modules` may be imported from besides those of `CREWLINE_AGENT_MODULES`. Raises SpecError for a wrong document.
    """
    from crews.registry.overview import overview

    registry = _registry(documents, modules)
    with database() as store:
        return overview(store, registry)


def assemble(
    capabilities: Sequence[str],
    *,
    configuration: Mapping[str, Mapping[str, Any]] | None = None,
    documents: Iterable[str | Path] = (),
    modules: Iterable[str] = (),
) -> Plan:
    """A pipeline of agents with these capabilities, at least two, chosen by what they say they can, by what was
    measured of them, and by how free they are now. `configuration` has that of stages, by capability or agent.

    Raises InputError for a capability that nobody has, or that cannot come after the one before.
    """
    from crews.registry import assemble as plan
    from crews.registry import standings

    registry = _registry(documents, modules)
    with database() as store:
        known = standings(store, [agent.id for agent in registry.all()])
    return plan(registry, capabilities, overrides=configuration, standings=known)


def suggest(
    first: str, last: str, *, documents: Iterable[str | Path] = (), modules: Iterable[str] = ()
) -> list[Suggestion]:
    """Ways from one capability to another, the shortest first. Raises InputError if there is none."""
    from crews.registry import suggest as ways

    return ways(_registry(documents, modules), first, last)


def run_assembly(
    plan: Plan,
    on: str | Path,
    *,
    out: str | Path | None = None,
    dataset: str | None = None,
    timeout_s: float | None = None,
    modules: Iterable[str] = (),
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> AssemblyReport:
    """Run an assembled pipeline on the data at `on`: files, or a stream where its first agent reads one.

    With `out`, its result is published in that folder, at once. `dataset` is what errors and steps call the data. Each
    stage may take `timeout_s` seconds (300). Raises InputError for a plan that is not complete, Refused, Interrupted,
    StoreUnavailable; a stage that fails is no error: the report says so.
    """
    from core.classification import Classification
    from graphs import Order
    from graphs import run_assembly as run
    from graphs.assembly.order import STAGE_S, named_after
    from tools.context import ToolContext

    source = str(on)
    # Who sits at the machine may see what is on it; relative paths are those of the working directory.
    roots = (str(Path.cwd()), "/", *([source] if "://" in source else []))
    order = Order(
        plan=plan,
        dataset=dataset or named_after(source),
        source=source,
        out=str(Path(out).absolute()) if out is not None else None,
        context=ToolContext(agent="person", roots=roots, clearance=Classification.RESTRICTED),
        timeout_s=timeout_s or STAGE_S,
    )
    with database() as store:
        return run(store, order, modules=modules, stop=stop, listener=listener)


@contextmanager
def deployment(
    *,
    documents: Iterable[str | Path] = (),
    modules: Iterable[str] = (),
    roots: Sequence[str] = (),
    listener: Callable[[DeploymentReport], None] | None = None,
) -> Iterator[Deployment]:
    """A deployment of registered agents while the block runs: `deploy` lets one work, `run` gives them jobs until it is
    stopped. They read what is below the working directory, and `roots` (URL prefixes, say).
    """
    from core.classification import Classification
    from crews.deployment import Deployment
    from tools.context import ToolContext

    registry = _registry(documents, modules)
    own = (str(Path.cwd()), "/", *roots)
    context = ToolContext(agent="deployment", roots=own, clearance=Classification.RESTRICTED)
    with database() as store, Deployment(store, registry, context, listener=listener) as deployed:
        yield deployed


def deployed() -> DeploymentReport:
    """The agents that are deployed now, in all processes: their health, and what was measured of their jobs."""
    from crews.deployment import report

    with database() as store:
        return report(store)


def undeploy(agent: str) -> int:
    """Ask all deployments that have the agent to let it go, once its jobs are done. Raises InputError if none has."""
    from crews.deployment import undeploy as ask

    with database() as store:
        return ask(store, agent)


def submit(agent: str, on: str | Path, *, dataset: str | None = None, wait_s: float = 0.0) -> JobRecord:
    """Leave a job for an agent, deployed now or later: the data at `on`. Waits up to `wait_s` seconds for its end.

    Raises InputError for an agent that is neither Crewline's nor deployed anywhere now.
    """
    import time

    from crews.deployment import get, report
    from crews.deployment import submit as leave
    from crews.registry import default_registry
    from graphs.assembly.order import named_after

    source = str(on) if "://" in str(on) else str(Path(on).absolute())
    with database() as store:
        if agent not in {one.agent for one in report(store).agents}:
            default_registry().get(agent)
        job = leave(store, agent, source, dataset=dataset or named_after(source))
        deadline = time.monotonic() + wait_s
        while job.status in ("open", "running") and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            job = get(store, job.job)
        return job


def _registry(documents: Iterable[str | Path], modules: Iterable[str]) -> Registry:
    from crews.registry import default_registry

    return default_registry(documents, modules=modules)
