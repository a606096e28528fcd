"""Reports, runs and audits as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from core.journal import Event
from core.report import Records, RunReport
from core.run import Run
from crewline.doctor import Finding

if TYPE_CHECKING:
    from flows.audit import Audit
    from tools.quality.report import QualityReport

# What of an event's data goes into the timeline.
_TOLD = ("route", "reason", "message", "attempt", "seconds", "error", "failure", "change")

_COLOUR = {
    "published": "green",
    "done": "green",
    "failed": "red",
    "waiting": "yellow",
    "interrupted": "yellow",
    "running": "cyan",
}


def stdout() -> Console:
    """The console on standard output; wide enough not to fold tables when it is no terminal."""
    # Words from data and errors may have brackets in them, which are no markup.
    console = Console(markup=False, highlight=False)
    return console if console.is_terminal else Console(markup=False, highlight=False, width=160)


def report_summary(report: RunReport) -> RenderableType:
    """What a run came to, in a few lines."""
    quality = report.quality
    dimensions = ("completeness", "consistency", "accuracy")
    parts = [f"{name} {_percent(getattr(quality, name))}" for name in dimensions]
    grid = _grid()
    grid.add_row("run", report.run_id)
    grid.add_row("status", Text(report.status, style=_COLOUR.get(report.status, "")))
    grid.add_row("route", report.route)
    grid.add_row("quality", f"{_percent(quality.overall)} ({', '.join(parts)})")
    grid.add_row("rows", _account(report.records))
    grid.add_row("tasks", f"{report.tasks.completed} completed, {report.tasks.failed} failed")
    grid.add_row("target", report.target if report.status == "published" else f"{report.target} (left as it was)")
    grid.add_row("time", f"{report.duration_s:.1f} s, {report.throughput_rps:,.0f} rows/s")
    return Group(grid, Text(_next_step(report), style="dim"))


def run_table(runs: list[Run]) -> RenderableType:
    """Runs, one a line."""
    if not runs:
        return Text("No runs yet. Start one with: crewline run PIPELINE")
    table = Table("run", "status", "started", "rows in", "rows out", "quality", "error", box=None, pad_edge=False)
    for run in runs:
        report = RunReport.model_validate(run.report) if run.report and run.kind == "pipeline" else None
        table.add_row(
            run.run_id,
            Text(run.status, style=_COLOUR.get(run.status, "")),
            f"{run.created_at:%Y-%m-%d %H:%M:%S}",
            f"{report.records.rows_in:,}" if report else "",
            f"{report.records.out:,}" if report else "",
            _percent(report.quality.overall) if report else "",
            (run.error or "")[:60],
        )
    return table


def run_details(run: Run, events: list[Event]) -> RenderableType:
    """A run with its timeline."""
    grid = _grid()
    grid.add_row("run", run.run_id)
    grid.add_row("status", Text(run.status, style=_COLOUR.get(run.status, "")))
    if run.kind == "pipeline":
        grid.add_row("document", run.document or "(none)")
    if run.holder:
        grid.add_row("worked on by", f"process {run.holder['pid']} on {run.holder['host']}")
    if run.error:
        grid.add_row("error", run.error)
    table = Table("at", "what", "step", "who", "", box=None, pad_edge=False)
    for event in events:
        told = {key: value for key, value in event.data.items() if key in _TOLD}
        rows = event.data.get("rows") if event.kind == "step.committed" else None
        if isinstance(rows, dict) and "rows_in" in rows:
            told["rows"] = f"{rows['rows_in']} -> {rows['rows_out']}"
        words = ", ".join(f"{key} {value}" for key, value in told.items())
        table.add_row(f"{event.at:%H:%M:%S.%f}"[:-3], event.kind, event.step or "", event.actor, words)
    return Group(grid, Text(""), table)


def audit_table(audit: Audit) -> RenderableType:
    """The account by dataset, and the checks that were made."""
    accounts = Table("dataset", "in", "out", "quarantined", "merged", "filtered", box=None, pad_edge=False)
    for name, records in [*audit.datasets.items(), ("all", audit.records)]:
        counts = (records.rows_in, records.out, records.quarantined, records.merged, records.filtered)
        accounts.add_row(name, *(f"{n:,}" for n in counts), style="bold" if name == "all" else "")
    checks = Table("check", "", "", box=None, pad_edge=False)
    marks = {True: Text("holds", style="green"), False: Text("FAILS", style="red"), None: Text("open", style="yellow")}
    for check in audit.checks:
        checks.add_row(check.name, marks[check.passed], check.detail)
    files = [Text(f"rows that left: {path}") for path in audit.left]
    files += [Text(f"repaired cells: {path}") for path in audit.repairs]
    verdict = "Every row is accounted for" if audit.balanced else "The account does NOT hold"
    return Group(
        accounts,
        Text(""),
        checks,
        Text(""),
        *files,
        Text(f"{verdict}: {_account(audit.records)}", style="bold green" if audit.balanced else "bold red"),
    )


def quality_report(report: QualityReport) -> RenderableType:
    """What a dataset is worth, check by check, and some of the rows that fail."""
    table = Table("", "check", "severity", "dimension", "found", box=None, pad_edge=False)
    samples = []
    for verdict in report.verdicts:
        failed = (
            "" if verdict.passed else f"rows failing: {verdict.failed:,}" if verdict.failed is not None else "fails"
        )
        found = ", ".join(filter(None, [failed, verdict.observed]))
        worst = "red" if verdict.severity != "minor" else "yellow"
        mark = Text("ok", style="green") if verdict.passed else Text("BAD", style=worst)
        table.add_row(mark, verdict.check, verdict.severity, verdict.dimension, found)
        for part in verdict.partitions:
            if not part.passed:
                table.add_row(
                    "", f"  {part.label}", "", "", part.observed or f"rows failing: {part.failed:,} of {part.rows:,}"
                )
        samples += [Text(f"{verdict.check}: {row}", style="dim") for row in verdict.sample]
    grid = _grid()
    grid.add_row("dataset", f"{report.dataset}, {report.rows:,} rows")
    grid.add_row(
        "quality", ", ".join(f"{name} {_percent(score)}" for name, score in report.quality.items()) or "unmeasured"
    )
    for note in report.notes:
        grid.add_row("note", Text(note))
    return Group(grid, table, *samples)


def findings_table(findings: list[Finding]) -> RenderableType:
    """What the doctor found."""
    table = Table("", "what", "found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        mark = Text("ok", style="green") if finding.ok else Text("BAD", style="red")
        table.add_row(mark, finding.name, finding.found, finding.remedy)
    return table


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    return grid


def _account(records: Records) -> str:
    held = f" + {records.held:,} not published" if records.held else ""
    return (
        f"{records.rows_in:,} in = {records.out:,} out + {records.quarantined:,} quarantined"
        f" + {records.merged:,} merged + {records.filtered:,} filtered{held}"
    )


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"


def _next_step(report: RunReport) -> str:
    if report.status == "waiting":
        return f"It waits for a person: crewline approvals; once that is decided: crewline resume {report.run_id}"
    if report.status == "failed":
        return (
            f"Why, and what to change: crewline investigate {report.run_id}; all of it: crewline report {report.run_id}"
        )
    return f"Proof of the account, and the rows that left: crewline audit {report.run_id}"
