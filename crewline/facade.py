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
