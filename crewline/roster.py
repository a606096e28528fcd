"""Agents, and pipelines assembled of them, as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from crews.registry import Plan, Suggestion
    from crews.registry.overview import Overview
    from graphs import AssemblyReport

_NOTHING = "-"


def overview_table(found: Overview) -> RenderableType:
    """All agents, one a line."""
    table = Table(*("agent", "can do", "takes", "gives", "tasks", "done", "rows/s", "free"), box=None, pad_edge=False)
    for one in found.agents:
        definition, standing = one.definition, one.standing
        table.add_row(
            definition.id,
            ", ".join(_level(name, level) for name, level in definition.capabilities.items()),
            str(definition.input),
            str(definition.output),
            f"{standing.tasks:,}",
            _percent(standing.success),
            _NOTHING if standing.throughput_rps is None else f"{standing.throughput_rps:,.0f}",
            _percent(standing.availability),
        )
    parts: list[RenderableType] = [table]
    if found.made:
        made = Table(*("made at run time", "agents", "runs", "attempts", "done", "seconds"), box=None, pad_edge=False)
        for creation in found.made:
            seconds = _NOTHING if creation.seconds is None else f"{creation.seconds:.2f}"
            counts = (f"{n:,}" for n in (creation.agents, creation.runs, creation.attempts))
            made.add_row(creation.template, *counts, _percent(creation.success), seconds)
        parts += [Text(""), made]
    return Group(*parts)


def plan_table(plan: Plan) -> RenderableType:
    """The stages of a pipeline, who does them, and why."""
    table = Table(
        *("stage", "agent", "score", "can", "measured", "free", "instead of", "needs"), box=None, pad_edge=False
    )
    for stage in plan.stages:
        score = stage.score
        table.add_row(
            stage.capability,
            stage.agent.id,
            f"{score.total:.3f}",
            *(f"{part:.2f}" for part in (score.capability, score.performance, score.availability)),
            ", ".join(f"{other.agent} {other.total:.3f}" for other in stage.others) or _NOTHING,
            ", ".join(stage.missing) or _NOTHING,
        )
    return table


def suggestions_table(found: list[Suggestion]) -> RenderableType:
    """Ways from one capability to another, one a line."""
    return Group(*(Text(" -> ".join(suggestion.agents)) for suggestion in found))


def assembly_summary(report: AssemblyReport) -> RenderableType:
    """The account of an assembled pipeline's run."""
    table = Table(
        *("stage", "agent", "in", "out", "quarantined", "merged", "filtered", "groups", "seconds"),
        box=None,
        pad_edge=False,
    )
    for stage in report.stages:
        counts = (stage.rows_in, stage.rows_out, stage.quarantined, stage.merged, stage.filtered)
        groups = _NOTHING if stage.groups is None else f"{stage.groups:,}"
        table.add_row(stage.capability, stage.agent, *(f"{n:,}" for n in counts), groups, f"{stage.seconds:.2f}")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    grid.add_row("run", report.run_id)
    grid.add_row("status", Text(report.status, style="green" if report.status == "done" else "red"))
    if report.status == "done":
        grid.add_row("account", "balanced" if report.balanced else "does not add up")
        grid.add_row("result", report.out or ", ".join(report.output))
    for stage in report.stages:
        for note in stage.notes:
            grid.add_row("note", f"{stage.agent}: {note}")
        if stage.left_file:
            why = ", ".join(f"{n:,} {key.replace(':', ' by ', 1)}" for key, n in stage.leaving.items())
            grid.add_row("left", f"{stage.agent}: {why}, in {stage.left_file}")
    grid.add_row("time", f"{report.seconds:.1f} s")
    return Group(table, Text(""), grid)


def _level(name: str, level: float) -> str:
    return name if level == 1 else f"{name} {level:g}"


def _percent(share: float | None) -> str:
    return _NOTHING if share is None else f"{share:.0%}"
