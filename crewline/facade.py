"""What `import crewline` offers. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from core.journal import Event, Listener
    from core.report import RunReport
    from core.run import Run
    from core.spec import Check, Checklist, PipelineSpec
    from core.stop import Stop
    from core.store import Database
    from flows.audit import Audit
    from flows.gc import Garbage
    from flows.replay import Replay
    from tools.context import ToolContext
    from tools.discovery import Crawl, Discovery, Entry
    from tools.orchestration.lineage import Lineage
    from tools.orchestration.monitor import Overview
    from tools.orchestration.openlineage.sending import Sent
    from tools.orchestration.optimization import Optimization
    from tools.quality.cleaning.cleaning import Cleaning
    from tools.quality.profile import Profile
    from tools.quality.report import QualityReport


def run(
    spec: PipelineSpec | str | Path,
    *,
    base_dir: str | Path | None = None,
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> RunReport:
    """Run a pipeline from its start, and return what it came to.

    `spec` is a PipelineSpec or the path of a YAML document. Relative paths in it stand under the document's folder, or
    under `base_dir`. `stop.request(...)` from another thread interrupts the run at a safe place; `listener` is told
    each event of the run's journal.

    Raises InputError (SpecError, SourceError, TargetError, ...) for what cannot be worked with, Interrupted,
    StoreUnavailable, LeaseLost. A run that the quality gate refuses is no error: its report says `failed`.
    """
    return _kickoff(spec=spec, base_dir=base_dir, stop=stop, listener=listener)


def resume(
    run_id: str,
    *,
    compatible: bool = False,
    approved_by: str | None = None,
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> RunReport:
    """Go on with a run that was killed, interrupted, failed or waits. What it had finished is not done again.

    `compatible` declares that a spec changed since the run began fits what is done already. `approved_by` names who
    approves publishing, if the run waits for that. Raises as `run` does, and RunNotFound, RunHeld (another living
    process works on it), RunFinished, SpecChanged.
    """
    return _kickoff(run_id=run_id, compatible=compatible, approved_by=approved_by, stop=stop, listener=listener)


def status(run_id: str | None = None, *, limit: int = 50) -> list[Run]:
    """The newest runs, or the one named. Raises RunNotFound."""
    from core import run as runs

    with database() as store:
        return [runs.get(store, run_id)] if run_id else runs.newest(store, limit)


def audit(run_id: str) -> Audit:
    """Prove a run's account from its files: `in = out + quarantined + merged + filtered`.

    Raises RunNotFound; InputError if the run has not come to its end yet.
    """
    from core.settings import settings
    from flows.audit import audit as prove

    with database() as store:
        return prove(store, run_id, settings())


def check(
    data: str | Path | pa.Table,
    checks: Checklist | Sequence[Check] | str | Path,
    *,
    references: Mapping[str, str | Path | pa.Table] | None = None,
) -> QualityReport:
    """Check a CSV, JSON lines or Parquet file, or an Arrow table, and change nothing.

    `checks` are checks of `core.spec`, a Checklist, or the path of a YAML document with them. `references` has the
    datasets that foreign keys refer to, besides those that the document names. Raises SpecError, SourceError,
    ExpressionError, CheckError. Data that fails is no error: its report says so.
    """
    from core.spec import load_checklist
    from tools.quality.report import check_dataset

    wanted = load_checklist(checks) if isinstance(checks, (str, Path)) else checks
    return check_dataset(data, wanted, references=references)


def replay(run_id: str, out: str | Path, *, dataset: str | None = None) -> Replay:
    """Write the rows that a run quarantined as a source file of the columns that they came with.

    Its name ends in `.csv` or `.jsonl`. `dataset` may be left out if rows of one alone were quarantined. Raises
    RunNotFound; InputError if the run has not come to its end yet, or quarantined no such row.
    """
    from flows.replay import write_quarantined

    with database() as store:
        return write_quarantined(store, run_id, Path(out), dataset)


def timeline(run_id: str) -> list[Event]:
    """The journal of a run, in order. Raises RunNotFound."""
    from core import journal
    from core import run as runs

    with database() as store:
        return journal.events(store, runs.get(store, run_id).run_id)


def collect_garbage() -> Garbage:
    """Remove files that no record refers to, and return how much it was."""
    from core.settings import settings
    from flows.gc import collect

    with database() as store:
        return collect(store, settings())


def crawl(url: str) -> Crawl:
    """Bring the catalog up to date with a source: a folder, or the URL of an object store, a PostgreSQL database, a
    Kafka broker, an OpenAPI document; or the path of a `.duckdb` file. What has not changed is not read.

    Raises SourceError when the source cannot be listed, InputError for a URL that nothing reads, StoreUnavailable.
    """
    from tools.discovery import crawl as bring_up_to_date

    with database() as store:
        return bring_up_to_date(url, store)


def catalog_sources() -> list[str]:
    """The sources that the catalog knows."""
    from tools.discovery import catalog

    with database() as store:
        return list(catalog.sources(store))


def discover(query: str, *, context: ToolContext | None = None, **filters: Any) -> Discovery:
    """Datasets of the catalog for some words, the best first.

    `filters` are the other fields of a `DiscoveryRequest`; here no source type, domain or quality is left out unless
    asked for. With a `context`, what lies outside of its roots or above its clearance is left out. Raises InputError
    for filters that are none, and for an empty catalog; StoreUnavailable.
    """
    from pydantic import ValidationError

    from core.classification import Classification
    from core.errors import InputError
    from tools.arguments import problems
    from tools.context import ToolContext
    from tools.discovery import DiscoveryRequest, catalog
    from tools.discovery import discover as find

    everything = {"source_types": [], "domains": [], "quality_threshold": 0.0}
    try:
        request = DiscoveryRequest.model_validate({"query": query, **everything, **filters})
    except ValidationError as error:
        raise InputError(f"That cannot be asked for: {problems(error)}.", remedy="Correct it.") from error
    with database() as store:
        if context is None:
            sources = tuple(catalog.sources(store))
            if not sources:
                raise InputError("The catalog is empty.", remedy="Fill it with: crewline crawl URL")
            context = ToolContext(agent="crewline", roots=sources, clearance=Classification.RESTRICTED)
        return find(request, context, store)


def annotate(dataset: str, **values: str) -> Entry:
    """Say of a dataset what its source does not: `annotate("orders", owner="sales", classification="confidential")`.

    `dataset` is a location, or a name that is unique. An empty value takes the annotation away. Raises InputError.
    """
    from tools.discovery import annotate as say

    with database() as store:
        return say(store, dataset, values)


def pipelines() -> Overview:
    """All pipelines on record, each over its last runs: success rate, latency, throughput, errors, freshness, breaches
    of its service level. What was not measured is None."""
    from tools.orchestration.monitor import monitor

    with database() as store:
        return monitor(store, _of_person())


def optimize(pipeline: str) -> Optimization:
    """Where the time of a pipeline's runs goes, and what to change about that, with evidence from measured runs.

    Raises InputError if there is no such pipeline. With fewer than three runs of its present version to go by, the
    answer's `enough` is false.
    """
    from tools.orchestration.optimization import optimize as work_out

    with database() as store:
        return work_out(store, _of_person(), pipeline)


def lineage(subject: str) -> Lineage:
    """Where data comes from and goes to, as a graph: of the run with this id, or else of the pipeline of this name.

    Raises InputError if there is neither.
    """
    from core import run as runs
    from core.errors import RunNotFound
    from tools.orchestration.lineage import lineage as trace

    with database() as store:
        try:
            run_id = runs.get(store, subject).run_id
        except RunNotFound:
            return trace(store, _of_person(), subject)
        return trace(store, _of_person(), run_id=run_id)


def send_lineage(run_id: str, destination: str) -> Sent:
    """Send a run's OpenLineage events to a server (`http://host:5000`), or append them to a file.

    They can be sent as often as is wanted, with the same ids. Raises RunNotFound; WorkError if some could not be
    delivered; InputError if openlineage-python is not installed.
    """
    from core.errors import InputError

    try:
        from tools.orchestration.openlineage.sending import send
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "openlineage":
            raise
        raise InputError(
            "openlineage-python is not installed.", remedy="Install it with: pip install 'crewline[openlineage]'"
        ) from error

    with database() as store:
        return send(store, run_id, destination)


def _of_person() -> ToolContext:
    """Who sits at the machine may see what is on it."""
    from tools.context import Classification, ToolContext

    return ToolContext(agent="person", roots=("/",), clearance=Classification.RESTRICTED)


def clean(path: str | Path, out: str | Path) -> Cleaning:
    """Clean a CSV, JSON lines or Parquet file, by the evidence in it, into four files in the folder `out`.

    See tools.quality.cleaning.cleaning for the files. Raises SourceError, TargetError.
    """
    from tools.quality.cleaning.cleaning import clean as clean_file

    return clean_file(path, out)


def profile(path: str | Path) -> Profile:
    """What a CSV, JSON lines or Parquet file holds, column by column. Raises SourceError."""
    from tools.engine.session import session
    from tools.quality.profile import profile as profile_table
    from tools.sources.opening import Files, open_files

    with session() as (engine, scratch):
        found = open_files(engine, Path(path).stem, Files(path=str(path)), scratch)
        return profile_table(engine, found.cells(engine))


def suggest_checks(sample: Profile) -> list[Check]:
    """Checks that a profile of trusted data teaches: they hold on it, and should on what comes after it."""
    from tools.quality.suggestion import suggest_checks as suggest

    return suggest(sample)


@contextmanager
def database() -> Iterator[Database]:
    """Crewline's database, open while the block runs."""
    from core.store import open_database

    store = open_database()
    try:
        yield store
    finally:
        store.close()


def _kickoff(**options: Any) -> RunReport:
    from core.settings import settings
    from core.spec import PipelineSpec, load
    from core.store import open_database

    if not isinstance(options.get("spec"), (PipelineSpec, type(None))):
        # A wrong document is told at once, before anything is started.
        load(options["spec"])
    settings().prepare()
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_database)
        # CrewAI takes seconds to import; the database starts meanwhile.
        from flows.pipeline import DataPipelineFlow

        store = opening.result()
    try:
        report: RunReport = DataPipelineFlow(**options, database=store).kickoff()
        return report
    finally:
        store.close()
