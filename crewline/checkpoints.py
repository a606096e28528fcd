"""Graphs' runs and their checkpoints as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from graphs.checkpoints.storage import Storage
    from graphs.inspection import Inspection, Moment
    from graphs.runs import GraphReport, Question


def graph_summary(report: GraphReport) -> RenderableType:
    """What a graph's run came to, in a few lines."""
    grid = _grid()
    grid.add_row("run", report.run_id)
    grid.add_row("status", report.status)
    grid.add_row("branches", _counts(report.state.get("completed_branches", {})))
    if verdict := report.state.get("validation"):
        grid.add_row("verdict", f"{verdict['decision']}: {verdict['reason']}")
    grid.add_row("time", f"{report.seconds:.1f} s")
    return Group(grid, *_asked(report.run_id, report.questions))


def inspection_table(found: Inspection) -> RenderableType:
    """Where a graph's run stands."""
    grid = _grid()
    grid.add_row("graph", found.graph)
    grid.add_row("branches", _counts(found.branches) or "none yet")
    for name, sync in found.sync.items():
        grid.add_row("sync point", f"{name}: {sync['status']}, {sync['arrived']} of {sync['branches']} arrived")
    if found.result:
        grid.add_row("result", str(found.result["status"]))
    return Group(grid, *_asked(found.run_id, found.questions))


def moments_table(moments: list[Moment]) -> RenderableType:
    """Checkpoints, one a line."""
    if not moments:
        return Text("No checkpoints.")
    table = Table("checkpoint", "thread", "step", "at", "next", "branches", box=None, pad_edge=False)
    for moment in moments:
        after = ", ".join(name if n == 1 else f"{name} x {n}" for name, n in moment.next.items())
        table.add_row(
            *(moment.checkpoint, moment.thread, str(moment.step), f"{moment.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]),
            *(after or "(end)", _counts(moment.branches)),
        )
    return table


def storage_table(found: Storage) -> RenderableType:
    """The room that checkpoints take."""
    runs = Table("run", "status", "threads", "checkpoints", "bytes", box=None, pad_edge=False)
    for run in found.runs:
        counts = (len(run.threads), run.checkpoints, run.bytes)
        runs.add_row(run.run_id or "(of no run)", run.status or "", *(f"{n:,}" for n in counts))
    tables = Table("table", "bytes", "of them indexes", box=None, pad_edge=False)
    for table in found.tables:
        tables.add_row(table.table, f"{table.bytes:,}", f"{table.indexes:,}")
    total = f"{found.bytes:,} bytes on disk: {found.checkpoints:,} checkpoints of {found.threads:,} threads."
    return Group(runs, Text(""), tables, Text(""), Text(total, style="bold"))


def _asked(run_id: str, questions: list[Question]) -> list[RenderableType]:
    if not questions:
        return []
    table = Table("question", "about", "answers", "", box=None, pad_edge=False)
    for question in questions:
        told = {key: value for key, value in question.about.items() if key not in ("about", "answers")}
        words = ", ".join(f"{key} {value}" for key, value in told.items())
        table.add_row(question.id, question.about["about"], " | ".join(question.about["answers"]), words)
    answers = " ".join(f"--answer {question.id}=ANSWER" for question in questions)
    return [Text(""), table, Text(f"It waits for a person: crewline resume {run_id} {answers}", style="dim")]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {status}" for status, n in counts.items() if n)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    return grid
