"""Lineage: where the data of a pipeline, or of one of its runs, comes from and goes to, as a graph."""

from typing import Any, Literal

from pydantic import BaseModel

from core.spec import PipelineSpec
from core.spec.document import parse
from core.spec.source import PostgresSource
from core.store.database import Database
from core.task import Stage, Task
from tools.context import ToolContext
from tools.orchestration.columns import SourceColumn, trace
from tools.orchestration.examination import target_path
from tools.orchestration.history import History, read
from tools.orchestration.registration import dependencies_of, find

NodeKind = Literal["pipeline", "run", "source", "task", "dataset", "output", "column"]
EdgeKind = Literal["part_of", "reads", "looks_up", "writes", "publishes", "derives", "decides"]


class Node(BaseModel):
    """A thing in the graph. Ids begin with the kind: `task:validation/orders`, `column:sources/orders.amount`."""

    id: str
    kind: NodeKind
    name: str
    details: dict[str, Any] = {}


class Edge(BaseModel):
    """From a node to the one that its data goes into; `part_of` leads from the part to the whole.

    `derives` leads from a source's column to a published one that is made of it; `decides` from one to the output about
    whose rows it decides.
    """

    source: str
    target: str
    kind: EdgeKind
    details: dict[str, Any] = {}


class Lineage(BaseModel):
    """The graph. Each edge leads between nodes that are in it; `subject` is the id of what was asked for."""

    subject: str
    nodes: list[Node]
    edges: list[Edge]


def lineage(
    database: Database, context: ToolContext, pipeline: str | None = None, *, run_id: str | None = None
) -> Lineage:
    """The lineage of a pipeline, as its spec says; with `run_id`, that of a run, as it was recorded.

    Raises InputError if there is no such pipeline, RunNotFound; Refused for data above the context's clearance.
    """
    if run_id is None:
        found = find(database, pipeline or "", context)
        return _of_pipeline(found.spec, found.base_dir)
    history = read(database, run_id)
    spec = parse(history.run.spec, document=f"spec of run {run_id}")
    context.admit(spec.name, spec.governance.classification)
    return _of_run(spec, history)


class _Graph:
    """A graph in the making."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []

    def node(self, kind: NodeKind, name: str, /, **details: Any) -> str:
        found = Node(id=f"{kind}:{name}", kind=kind, name=name, details=details)
        self.nodes.setdefault(found.id, found)
        return found.id

    def edge(self, source: str, kind: EdgeKind, target: str, **details: Any) -> None:
        self.edges.append(Edge(source=source, target=target, kind=kind, details=details))

    def columns(self, spec: PipelineSpec, output: str) -> None:
        """The published columns, and what they come from."""
        found = trace(spec)
        for name, derivation in found.columns.items():
            column = self.node("column", f"target/{name}")
            self.edge(column, "part_of", output)
            for origin in derivation.inputs:
                self.edge(self._of_source(spec, origin), "derives", column, how=derivation.kind, by=derivation.by)
        for influence in found.influences:
            origin_id = self._of_source(spec, influence.input)
            self.edge(origin_id, "decides", output, how=influence.kind, by=influence.by)

    def _of_source(self, spec: PipelineSpec, origin: SourceColumn) -> str:
        name = f"sources/{origin.dataset}.{origin.column}"
        known = f"column:{name}" in self.nodes
        declared = spec.sources[origin.dataset].columns[origin.column]
        column = self.node("column", name, type=declared.type)
        if not known:
            self.edge(column, "part_of", f"source:{origin.dataset}")
        return column

    def finished(self) -> Lineage:
        return Lineage(subject=self.subject, nodes=list(self.nodes.values()), edges=self.edges)


def _of_pipeline(spec: PipelineSpec, base_dir: str) -> Lineage:
    graph = _Graph(f"pipeline:{spec.name}")
    whole = graph.node("pipeline", spec.name, version=spec.fingerprint)
    needed = dependencies_of(spec)
    for unit, needs in needed.items():
        stage, _, dataset = unit.partition("/")
        task = graph.node("task", unit)
        graph.edge(task, "part_of", whole)
        if stage == Stage.INGESTION:
            graph.edge(_source(graph, spec, dataset), "reads", task)
        for need in needs:
            kind: EdgeKind = "reads" if need.partition("/")[2] == dataset else "looks_up"
            graph.edge(f"dataset:{need}", kind, task)
        graph.edge(task, "writes", graph.node("dataset", unit))
    last = [unit for unit in needed if unit.partition("/")[2] == spec.result][-1]
    output = graph.node("output", str(target_path(spec, base_dir)), format=spec.target.format)
    graph.edge(f"dataset:{last}", "publishes", output)
    graph.columns(spec, output)
    return graph.finished()


def _of_run(spec: PipelineSpec, history: History) -> Lineage:
    run = history.run
    graph = _Graph(f"run:{run.run_id}")
    whole = graph.node("run", run.run_id, status=run.status, started_at=run.created_at, finished_at=run.finished_at)
    graph.edge(whole, "part_of", graph.node("pipeline", run.pipeline, version=run.fingerprint))
    for task in history.tasks.values():
        graph.edge(_performed(graph, spec, history, task), "part_of", whole)
    closing = history.closing()
    if closing and closing.version:
        output = graph.node("output", str(target_path(spec, run.base_dir)), version=closing.version)
        for key in history.last(spec.result):
            graph.edge(f"dataset:{key}", "publishes", output)
        graph.columns(spec, output)
    return graph.finished()


def _performed(graph: _Graph, spec: PipelineSpec, history: History, task: Task) -> str:
    """A task of a run, with what it read and, if it is done, what it wrote."""
    outcome = history.outcome(task.key)
    measured: dict[str, Any] = {"status": history.steps[task.key].status if task.key in history.steps else "not begun"}
    if outcome:
        measured |= {"agent": outcome.agent, "seconds": outcome.seconds, "rows": outcome.rows.model_dump()}
        measured |= {"left": outcome.leaving} if outcome.leaving else {}
    node = graph.node("task", task.key, **measured)
    if task.stage == Stage.INGESTION and history.plan:
        files = [part.path for part in history.plan.parts[task.dataset]]
        graph.edge(_source(graph, spec, task.dataset, files=files), "reads", node)
    for key in task.inputs:
        graph.edge(graph.node("dataset", key), "reads", node)
    for keys in task.context.values():
        for key in keys:
            graph.edge(graph.node("dataset", key), "looks_up", node)
    if outcome and outcome.output:
        written = outcome.output.model_dump(mode="json")
        # Those who read it come after it in the plan, and find it here.
        graph.edge(node, "writes", graph.node("dataset", task.key, **written))
    return node


def _source(graph: _Graph, spec: PipelineSpec, name: str, **details: Any) -> str:
    source = spec.sources[name]
    place = source.table if isinstance(source, PostgresSource) else source.path
    return graph.node("source", name, kind=source.kind, place=place, **details)
