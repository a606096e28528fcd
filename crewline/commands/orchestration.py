"""Pipelines as wholes: how they do, what to change about them, where their data comes from and goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crewline.terminal import Json, print_json, reported

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tools.orchestration.lineage import Lineage
    from tools.orchestration.monitor import Health, Overview
    from tools.orchestration.optimization import Optimization

_NOTHING = "-"


def pipelines(as_json: Json = False) -> None:
    """All pipelines, and how their last runs went against what they promise."""
    from crewline.facade import orchestration
    from crewline.view import stdout

    with reported():
        found = orchestration.pipelines()
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            stdout().print(_overview(found))


def optimize(
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="A name, as `crewline pipelines` shows it.")],
    as_json: Json = False,
) -> None:
    """Where the time of a pipeline's runs goes, and what to change about that."""
    from crewline.facade import orchestration
    from crewline.view import stdout

    with reported():
        found = orchestration.optimize(pipeline)
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            stdout().print(_optimization(found))


def lineage(
    subject: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or the name of a pipeline.")],
    openlineage: Annotated[
        str | None,
        typer.Option(metavar="FILE_OR_URL", help="Send the run's OpenLineage events there, instead of showing."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Where the data of a run or a pipeline comes from and goes to."""
    from crewline.facade import orchestration
    from crewline.view import stdout

    with reported():
        if openlineage is not None:
            sent = orchestration.send_lineage(subject, openlineage)
            if as_json:
                print_json(sent.model_dump())
            else:
                typer.echo(f"Sent {sent.events} events of run {sent.run_id} to {sent.destination}.")
            return
        found = orchestration.lineage(subject)
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            stdout().print(_lineage(found))


def _overview(found: Overview) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    if not found.pipelines:
        return Text("No pipelines yet. Run one with: crewline run PIPELINE")
    headings = (
        "pipeline",
        "runs",
        "last",
        "published",
        "latency",
        "rows/h",
        "errors",
        "age",
        "breaches of the last run",
    )
    table = Table(*headings, box=None, pad_edge=False)
    for health in found.pipelines:
        table.add_row(*_health(health))
    return table


def _health(health: Health) -> list[str]:
    latency = health.latency_s
    raised = [f"{b.metric} {b.measured:.4g} {b.operator} {b.bound:g}" for b in health.open]
    return [
        health.name,
        str(health.runs),
        health.last_status or _NOTHING,
        _NOTHING if health.success_rate is None else f"{health.success_rate:.0%}",
        _NOTHING if latency is None else f"{latency.median:.1f} s, 95% {latency.p95:.1f} s",
        _NOTHING if health.records_per_hour is None else f"{health.records_per_hour:,.0f}",
        _NOTHING if health.error_share is None else f"{health.error_share:.2%}",
        _NOTHING if health.freshness_s is None else f"{health.freshness_s:,.0f} s",
        ", ".join(raised) or _NOTHING,
    ]


def _optimization(found: Optimization) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [Text(f"{found.pipeline}, version {found.version[:12]}: {found.note}")]
    if found.bottleneck is not None and found.run_s is not None:
        most = found.bottleneck
        spent = Table("step", "seconds", "share", box=None, pad_edge=False)
        for step, seconds in found.spent.items():
            spent.add_row(step, f"{seconds:.2f}", f"{seconds / found.run_s:.0%}")
        words = f"A run takes {found.run_s:.2f} s; most of it, {most.share:.0%}, goes to {most.step}.\n"
        parts += [Text(words), spent]
    for case in found.advice:
        gain = "" if case.gain_s is None else f"  (about {case.gain_s:.2f} s a run)"
        evidence = "; ".join(f"{name}: {_words(value)}" for name, value in case.evidence.items())
        parts += [Text(f"\n{case.change}{gain}", style="bold"), Text(f"  because: {evidence}")]
        parts += [Text(f"  gain: {case.formula}")] if case.formula else []
        parts.append(Text(f"  but: {case.caveat}"))
    return Group(*parts)


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} ({n})" for name, n in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _lineage(found: Lineage) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    data = Table("from", "", "to", box=None, pad_edge=False)
    columns = Table("column", "", "of", "by", box=None, pad_edge=False)
    for edge in found.edges:
        if edge.kind in ("reads", "looks_up", "writes", "publishes"):
            data.add_row(edge.source, edge.kind.replace("_", " "), edge.target)
        elif edge.kind in ("derives", "decides"):
            by = edge.details["by"]
            words = by if isinstance(by, str) else "; ".join(by)
            columns.add_row(edge.target, edge.details["how"], edge.source, words)
    return Group(Text(found.subject, style="bold"), data, Text(""), columns)
