"""What runs taught, and what a person thinks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import InputError
from crewline.terminal import Json, print_json, reported

if TYPE_CHECKING:
    from rich.console import RenderableType

    from crews.experience.memory import Known
    from crews.experience.report import Experience


def experience(
    pipeline: Annotated[str | None, typer.Argument(metavar="PIPELINE", help="The name of a pipeline.")] = None,
    undo: Annotated[str | None, typer.Option(metavar="ID", help="Let no run go by this any more.")] = None,
    redo: Annotated[str | None, typer.Option(metavar="ID", help="Let runs go by it again.")] = None,
    as_json: Json = False,
) -> None:
    """What runs taught those that come after them, with the runs and figures that speak for it."""
    from crewline.facade import experience as facade
    from crewline.view import stdout

    with reported():
        if undo and redo:
            raise InputError("A pattern is either undone or redone.", remedy="Give one of --undo and --redo.")
        changed = undo or redo
        found = facade.experience(None if changed else pipeline, undo=undo, redo=redo)
        if changed:
            (known,) = [each for each in found.patterns if each.pattern.id == changed]
            found = found.model_copy(update={"patterns": (known,), "trends": {}})
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            stdout().print(_shown(found))


def state(known: Known) -> str:
    """How a pattern stands, in words."""
    if known.undone_at is not None:
        return f"undone on {known.undone_at:%Y-%m-%d %H:%M}, runs do not go by it"
    return "runs go by it" if known.holds else "the last runs do not speak for it any more"


def _shown(found: Experience) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not found.patterns:
        return Text("Nothing was learned yet: it takes a run that has ended.")
    parts: list[RenderableType] = []
    for known in found.patterns:
        pattern = known.pattern
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column(overflow="fold")
        for seen in pattern.evidence:
            figures = ", ".join(f"{name} {_figure(value)}" for name, value in seen.figures.items() if value is not None)
            table.add_row(f"  {seen.run_id}", figures)
        head = Text.assemble((pattern.id, "bold"), f"  {state(known)}")
        parts += [head, Text(f"  {pattern.words}"), table, Text("")]
    for pipeline, trends in found.trends.items():
        for trend in trends:
            words = f"{trend.figure} {_figure(trend.before)} before, {_figure(trend.now)} now, of {trend.runs} runs"
            parts.append(Text(f"{pipeline}: {words}"))
    return Group(*parts, Text("Undo: crewline experience --undo ID", style="dim"))


def _figure(value: float | int | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
