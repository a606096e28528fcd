"""From a goal in words to a pipeline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import AmbiguousGoal
from crewline.terminal import Json, print_json, reported

if TYPE_CHECKING:
    from graphs.planning.data.proposal import Proposal

# Of so many risks a person is told; the document's head has three.
_RISKS = 8


def plan(
    goal: Annotated[str, typer.Argument(help='What is wanted, such as "monthly revenue by region".')],
    sources: Annotated[str, typer.Option("--sources", metavar="DIR", help="The folder with the data files.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The document to write.")] = Path("pipeline.yaml"),
    reading: Annotated[
        int | None, typer.Option("--reading", min=1, help="Which reading, where the goal can be read in several ways.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Plan a pipeline from a goal in words, and write its document, with why each part is there."""
    from crewline.facade import planning

    with reported():
        try:
            proposal = planning.plan(goal, sources, out=out, reading=reading)
        except AmbiguousGoal as ambiguous:
            if as_json or not at_terminal():
                raise
            proposal = planning.plan(goal, sources, out=out, reading=_asked(ambiguous))
        if as_json:
            print_json({**proposal.shown(), "document": str(out)})
        else:
            _tell(proposal, out)


def at_terminal() -> bool:
    """Whether a person is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _asked(ambiguous: AmbiguousGoal) -> int:
    """Which reading the person at the terminal means."""
    typer.echo(ambiguous.what, err=True)
    while True:
        number: int = typer.prompt(f"Which one, from 1 to {len(ambiguous.readings)}", type=int, err=True)
        if 1 <= number <= len(ambiguous.readings):
            return number


def _tell(proposal: Proposal, out: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    from crewline.view import stdout

    console = stdout()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    grid.add_row("read as", proposal.reading)
    for remark in proposal.remarks:
        grid.add_row("note", remark)
    console.print(grid, "", Text(proposal.steps), "")
    told = Table.grid(padding=(0, 2))
    told.add_column(style="bold")
    told.add_column(overflow="fold")
    told.add_row("confidence", f"{proposal.confidence:.0%}")
    told.add_row("duration", f"about {proposal.duration_s:.1f} s")
    for risk in proposal.risks[:_RISKS]:
        told.add_row("risk", f"{risk.probability:.1%}: {risk.cause}")
    told.add_row("document", str(out))
    console.print(told, Text(f"Run it with: crewline run {out}", style="dim"))
