"""The monitor as a service in the foreground."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from crewline.terminal import print_json, reported, stopped_by_signals

if TYPE_CHECKING:
    from delegation.monitor.monitor import Pass


def monitor(
    webhook: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Tell it of each alert by POST, signed with CREWLINE_WEBHOOK_SECRET."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One pass only; exit code 1 if anything stands.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print each pass as one JSON object on one line.")] = False,
) -> None:
    """Watch all pipelines and this machine, every five minutes, and tell once of what calls for attention."""
    from core.stop import Stop
    from crewline.facade import monitor

    stop = Stop()
    tell = _json if as_json else _lines
    with reported(), monitor.monitor(webhook=webhook, stop=stop, listener=tell) as watch:
        if once:
            found = watch.check()
            tell(found)
            if found.open or found.error:
                raise typer.Exit(1)
            return
        with stopped_by_signals(stop):
            watch.run()


def _json(found: Pass) -> None:
    print_json(found.model_dump(mode="json"))
    # Who reads a pipe wants each pass when it is made.
    sys.stdout.flush()


def _lines(found: Pass) -> None:
    for alert in found.raised:
        typer.echo(f"{found.at:%H:%M:%S} raised {alert.kind} {alert.subject}: {alert.message}")
    for alert in found.cleared:
        typer.echo(f"{found.at:%H:%M:%S} cleared {alert.kind} {alert.subject}")
    typer.echo(f"{found.at:%H:%M:%S} {len(found.open)} alerts stand")
    if found.error:
        typer.echo(f"Error: {found.error}", err=True)
