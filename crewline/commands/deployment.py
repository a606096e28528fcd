"""Agents as a service in the foreground, and jobs for them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from crewline.commands.agents import Documents, configuration
from crewline.terminal import Json, print_json, reported, stopped_by_signals

if TYPE_CHECKING:
    from crews.deployment import DeploymentReport

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="An agent, as `crewline agents` shows it.")]


def deploy(
    agents: Annotated[list[str], typer.Argument(metavar="AGENT...", help="Agents, as `crewline agents` shows them.")],
    on: Annotated[
        str | None, typer.Option("--on", metavar="STREAM", help="What agents that read streams read on and on.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="AGENT.NAME=VALUE", help="Configuration, in YAML; once for each."),
    ] = None,
    documents: Documents = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each check as one JSON object on one line.")] = False,
) -> None:
    """Let agents work as a service: they take the jobs that are submitted for them, until they are stopped."""
    from core.errors import InputError
    from core.stop import Stop
    from crewline.facade import agents as facade

    stop = Stop()
    tell = _json if as_json else _lines
    with reported():
        given = configuration(None, settings or ())
        if unknown := sorted(given.keys() - set(agents)):
            raise InputError(f"{', '.join(unknown)} is not among the agents to deploy.", remedy="Correct --set.")
        roots = (on,) if on and "://" in on else ()
        with facade.deployment(documents=documents or (), roots=roots, listener=tell) as deployment:
            for agent in agents:
                deployment.deploy(agent, given.get(agent), source=on if deployment.reads_stream(agent) else None)
            with stopped_by_signals(stop):
                deployment.run(stop)


def undeploy(agent: Agent) -> None:
    """Ask whoever has an agent deployed to let it go, once its jobs are done."""
    from crewline.facade import agents as facade

    with reported():
        asked = facade.undeploy(agent)
        typer.echo(f"Asked {asked} deployments to let {agent} go.")


def submit(
    agent: Agent,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="A file, a glob, a folder or a topic.")],
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait so long for its end.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Leave a job for a deployed agent; exit code 1 if it has failed."""
    from crewline.facade import agents as facade

    with reported():
        job = facade.submit(agent, dataset, wait_s=wait)
        if as_json:
            print_json(job.model_dump(mode="json"))
        else:
            rows = job.outcome.rows if job.outcome else None
            told = f", {rows.rows_in:,} rows in = {rows.rows_out:,} out + {rows.left:,} left" if rows else ""
            typer.echo(f"Job {job.job} for {agent}: {job.status}{told}")
        if job.status == "failed":
            typer.echo(f"Error: {job.error}", err=True)
            raise typer.Exit(1)


def _json(found: DeploymentReport) -> None:
    print_json(found.model_dump(mode="json"))
    # Who reads a pipe wants each check when it is made.
    sys.stdout.flush()


def _lines(found: DeploymentReport) -> None:
    typer.echo(found.as_text())
    sys.stdout.flush()
