"""The catalog: what data there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import InputError
from crewline.terminal import Json, print_json, reported

if TYPE_CHECKING:
    from rich.table import Table

    from tools.discovery import Crawl, Discovery


def crawl(
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="[URL]...", help="Folders, object stores, databases, brokers, OpenAPI documents."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring the catalog up to date with these sources, or with all that it knows. Unchanged files are not read.

    Exits with 1 if a source could not be crawled, or nothing of what was read in it.
    """
    from crewline.facade import catalog
    from tools.url import public

    with reported():
        done: list[Crawl] = []
        failed: dict[str, str] = {}
        for url in urls or catalog.sources():
            try:
                done.append(catalog.crawl(url))
            except InputError as error:
                # One source that fails keeps no other from being crawled.
                failed[public(url)] = str(error)
        if as_json:
            print_json({"crawls": [one.model_dump(mode="json") for one in done], "failed": failed})
        else:
            _tell(done)
        for message in failed.values():
            typer.echo(f"Error: {message}", err=True)
        if failed or any(one.failures and len(one.failures) == one.read for one in done):
            raise typer.Exit(1)


def discover(
    query: Annotated[str, typer.Argument(help="Words to look for; beginnings of words suffice.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many datasets to show at most.")] = 10,
    source_type: Annotated[
        list[str] | None,
        typer.Option(help="data_lake, data_warehouse, streaming, api_endpoints or file_systems; all if not given."),
    ] = None,
    domain: Annotated[list[str] | None, typer.Option(help="Only datasets of this domain; may be repeated.")] = None,
    quality: Annotated[float, typer.Option(min=0, max=1, help="Least measured completeness.")] = 0.0,
    freshness: Annotated[str | None, typer.Option(help="Such as last_24_hours.")] = None,
    as_json: Json = False,
) -> None:
    """Find datasets in the catalog: the best first, and what can be joined."""
    from crewline.facade import catalog
    from crewline.view import stdout

    with reported():
        found = catalog.discover(
            query,
            max_results=limit,
            source_types=source_type or [],
            domains=domain or [],
            quality_threshold=quality,
            freshness=freshness,
        )
        if as_json:
            print_json(found.shown())
        else:
            stdout().print(_datasets(found))
            for line in _remarks(found):
                stdout().print(line)


def annotate(
    dataset: Annotated[str, typer.Argument(help="Its location, or its name if that is unique.")],
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE...",
            help="owner, domain, description, sla_tier, classification, access_level, retention, update_frequency, "
            "compliance_tags (separated by commas). An empty value takes the annotation away.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Say of a dataset what its source does not. It survives every crawl."""
    from crewline.facade import catalog

    with reported():
        pairs = [value.partition("=") for value in values]
        if wrong := [key for key, sign, _ in pairs if not sign]:
            raise InputError(f"'{wrong[0]}' is not KEY=VALUE.", remedy="Write for instance owner=sales.")
        entry = catalog.annotate(dataset, **{key: value for key, _, value in pairs})
        said = entry.annotations.model_dump(mode="json", exclude_none=True)
        if as_json:
            print_json({"location": entry.location, "annotations": said})
        else:
            typer.echo(f"{entry.location}: {', '.join(f'{key}={value}' for key, value in said.items()) or 'nothing'}")


def _tell(done: list[Crawl]) -> None:
    for one in done:
        typer.echo(
            f"{one.source}: {one.described} datasets described, {one.gone} gone; {one.read} of {one.parts} parts read"
            f" in {one.duration_s:.1f} s."
        )
        for failure in one.failures:
            typer.echo(f"  could not be read whole: {failure.reason}", err=True)


def _datasets(found: Discovery) -> Table:
    from rich.table import Table

    table = Table("score", "dataset", "kind", "rows", "quality", "changed", "owner", box=None)
    for dataset in found.datasets:
        description = dataset.description
        rows = "" if description.rows is None else f"{'~' if description.rows_estimated else ''}{description.rows:,}"
        quality = dataset.scores.quality
        table.add_row(
            f"{dataset.score:.2f}",
            f"{description.name}\n  {description.location}",
            f"{description.source_type} {description.format}",
            rows,
            "" if quality is None else f"{quality:.1%}",
            f"{description.updated_at:%Y-%m-%d %H:%M}" if description.updated_at else "",
            dataset.annotations.owner or description.owner or "",
        )
    return table


def _remarks(found: Discovery) -> list[str]:
    """What a reader of the table should know beside it."""
    lines = [f"{found.found}{' or more' if found.capped else ''} found."]
    lines += [f"'{asked}' was taken for '{meant}'." for asked, meant in found.corrections.items()]
    if found.matched == "everything":
        lines.append("The query has no words to look for: these are the best of all datasets.")
    if found.matched == "any" and found.found:
        lines.append("None has all of the words; these have some.")
    lines += [
        f"{join.left} ({join.left_column}) joins {join.right} ({join.right_column}): {join.evidence}"
        + ("" if join.containment is None else f", {join.containment:.0%} of {join.sampled} sampled values found")
        for join in found.compatibility
    ]
    lines += [f"{name} leaves out {count}." for name, count in found.left_out.items()]
    lines += [f"Could not be read: {failure.reason}" for failure in found.failures]
    return lines
