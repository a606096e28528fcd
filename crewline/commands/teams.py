"""Teams: who is best for a task, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crewline.terminal import Json, print_json, reported

if TYPE_CHECKING:
    from rich.console import RenderableType

    from crews import Team


def team(
    description: Annotated[
        str, typer.Argument(metavar="DESCRIPTION", help="What is to be done, such as: 'ingest and validate orders'.")
    ],
    profiles: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A YAML document with the profiles to choose from, instead of all agents."),
    ] = None,
    as_json: Json = False,
) -> None:
    """The best team for a task, what each component of its score is, and which teams came next."""
    from crewline.facade import teams
    from crewline.view import stdout

    with reported():
        found = teams.form_team(description, profiles=profiles)
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            stdout().print(shown(found))


def shown(found: Team) -> RenderableType:
    """A team as people read it."""
    from rich.console import Group
    from rich.text import Text

    return Group(_needs(found), Text(""), _members(found), Text(""), _scores(found), Text(""), _others(found))


def _needs(found: Team) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table("need", "level", "because of", "whose", box=None, pad_edge=False)
    for need in found.needs:
        table.add_row(need.called, need.level.word, need.why, ", ".join(found.configuration.owners[need.called]))
    if found.analysis is None:
        return table
    asked = found.analysis
    reached = ", ".join(f"{dimension} {share:.1%}" for dimension, share in asked.quality.items())
    head = (
        f"{asked.complexity} task by {asked.analyst}, expected to take {asked.duration_s:,} s; to be reached: {reached}"
    )
    return Group(Text(head), *(Text(note, style="yellow") for note in asked.notes), Text(""), table)


def _members(found: Team) -> RenderableType:
    from rich.table import Table

    shares = ("performance", "collaboration", "capacity", "throughput")
    table = Table("agent", "role", *shares, "tasks measured", box=None, pad_edge=False)
    for member in found.members:
        values = (f"{getattr(member, name):.3f}" for name in shares)
        table.add_row(member.agent, member.role, *values, str(member.measured))
    return table


def _scores(found: Team) -> RenderableType:
    from rich.table import Table

    table = Table("component", "score", "weight", "counts", box=None, pad_edge=False)
    for name, value in found.components.items():
        weight = found.formation.weights[name]
        table.add_row(name.replace("_", " "), f"{value:.3f}", f"{weight:.2f}", f"{weight * value:.4f}")
    table.add_row("all", "", "", f"{found.score:.4f}")
    return table


def _others(found: Team) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    how = found.formation
    proof = "none is better" if how.proven else f"at most {how.gap:.1%} below the best"
    told = f"{how.considered:,} teams of {how.able} able agents considered, of {how.pool} in all: {proof}."
    left_out = [Text(f"{agent} {reason}.", style="dim") for agent, reason in how.left_out.items()]
    if not how.runners_up:
        return Group(Text(f"{told} No other team is possible."), *left_out)
    table = Table("runner-up", "score", "behind", "what makes the difference", box=None, pad_edge=False)
    for other in how.runners_up:
        table.add_row(", ".join(other.agents), f"{other.score:.4f}", f"{other.behind:.4f}", other.why)
    return Group(table, Text(""), Text(told), *left_out)
