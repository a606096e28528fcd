"""The end of a run: its evidence, its account, and, if the gate lets it, its publication."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from core import run as runs
from core.dataset import DatasetRef
from core.errors import AccountingError, InputError, TargetError
from core.ledger import Step
from core.report import Closing, Records, check_records
from core.store.database import Database
from core.task import Outcome, Stage, Task
from flows.session import Session
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.orchestration.requirements import Plan
from tools.publication.target import count_rows, remove, stage, stage_files, swap, versions_dir
from tools.quality.evidence import Evidence, History, write_evidence

# The published version, and the one before it: a reader may still be in the middle of that.
KEPT_VERSIONS = 2


def publish_run(session: Session, plan: Plan, tasks: list[Task], outcomes: dict[str, Outcome]) -> Closing:
    """Write the result beside the target, account for every row, and swap the target, in one step of the ledger.

    Raises TargetError when the target cannot be written, AccountingError when rows do not add up.
    """
    ledger = session.ledger
    recorded = ledger.recorded("publish")
    if recorded is not None:
        return Closing.model_validate(recorded)
    step = ledger.begin("publish", actor="flow")
    refs = outputs(last_stage(tasks, session.spec.result), outcomes)
    version = f"{session.run_id}-{step.attempt}-{session.lease.token}"
    with ThreadPoolExecutor(1) as beside, _engine(session, step) as engine:
        # Files that are published as they are, are copied while the engine is at work on the evidence.
        copied = beside.submit(_copied, session, refs, version) if all(ref.ids for ref in refs) else None
        evidence = write_evidence(engine, histories(plan, tasks, outcomes, result=session.spec.result), step.path)
        records = account(session.spec.result, tasks, outcomes, evidence)
        check_records(records)
        folder = copied.result() if copied else _written(engine, session, refs, version)
        _check_staged(folder, refs)
    closing = Closing(records=records, left=evidence.left, repairs=evidence.repairs, version=str(folder))
    ledger.commit(
        step,
        closing.model_dump(mode="json", by_alias=True),
        actor="flow",
        effect=lambda: swap(session.target, folder),
        told={"target": str(session.target), "records": records.model_dump(by_alias=True)},
    )
    remove(session.target, replaced(session.lease.database, session.target))
    return closing


def replaced(database: Database, target: Path) -> set[str]:
    """The versions of a target that were published once and are none of the last `KEPT_VERSIONS`.

    Only versions on record: one that another run has staged, and not yet swapped in, is none of them.
    """
    rows = database.query(
        "SELECT outcome ->> 'version' AS version FROM steps WHERE step_key = 'publish' AND status = 'done'"
        " ORDER BY finished_at DESC"
    )
    versions = [Path(row["version"]) for row in rows if Path(row["version"]).parent == versions_dir(target)]
    return {version.name for version in versions[KEPT_VERSIONS:]}


def write_off(session: Session, plan: Plan, tasks: list[Task], outcomes: dict[str, Outcome], passes: int) -> Closing:
    """Keep the evidence of a run that publishes nothing."""
    ledger = session.ledger
    key = f"close/{passes}"
    recorded = ledger.recorded(key)
    if recorded is not None:
        return Closing.model_validate(recorded)
    step = ledger.begin(key, actor="flow")
    with _engine(session, step) as engine:
        evidence = write_evidence(engine, histories(plan, tasks, outcomes, result=None), step.path)
    records = account(None, tasks, outcomes, evidence)
    closing = Closing(records=records, left=evidence.left, repairs=evidence.repairs)
    told = {"records": records.model_dump(by_alias=True)}
    ledger.commit(step, closing.model_dump(mode="json", by_alias=True), actor="flow", told=told)
    return closing


def closed(database: Database, run: runs.Run) -> Closing:
    """What closing a run came to, the last time. Raises InputError if it has not come to an end yet."""
    rows = database.query(
        "SELECT outcome FROM steps WHERE run_id = %s AND status = 'done'"
        " AND (step_key = 'publish' OR starts_with(step_key, 'close/')) ORDER BY finished_at DESC LIMIT 1",
        (run.run_id,),
    )
    if not rows:
        raise InputError(
            f"Run {run.run_id} has no account yet; it is {run.status}{': ' + run.error if run.error else ''}.",
            remedy=f"Finish it with: crewline resume {run.run_id}",
        )
    return Closing.model_validate(rows[0]["outcome"])


def last_stage(tasks: list[Task], dataset: str, *, grouped: bool = True) -> list[Task]:
    """The tasks of a dataset's last stage; with `grouped` off, the last before it is aggregated."""
    own = [t for t in tasks if t.dataset == dataset and (grouped or t.stage != Stage.AGGREGATION)]
    last = max((list(Stage).index(task.stage) for task in own), default=-1)
    return [task for task in own if list(Stage).index(task.stage) == last]


def outputs(tasks: list[Task], outcomes: dict[str, Outcome]) -> list[DatasetRef]:
    """What these tasks wrote, in their order."""
    return [ref for t in tasks if t.key in outcomes and (ref := outcomes[t.key].output) is not None]


def histories(plan: Plan, tasks: list[Task], outcomes: dict[str, Outcome], *, result: str | None) -> dict[str, History]:
    """What is on file about each dataset. `result` is the one that is published, None if nothing is: only then is it
    known which rows of the others were looked up in the end."""
    found = {dataset: History(parts=[], ingested=[]) for dataset in plan.parts}
    looked_up: dict[str, list[DatasetRef]] = {}
    for task in tasks:
        outcome = outcomes.get(task.key)
        if outcome is None or outcome.status != "done":
            continue
        history = found[task.dataset]
        if task.stage == Stage.INGESTION and outcome.output:
            history.parts += plan.parts_of(task)
            history.ingested.append(outcome.output)
        if outcome.left:
            history.left.append((task.stage, outcome.left))
        if outcome.repairs:
            history.repairs.append(outcome.repairs)
        for dataset, ref in outcome.used.items():
            looked_up.setdefault(dataset, []).append(ref)
    for dataset, history in found.items() if result else ():
        if dataset != result:
            history.used = looked_up.get(dataset, [])
            history.available = outputs(last_stage(tasks, dataset), outcomes)
    return found


def account(result: str | None, tasks: list[Task], outcomes: dict[str, Outcome], evidence: Evidence) -> Records:
    """The account of all source rows. `result` is the dataset that is published, None if nothing is."""
    done = [(task, outcomes[task.key].rows) for task in tasks if task.key in outcomes]
    arrived = 0
    if result is not None:
        arrived = sum(outcomes[task.key].rows.rows_out for task in last_stage(tasks, result, grouped=False))
        for dataset, idle in evidence.unreferenced.items():
            arrived += sum(ref.rows for ref in outputs(last_stage(tasks, dataset), outcomes)) - idle
    return Records(
        rows_in=sum(rows.rows_in for task, rows in done if task.stage == Stage.INGESTION),
        out=arrived,
        quarantined=sum(rows.quarantined for _, rows in done),
        merged=sum(rows.merged for _, rows in done),
        filtered=sum(rows.filtered for _, rows in done) + sum(evidence.unreferenced.values()),
    )


def _engine(session: Session, step: Step) -> Engine:
    # All that is written here is sorted by a key, and so the same bytes in every run, however many threads write it.
    return Engine(session.limits, step.path, session.stop, session.spec.engine)


def _copied(session: Session, refs: list[DatasetRef], version: str) -> Path:
    return stage_files([Path(path) for ref in refs for path in ref.paths], session.target, version)


def _written(engine: Engine, session: Session, refs: list[DatasetRef], version: str) -> Path:
    spec, rows = session.spec, engine.read(refs)
    order = list(spec.aggregation.group_by) if spec.aggregation else [ROW]
    visible = [column for column in rows.columns if not column.startswith("_")]
    if absent := [name for name in spec.target.partition_by if name not in visible]:
        raise TargetError(
            f"The result has no column {', '.join(absent)} to partition by; it has {', '.join(visible)}.",
            remedy="Correct `target.partition_by`.",
        )
    return stage(engine, rows.order_by(order).select(visible), session.target, version, spec.target.partition_by)


def _check_staged(folder: Path, refs: list[DatasetRef]) -> None:
    staged, expected = count_rows(folder), sum(ref.rows for ref in refs)
    if staged != expected:
        raise AccountingError(f"The result has {expected} rows, but {staged} are on file at {folder}.")
