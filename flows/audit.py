"""The proof of a run's account, row by row, from the files: not from what the run said of itself."""

from pathlib import Path

import ibis
from ibis.expr.types import Table
from pydantic import BaseModel, computed_field

from core import ledger
from core import run as runs
from core.dataset import DatasetRef
from core.errors import InputError
from core.report import Records
from core.settings import Settings
from core.spec.document import parse
from core.spec.source import Source
from core.store.database import Database
from core.task import Fate, Outcome, Task
from flows.closing import closed, histories, last_stage, outputs
from flows.persistence import last_state
from flows.state import PipelineState
from tools.engine.engine import Engine
from tools.engine.files import refresh
from tools.engine.limits import Limits
from tools.engine.rowid import ROW, file_of
from tools.orchestration.amendment import amendments
from tools.orchestration.requirements import Plan, tasks_of
from tools.quality.evidence import History
from tools.sources.recount import recount
from tools.transformation.aggregation import ROWS


class Check(BaseModel):
    """One thing that was looked at. `passed` is None where it could not be looked at any more."""

    name: str
    passed: bool | None
    detail: str


class Audit(BaseModel):
    """The account as counted from the files, by dataset and in all, and every check made."""

    run_id: str
    published: bool
    records: Records
    datasets: dict[str, Records]
    checks: list[Check]
    left: list[str]
    repairs: list[str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def balanced(self) -> bool:
        """Whether no check failed."""
        return all(check.passed is not False for check in self.checks)


def audit(database: Database, run_id: str, settings: Settings) -> Audit:
    """Count a run's rows from its files, and compare. Raises RunNotFound; InputError if the run has not closed yet."""
    run = runs.get(database, run_id)
    if run.kind == "graph":
        raise InputError(f"Run {run_id} is a graph's: it moves no rows.", remedy=f"See: crewline status {run_id}")
    closing = closed(database, run)
    spec = parse(run.spec, document=f"spec of run {run_id}")
    plan = Plan.model_validate(ledger.recorded(database, run_id, "plan")).amended(amendments(database, run_id))
    state = PipelineState.model_validate(last_state(database, run_id))
    tasks = tasks_of(plan, state.checkpoint_data.repaired)
    outcomes = ledger.outcomes(database, run_id, [task.key for task in tasks])
    published = closing.version is not None
    result = spec.result if published else None
    checks: list[Check] = []
    accounts: dict[str, Records] = {}
    with Engine(Limits(), settings.runs_dir / run_id / "audit") as engine:
        for dataset, history in histories(plan, tasks, outcomes, result=result).items():
            if history.ingested:
                auditor = _Auditor(engine, dataset, history, closing.left)
                arrived = _arrived(engine, spec.result, dataset, tasks, outcomes, history) if published else None
                accounts[dataset] = auditor.account(arrived, checks)
                auditor.recounted(spec.sources[dataset], checks)
        if published:
            checks += _published(engine, Path(closing.version or ""), tasks, outcomes, spec.result)
    total = _sum(accounts)
    said = closing.records
    checks.append(
        Check(
            name="the report",
            passed=total == said,
            detail=f"says {_words(said)}" + ("" if total == said else f"; the files say {_words(total)}"),
        )
    )
    return Audit(
        run_id=run_id,
        published=published,
        records=total,
        datasets=accounts,
        checks=checks,
        left=list(closing.left.paths) if closing.left else [],
        repairs=list(closing.repairs.paths) if closing.repairs else [],
    )


class _Auditor:
    """Counts one dataset."""

    def __init__(self, engine: Engine, dataset: str, history: History, left: DatasetRef | None) -> None:
        self._engine = engine
        self._dataset = dataset
        self._history = history
        self._read = engine.hold(engine.read(history.ingested).select(ROW))
        everyone = engine.read([left]) if left else None
        self._left = engine.hold(everyone.filter(everyone["dataset"] == dataset)) if everyone is not None else None

    def account(self, arrived: Table | None, checks: list[Check]) -> Records:
        """Every row read is either among those that `arrived` or among those that left, once."""
        records, lines, fates = self._engine.count(self._read), 0, dict.fromkeys(Fate, 0)
        gone = None
        if self._left is not None:
            lines = self._engine.count(self._left.filter(self._left["line"].notnull()))
            fates |= {fate: self._engine.count(self._left.filter(self._left["fate"] == str(fate))) for fate in Fate}
            gone = self._left.filter(self._left["line"].isnull()).select(ROW)
        out = self._engine.count(arrived) if arrived is not None else 0
        found = Records(
            rows_in=records + lines,
            out=out,
            quarantined=fates[Fate.QUARANTINED],
            merged=fates[Fate.MERGED],
            filtered=fates[Fate.FILTERED],
        )
        problems = []
        if self._engine.count(self._read.distinct()) != records:
            problems.append("row ids are not unique")
        ends = [table for table in (arrived, gone) if table is not None]
        if ends:
            end = self._engine.hold(ibis.union(*ends) if len(ends) > 1 else ends[0])
            if twice := self._engine.count(end) - self._engine.count(end.distinct()):
                problems.append(f"{twice} rows ended more than once")
            if strange := self._engine.count(end.anti_join(self._read, ROW)):
                problems.append(f"{strange} rows were never read")
            if arrived is not None and (lost := self._engine.count(self._read.anti_join(end, ROW))):
                problems.append(f"{lost} rows are without account")
        if arrived is not None and found.held:
            problems.append(f"{found.held} rows are missing from the sum")
        checks.append(
            Check(name=f"rows of {self._dataset}", passed=not problems, detail="; ".join(problems) or _words(found))
        )
        return found

    def recounted(self, source: Source, checks: list[Check]) -> None:
        """The source's files have as many records as were read from them, if they are still what they were."""
        by_file = self._by_file(self._read)
        counted = expected = 0
        gone = 0
        for part in self._history.parts:
            now = refresh(part) if source.kind != "postgres" else None
            n = recount(source, part, self._unreadable(part.index)) if now == part else None
            if n is None:
                gone += 1
                continue
            counted += n
            expected += by_file.get(part.index, 0)
        name = f"source {self._dataset}"
        if gone == len(self._history.parts):
            checks.append(Check(name=name, passed=None, detail="cannot be counted again: a table, or changed since"))
            return
        detail = f"{counted} records counted again, {expected} were read"
        checks.append(
            Check(
                name=name,
                passed=counted == expected,
                detail=detail + (f"; {gone} files changed since" if gone else ""),
            )
        )

    def _unreadable(self, file: int) -> dict[int, str]:
        if self._left is None:
            return {}
        lines = self._left.filter(self._left["line"].notnull() & (file_of(self._left[ROW]) == file))
        return {row["line"]: row["content"] or "" for row in self._engine.rows(lines.select("line", "content"))}

    def _by_file(self, rows: Table) -> dict[int, int]:
        grouped = rows.group_by(file=file_of(rows[ROW])).aggregate(n=rows.count())
        return {row["file"]: row["n"] for row in self._engine.rows(grouped)}


def _arrived(
    engine: Engine, result: str, dataset: str, tasks: list[Task], outcomes: dict[str, Outcome], history: History
) -> Table:
    if dataset == result:
        refs = outputs(last_stage(tasks, dataset, grouped=False), outcomes)
        return engine.ids(refs)
    if not history.used:
        return engine.read(history.ingested).select(ROW).limit(0)
    return engine.read(history.used).select(ROW).distinct()


def _published(
    engine: Engine, version: Path, tasks: list[Task], outcomes: dict[str, Outcome], result: str
) -> list[Check]:
    """The published files hold what was computed, and what was grouped is the rows that arrived."""
    checks = []
    refs = outputs(last_stage(tasks, result), outcomes)
    computed = engine.read(refs)
    if ROWS in computed.columns:
        grouped = int(engine.row(computed.aggregate(n=computed[ROWS].sum().fill_null(0)))["n"])
        before = outputs(last_stage(tasks, result, grouped=False), outcomes)
        arrived = sum(ref.rows for ref in before)
        groups = sum(ref.rows for ref in refs)
        detail = f"{arrived} rows arrived, and {grouped} stand behind {groups} groups"
        checks.append(Check(name="groups", passed=grouped == arrived, detail=detail))
    else:
        there, ids = (engine.count(rows) for rows in (computed, engine.ids(refs)))
        checks.append(Check(name="ids", passed=there == ids, detail=f"{there} rows were computed, with {ids} ids"))
    if not version.is_dir():
        checks.append(Check(name="target", passed=None, detail="this version was replaced by later runs"))
        return checks
    columns = [column for column in computed.columns if not column.startswith("_")]
    shown = engine.read_folders(version)
    wanted, shown = (t.select(**{c: t[c].cast("string") for c in columns}) for t in (computed, shown))
    missing = wanted.difference(shown, distinct=False)
    extra = shown.difference(wanted, distinct=False)
    differing = engine.count(missing) + engine.count(extra)
    checks.append(
        Check(
            name="target",
            passed=differing == 0,
            detail=f"{version} holds what was computed" if not differing else f"{differing} rows differ in {version}",
        )
    )
    return checks


def _sum(accounts: dict[str, Records]) -> Records:
    return Records(
        rows_in=sum(a.rows_in for a in accounts.values()),
        out=sum(a.out for a in accounts.values()),
        quarantined=sum(a.quarantined for a in accounts.values()),
        merged=sum(a.merged for a in accounts.values()),
        filtered=sum(a.filtered for a in accounts.values()),
    )


def _words(records: Records) -> str:
    held = f" + {records.held} not published" if records.held else ""
    return (
        f"{records.rows_in} in = {records.out} out + {records.quarantined} quarantined + {records.merged} merged"
        f" + {records.filtered} filtered{held}"
    )
