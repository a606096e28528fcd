"""The command that writes the page of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from crewline.terminal import Json, RunId, print_json, reported


def report(
    run_id: RunId,
    out: Annotated[
        str | None, typer.Option("--out", metavar="FILE", help="Where to; by default RUN.html, here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write all that is on record of a run as one HTML page, to be opened in any browser, without a network."""
    from crewline.facade import page

    with reported():
        written = page.report(run_id, out)
        if as_json:
            print_json(written.model_dump())
        else:
            typer.echo(f"Wrote {written.path}, {written.bytes:,} bytes.")
