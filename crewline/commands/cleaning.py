"""What a file holds, which checks it teaches, and what is left of it when it is cleaned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crewline.terminal import Json, print_json, reported

if TYPE_CHECKING:
    from tools.quality.cleaning.cleaning import Cleaning
    from tools.quality.profile import Profile

Input = Annotated[str, typer.Argument(metavar="INPUT", help="A CSV, JSON lines or Parquet file.")]


def clean(
    path: Input,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="The folder for the four files.")],
    as_json: Json = False,
) -> None:
    """Clean a file by the evidence in it: repairs, flags and quarantine, each cell accounted for."""
    from crewline.facade import files

    with reported():
        done = files.clean(path, out)
        if as_json:
            print_json(done.model_dump(mode="json"))
        else:
            typer.echo(_told(done))


def profile(path: Input, as_json: Json = False) -> None:
    """Show what a file holds: types, gaps, distinct values, ranges, top values, patterns."""
    from crewline.facade import files

    with reported():
        found = files.profile(path)
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            _show(found)


def suggest(path: Input) -> None:
    """Print the columns and checks, as YAML for a pipeline, that a file of trusted data teaches."""
    import yaml

    from crewline.facade import files

    with reported():
        found = files.profile(path)
        left_out = files.unusable(found)
        checks = [
            check.model_dump(mode="json", exclude_none=True, exclude={"severity", "dimension", "per"})
            for check in files.suggest_checks(found)
            if not left_out.keys() & set(check.reads)
        ]
    columns = {column.name: column.type for column in found.columns if column.name not in left_out}
    remarks = [f"note: {note}" for note in _remarks(found)]
    remarks += [f"'{name}' is left out, as no pipeline can have it: {why}" for name, why in left_out.items()]
    if not checks:
        remarks.append(f"{found.rows} rows teach no checks")
    for remark in remarks:
        # A remark stands in a line of its own, whatever a column is called.
        typer.echo(f"# {' '.join(remark.split())}")
    typer.echo(yaml.safe_dump({"columns": columns, "checks": checks}, sort_keys=False, allow_unicode=True), nl=False)


def _told(done: Cleaning) -> str:
    lines = [f"{done.rows:,} rows = {done.clean:,} clean + {done.quarantined:,} quarantined"]
    lines += [f"{done.flagged:,} cells judged wrong, {done.repaired:,} of them repaired"]
    lines += [f"  {rule}: {count:,}" for rule, count in done.by_rule.items()]
    lines += [f"note: {note}" for note in done.notes]
    return "\n".join([*lines, *done.files.values()])


def _show(found: Profile) -> None:
    from rich.table import Table

    from crewline.view import stdout

    table = Table(title=f"{found.rows:,} rows")
    for heading in ("column", "type", "missing", "distinct", "min", "max", "most frequent"):
        table.add_column(heading, overflow="fold")
    for column in found.columns:
        top = ", ".join(f"{count.value} ({count.rows:,})" for count in column.top[:3])
        table.add_row(
            *(column.name, column.type, f"{column.missing:,}"),
            "" if column.distinct is None else f"{column.distinct:,}",
            *(column.min or "", column.max or "", top),
        )
    stdout().print(table)
    for note in _remarks(found):
        typer.echo(f"note: {note}")


def _remarks(found: Profile) -> list[str]:
    unread = [f"{found.unreadable:,} lines are no records, and left out"] if found.unreadable else []
    return [*unread, *found.notes]
