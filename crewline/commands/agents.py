"""Agents that are registered, and pipelines assembled of them."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from core.errors import CrewlineError, InputError, Interrupted
from crewline.terminal import BAD_INPUT, INTERRUPTED, Json, print_json, reported, stopped_by_signals

# How often deployed agents are looked at, seconds.
_WATCH_S = 2.0

Documents = Annotated[
    list[str] | None,
    typer.Option("--agents", metavar="FILE", help="A YAML document with definitions of agents; once for each."),
]


def agents(
    documents: Documents = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the agents that are deployed, as they are checked, until stopped.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; with --watch, one on a line each time.")
    ] = False,
) -> None:
    """List the agents that are registered: what they can do, take and give, and what was measured of them."""
    from crewline.facade import agents as facade
    from crewline.roster import overview_table
    from crewline.view import stdout

    with reported():
        if watch:
            return _watch(as_json)
        found = facade.agents(documents or ())
        if as_json:
            print_json(found.model_dump(mode="json", by_alias=True))
        else:
            stdout().print(overview_table(found))
        for note in found.notes:
            typer.echo(f"Note: {note}", err=True)


def assemble(
    capabilities: Annotated[list[str], typer.Argument(metavar="CAPABILITY...", help="At least two, in order.")],
    on: Annotated[
        str | None, typer.Option("--on", metavar="DATASET", help="Run it on this: a file, a glob, a folder, a topic.")
    ] = None,
    out: Annotated[str | None, typer.Option("--out", metavar="DIR", help="Publish the result there.")] = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="A YAML document: configuration by capability.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="CAPABILITY.NAME=VALUE", help="One value of that, in YAML; once for each."),
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Show instead which ways lead from the first capability to the second.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="What a stage may take (300).")
    ] = None,
    documents: Documents = None,
    as_json: Json = False,
) -> None:
    """Make a pipeline of agents with these capabilities; with --on, run it, and print the account of its rows."""
    from crewline.facade import agents as facade
    from crewline.roster import plan_table, suggestions_table
    from crewline.view import stdout

    with reported():
        if suggest:
            if len(capabilities) != 2:
                raise InputError("Ways lead from one capability to one other.", remedy="Name two.")
            found = facade.suggest(*capabilities, documents=documents or ())
            if as_json:
                print_json({"suggestions": [list(one.agents) for one in found]})
            else:
                stdout().print(suggestions_table(found))
            return
        if out is not None and on is None:
            raise InputError("Nothing is published without data.", remedy="Say with --on what to run it on.")
        given = configuration(config, settings or ())
        plan = facade.assemble(capabilities, configuration=given, documents=documents or ())
        if on is None and as_json:
            print_json(plan.model_dump(mode="json", by_alias=True))
        elif not as_json:
            stdout().print(plan_table(plan), *([""] if on is not None else []))
    if on is not None:
        _run(plan, on, out, timeout, as_json)


def configuration(config: str | None, settings: list[str] | tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Configuration by name, from a YAML document and texts such as `NAME.FIELD=VALUE`. Raises InputError."""
    from core.spec.document import load_mapping, yaml_values

    given = load_mapping(config) if config else {}
    if wrong := [name for name, part in given.items() if not isinstance(part, dict)]:
        raise InputError(f"{config}: {', '.join(map(str, wrong))}: give a mapping for each capability.", remedy="")
    for setting in settings:
        place, equals, value = setting.partition("=")
        stage, dot, name = place.partition(".")
        if not (equals and dot and stage and name):
            raise InputError(f"'{setting}' sets nothing.", remedy="Say --set CAPABILITY.NAME=VALUE.")
        given[stage] = {**given.get(stage, {}), name: yaml_values(value, f"--set {place}")}
    return given


def _run(plan: Any, on: str, out: str | None, timeout: float | None, as_json: bool) -> None:
    from core.stop import Stop
    from crewline.facade import agents as facade
    from crewline.roster import assembly_summary
    from crewline.view import stdout

    stop, seen = Stop(), list[str]()

    def listen(event: Any) -> None:
        if event.run_id and not seen:
            seen.append(event.run_id)

    try:
        with stopped_by_signals(stop):
            report = facade.run_assembly(plan, on, out=out, timeout_s=timeout, stop=stop, listener=listen)
    except CrewlineError as error:
        typer.echo(error.what if isinstance(error, Interrupted) else f"Error: {error}", err=True)
        if error.resumable and seen:
            typer.echo(f"Nothing is lost. Go on with: crewline resume {seen[0]}", err=True)
        code = INTERRUPTED if isinstance(error, Interrupted) else BAD_INPUT if isinstance(error, InputError) else 1
        raise typer.Exit(code) from None
    if as_json:
        print_json({**report.model_dump(mode="json"), "balanced": report.balanced})
    else:
        stdout().print(assembly_summary(report))
    if report.error:
        typer.echo(f"Error: {report.error}", err=True)
        mended = f"Mend that, and go on with: crewline resume {report.run_id}"
        typer.echo(mended if report.resumable else "Assemble it anew: this run would end so again.", err=True)
    raise typer.Exit(0 if report.status == "done" else 1)


def _watch(as_json: bool) -> None:
    from core.stop import Stop
    from crewline.facade import agents as facade

    stop = Stop()
    with stopped_by_signals(stop):
        while not stop.requested:
            found = facade.deployed()
            if as_json:
                print_json(found.model_dump(mode="json"))
            else:
                typer.echo(found.as_text())
            sys.stdout.flush()
            with suppress(Interrupted):
                stop.wait(_WATCH_S)
