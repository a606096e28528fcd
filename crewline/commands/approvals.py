"""What waits for a person: shown, approved, denied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crewline.terminal import Json, plain, print_json, reported

if TYPE_CHECKING:
    from rich.console import RenderableType

    from delegation.approvals import Approval

_Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a request, as `crewline approvals` shows it.")]
_By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides.")]
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is decided so.")]


def approvals(
    closed: Annotated[bool, typer.Option("--all", help="Also those that were decided or ran out of time.")] = False,
    as_json: Json = False,
) -> None:
    """List what waits for a person's approval, oldest first."""
    from crewline.facade import approvals
    from crewline.view import stdout

    with reported():
        found = approvals.approvals(closed=closed)
        if as_json:
            print_json({"approvals": [approval.model_dump(mode="json") for approval in found]})
        else:
            stdout().print(_table(found))


def approve(approval_id: _Id, by: _By, reason: _Reason, as_json: Json = False) -> None:
    """Approve a request. A run that waits for it then goes on by `crewline resume`."""
    from crewline.facade import approvals

    with reported():
        _told(approvals.approve(approval_id, by=by, reason=reason), as_json)


def deny(approval_id: _Id, by: _By, reason: _Reason, as_json: Json = False) -> None:
    """Deny a request. A run that waits for it then fails by `crewline resume`, and publishes nothing."""
    from crewline.facade import approvals

    with reported():
        _told(approvals.deny(approval_id, by=by, reason=reason), as_json)


def _told(decided: Approval, as_json: bool) -> None:
    if as_json:
        print_json(decided.model_dump(mode="json"))
        return
    typer.echo(plain(f"{decided.approval} ({decided.subject}) {decided.words}."))
    if decided.run_id:
        typer.echo(f"The run goes on with: crewline resume {decided.run_id}")


def _table(found: list[Approval]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not found:
        return Text("Nothing waits for approval.")
    parts: list[RenderableType] = []
    for approval in found:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        table.add_row(approval.approval, plain(f"{approval.subject}: {approval.words}"))
        table.add_row("  because", plain(approval.reason))
        for name, value in approval.seen.items():
            shown = ", ".join(f"{key} {v}" for key, v in value.items()) if isinstance(value, dict) else str(value)
            table.add_row(f"  {plain(name)}", plain(shown))
        if approval.account:
            table.add_row("  account", approval.account)
        parts += [table, Text("")]
    pending = any(approval.status == "pending" for approval in found)
    return Group(*parts, Text("Decide: crewline approve ID --by NAME --reason TEXT" if pending else "", style="dim"))
