"""The command that looks into a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crewline.terminal import Json, RunId, print_json, reported

if TYPE_CHECKING:
    from rich.console import RenderableType

    from flows.investigation.investigation import Investigation


def investigate(
    run_id: RunId,
    apply: Annotated[bool, typer.Option("--apply", help="Write the proposed change into the run's document.")] = False,
    as_json: Json = False,
) -> None:
    """Explain why a run failed or took a detour, and propose a change to its spec."""
    from crewline.facade import investigation
    from crewline.view import stdout

    with reported():
        found = investigation.investigate(run_id, apply=apply)
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            stdout().print(_told(found))


def _told(found: Investigation) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    steps = Table("", "thought", "action", "learned", "quality", "by", box=None, pad_edge=False)
    for step in found.steps:
        about = ", ".join(str(value) for value in step.arguments.values() if isinstance(value, str))
        action = step.action if step.action == "final_result" else f"{step.action} {about}".strip()
        learned = step.error or ", ".join(step.learned)
        steps.add_row(
            str(step.number), step.thought, action, Text(learned, overflow="fold"), f"{step.quality:.2f}", step.reasoner
        )
    notes = [Text(note, style="yellow") for step in found.steps for note in step.notes]
    parts: list[RenderableType] = [steps, *notes, Text(""), Text(found.conclusion, style="bold")]
    parts += [Text(f"Proposed: {change}.") for change in found.changes]
    if found.diff:
        parts += [Text(""), Text(found.diff.rstrip("\n"))]
    if found.applied:
        parts.append(Text(f"Written to {found.document}. Run it: crewline run {found.document}", style="green"))
    elif found.diff:
        parts.append(Text(f"To write it: crewline investigate {found.run_id} --apply", style="dim"))
    else:
        parts.append(Text(f"No change is proposed. {found.unproposed}"))
    return Group(*parts)
