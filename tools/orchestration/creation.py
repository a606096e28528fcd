"""Creating a pipeline: what a run looks at before it starts is looked at, and the pipeline is put on record."""

import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from core.spec import PipelineSpec, load
from core.spec.document import parse
from core.spec.source import PostgresSource
from core.store.database import Database
from tools.context import ToolContext
from tools.engine.engine import Engine
from tools.engine.files import find as find_files
from tools.orchestration.examination import examine, target_path
from tools.orchestration.registration import Pipeline, find, register
from tools.orchestration.requirements import make_plan
from tools.sources import Surroundings


class Creation(BaseModel):
    """The pipeline as it is on record; whether this put it there; and what is worth saying of its sources."""

    created: bool
    pipeline: Pipeline
    notes: list[str]


def create(
    database: Database,
    context: ToolContext,
    *,
    document: str | None = None,
    spec: dict[str, Any] | None = None,
    base_dir: str | None = None,
) -> Creation:
    """Check a pipeline as `crewline run` does before it starts, and register it. No row is worked on.

    Give either the path of a YAML `document`, under whose folder relative paths stand, or the `spec` itself as plain
    values, with the `base_dir` of its relative paths (by default the context's first root).

    Raises SpecError, SourceError, TargetError for what a run would refuse; Refused for a document, source or target
    outside of the context's roots, and for data above its clearance; Interrupted when the context's time is over.
    """
    if document is not None:
        path = context.path(document)
        found, folder = load(path), str(Path(path).parent)
    else:
        found, folder = parse(spec), context.path(base_dir or ".")
    _admit(found, folder, context)
    surroundings = Surroundings(base_dir=folder, database_url=database.url)
    with (
        tempfile.TemporaryDirectory() as scratch,
        context.deadline() as stop,
        Engine(context.limits, Path(scratch), stop) as engine,
    ):
        inspections = examine(engine, found, surroundings)
    plan = make_plan(found, inspections)
    new = register(database, found, plan, base_dir=folder, by=context.agent)
    pipeline = find(database, f"{found.name}@{found.fingerprint}").pipeline()
    return Creation(created=new, pipeline=pipeline, notes=plan.notes)


def _admit(spec: PipelineSpec, folder: str, context: ToolContext) -> None:
    """Raise Refused unless all that the pipeline reads and writes is within the context's bounds."""
    context.admit(spec.name, spec.governance.classification)
    context.path(str(target_path(spec, folder)))
    for source in spec.sources.values():
        if isinstance(source, PostgresSource):
            continue
        context.path(source.path if "://" in source.path else str(Path(folder) / source.path))
        for file in find_files(source.path, folder):
            # A link that the glob came upon may lead elsewhere.
            context.path(file.path)
