"""Graphs: drawings, checkpoints, forks."""

from __future__ import annotations

from typing import Annotated

import typer

from core.errors import InputError
from crewline.terminal import Json, RunId, print_json, reported


def graph(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A graph to draw, or the word `history`.")],
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Whose checkpoints, after `history`.")] = None,
    as_json: Json = False,
) -> None:
    """Draw a graph as Mermaid text; or, as `graph history RUN`, list a run's checkpoints, the newest first."""
    from crewline.facade import graphs

    with reported():
        if name != "history":
            if run_id is not None:
                raise InputError(
                    f"A drawing of '{name}' needs no run.", remedy=f"Say: crewline graph {name}, or graph history RUN."
                )
            drawing = graphs.draw(name)
            if as_json:
                print_json({"graph": name, "mermaid": drawing})
            else:
                typer.echo(drawing, nl=False)
            return
        if run_id is None:
            raise InputError("Whose history?", remedy="Say: crewline graph history RUN")
        moments = graphs.history(run_id)
        if as_json:
            print_json({"checkpoints": [moment.model_dump(mode="json") for moment in moments]})
        else:
            from crewline.checkpoints import moments_table
            from crewline.view import stdout

            stdout().print(moments_table(moments))


def fork(
    run_id: RunId,
    at: Annotated[
        str, typer.Option("--at", metavar="CHECKPOINT", help="Where, as `crewline graph history RUN` shows it.")
    ],
    new_id: Annotated[str | None, typer.Option("--as", metavar="NEW_RUN", help="The new run's id.")] = None,
    as_json: Json = False,
) -> None:
    """Make another run that goes on from a checkpoint of this one. What was done by then is not done again."""
    from crewline.facade import graphs

    with reported():
        forked = graphs.fork(run_id, at, new_id=new_id)
        if as_json:
            print_json(forked.model_dump(mode="json"))
        else:
            typer.echo(
                f"Run {forked.run_id} begins with {forked.steps} steps of {forked.of}."
                f" Go on with: crewline resume {forked.run_id}"
            )


def prune(
    run_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs; those that ended well.")
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(metavar="DAYS", help="Runs that nobody worked on for so long, however they ended."),
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove the last checkpoint of each thread as well.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Remove checkpoints of runs that nobody works on, all but the last. What the ledger has stays."""
    from crewline.facade import graphs

    with reported():
        if run_ids and older_than is not None:
            raise InputError("Runs are pruned by name or by age.", remedy="Leave out --older-than, or the runs.")
        pruned = graphs.prune(run_ids or (), older_than_days=older_than, delete=delete)
        if as_json:
            print_json(pruned.model_dump(mode="json"))
        else:
            typer.echo(
                f"Removed {pruned.checkpoints:,} checkpoints, {pruned.bytes:,} bytes, of {len(pruned.runs)} runs."
            )
        for held in pruned.held:
            typer.echo(f"Left alone: {held}, which somebody works on.", err=True)
        if run_ids and pruned.held:
            raise typer.Exit(1)
