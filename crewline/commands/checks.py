"""Commands that judge data by itself, and that bring back what a run kept out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crewline.terminal import Json, RunId, print_json, reported


def check(
    data: Annotated[
        str, typer.Argument(metavar="INPUT", help="A CSV, JSON lines or Parquet file, or a folder of these.")
    ],
    checks: Annotated[str, typer.Option("--checks", metavar="FILE", help="YAML document with the checks.")],
    as_json: Json = False,
) -> None:
    """Check a file and change nothing; exit with 1 if a critical or major check fails."""
    from crewline.facade import files
    from crewline.view import quality_report, stdout

    with reported():
        report = files.check(data, checks)
        if as_json:
            print_json(report.model_dump(mode="json"))
        else:
            stdout().print(quality_report(report))
        if not report.passed:
            raise typer.Exit(1)


def replay(
    run_id: RunId,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="What to write: ends in .csv or .jsonl.")],
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME", help="Whose rows, if several have some.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the rows that a run quarantined as a source file, to run them again under corrected rules."""
    from crewline.facade import runs

    with reported():
        written = runs.replay(run_id, out, dataset=dataset)
        if as_json:
            print_json(written.model_dump(mode="json"))
        else:
            lines = f" {written.lines} lines that are no records were left out." if written.lines else ""
            typer.echo(f"Wrote {written.rows} rows of '{written.dataset}' to {written.path}.{lines}")
