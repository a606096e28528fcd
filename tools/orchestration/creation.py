"""Creating a pipeline: what a run looks at before it starts is looked at, and the pipeline is put on record."""

import tempfile
from pathlib import Path

import yaml
from pydantic import BaseModel

from core.errors import SpecError
from core.settings import settings
from core.spec import PipelineSpec, loads
from core.spec.source import PostgresSource
from core.store.database import Database
from tools.context import ToolContext
from tools.discovery.clearance import allowed
from tools.engine.engine import Engine
from tools.engine.files import find as find_files
from tools.engine.spark.requirement import check_engine
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
    path: str | None = None,
    document: str | None = None,
    base_dir: str | None = None,
) -> Creation:
    """Check a pipeline as `crewline run` does before it starts, and register it. No row is worked on.

    Give either the `path` of a YAML document, under whose folder relative paths stand, or the `document` itself as
    text, with the `base_dir` of its relative paths (by default the context's first root).

    Raises InputError (SpecError, SourceError, TargetError, ...) for what a run would refuse; Refused for a document,
    source or target outside of the context's roots, and for data above its clearance; Interrupted when the context's
    time is over.
    """
    if path is not None:
        place = context.path(path)
        text, folder = _read(place), str(Path(place).parent)
    else:
        text, folder = document or "", context.path(base_dir or ".")
    found = loads(_without_aliases(text), document=path or "document")
    _admit(found, folder, context, database)
    check_engine(found.engine)
    surroundings = Surroundings(base_dir=folder, database_url=database.url)
    with (
        tempfile.TemporaryDirectory() as scratch,
        context.deadline() as stop,
        # Rules mean the same on every engine; none that a document names is started for an agent's asking.
        Engine(context.limits, Path(scratch), stop) as engine,
    ):
        inspections = examine(engine, found, surroundings)
    plan = make_plan(found, inspections, threads=settings().engine_threads)
    new = register(database, found, plan, base_dir=folder, by=context.agent)
    pipeline = find(database, f"{found.name}@{found.fingerprint}").pipeline()
    return Creation(created=new, pipeline=pipeline, notes=plan.notes)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(path, [f"cannot be read: {error}"], remedy="Give the path of a YAML file.") from error


def _without_aliases(text: str) -> str:
    """The text. Raises SpecError if it has aliases: a few lines of them can stand for more than memory holds."""
    try:
        aliased = any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text))
    except yaml.YAMLError:
        # What is wrong with it, the reader of documents says with its place.
        return text
    if aliased:
        raise SpecError(
            "document", ["has aliases (`*name`), which are not taken from an agent"], remedy="Write it out."
        )
    return text


def _admit(spec: PipelineSpec, folder: str, context: ToolContext, database: Database) -> None:
    """Raise Refused unless all that the pipeline reads and writes is within the context's bounds."""
    context.admit(spec.name, spec.governance.classification)
    context.path(str(target_path(spec, folder)))
    ask = allowed(context, lambda: database)
    for source in spec.sources.values():
        if isinstance(source, PostgresSource):
            # Databases are named by the variable that their URL stands in: an agent must not choose any.
            context.path(f"postgresql://{source.url_env or 'crewline'}/{source.table}")
            continue
        for path in (source.path, *source.also_at):
            context.path(path if "://" in path else str(Path(folder) / path))
            for file in find_files(path, folder):
                # A link that the glob came upon may lead elsewhere.
                ask(file.path)
