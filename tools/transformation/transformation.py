"""A transformation of files: by rules, checked, accounted for, and committed at once or not at all.

Committed is a new version of the target, and beside it, under `.NAME.evidence`, who did not get there: `left.parquet`
(see tools.quality.departure) and `quarantine.parquet`, the rows in quarantine as they came, with `_rule` and `_reason`.
Where rules make other rows of the rows, each stretch between such rules has its own account, and its own two files.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from ibis.expr.types import Table
from pydantic import BaseModel

from core.errors import AccountingError, InputError, RuleError, SchemaError, TargetError, WorkError
from core.stop import Stop
from tools.context import ToolContext
from tools.engine.engine import Engine
from tools.engine.memory import PeakMemory
from tools.engine.rowid import ROW
from tools.publication.target import versions_dir
from tools.sources.reader import LEFT_OUT
from tools.transformation.commit import Target, evidence_dir, writing
from tools.transformation.input import Input, looked_up, opened
from tools.transformation.judgement import Assessment, judge
from tools.transformation.kind import check_kind
from tools.transformation.request import TransformationRequest
from tools.transformation.rules import Passage, carry_out
from tools.transformation.rules.chain import DATA_ERRORS, blamed, check_names
from tools.transformation.rules.group import ROWS, mapped, rows_behind
from tools.transformation.schema import conformed, mismatches
from tools.transformation.stretch import Arrivals, Stretch, accounted

_NAME = "source"

# 255 bytes in most file systems, less what the names of the folders beside the target have more.
_LONGEST_NAME = 240

Result = TypeVar("Result")


class Transformation(BaseModel):
    """What came of a transformation. `records` are in the files that are committed; times in seconds, sizes in bytes.

    `peak_memory_mb` is the most memory that the process had meanwhile, `compression_ratio` the bytes of the source for
    each byte of the output (null if there are none).
    """

    output: str
    output_format: str
    files: list[str]
    columns: dict[str, str]
    records: int
    account: list[Stretch]
    quality: Assessment | None
    seconds: float
    rows_per_second: float
    peak_memory_mb: float
    bytes_in: int
    bytes_out: int
    compression_ratio: float | None
    notes: list[str]


def transform_dataset(
    request: TransformationRequest,
    context: ToolContext,
    allowed: Callable[[str], str] | None = None,
    stop: Stop | None = None,
) -> Transformation:
    """Carry out a request within a context's roots, limits and time.

    `allowed` is asked of each path that is read, and gives it back resolved or raises Refused; by default the context's
    `path`.

    Raises SpecError for rules that are not of the type, RuleError (the rule's index and why) for one that cannot be
    carried out, SchemaError if the result is not of the target schema, SourceError, TargetError, WorkError, Refused,
    Interrupted when the time is over or a stop was requested. Nothing is changed then.
    """
    started = time.perf_counter()
    check_kind(request)
    if allowed is None:
        # Nobody is there to say how the files are classified.
        context.admit(request.files.path, None)
    path = target_place(request.output, context)
    with (
        PeakMemory() as memory,
        context.deadline(stop) as ending,
        _on_this_machine(),
        writing(path, request) as target,
        Engine(context.limits, target.scratch, ending) as engine,
    ):
        work = _Work(engine, request, context, allowed or context.path, target)
        try:
            folder = work.perform()
        except AccountingError:
            # Files that change under way let rows not add up: then it is they that are to blame.
            work.confirm()
            raise
        work.confirm()
        ending.check()
        files = target.commit(engine, folder)
    seconds, size = time.perf_counter() - started, sum(file.stat().st_size for file in files)
    rows_in = work.account[0].rows_in
    return Transformation(
        output=str(path),
        output_format=request.output_format,
        files=[str(file) for file in files],
        columns=work.columns,
        records=work.account[-1].rows_out,
        account=work.account,
        quality=work.quality,
        seconds=seconds,
        rows_per_second=rows_in / seconds,
        peak_memory_mb=memory.mb,
        bytes_in=work.bytes_in,
        bytes_out=size,
        compression_ratio=work.bytes_in / size if size else None,
        notes=[*work.notes, *_emptiness(work.account)],
    )


class _Work:
    """One transformation under way, in one engine session."""

    def __init__(
        self,
        engine: Engine,
        request: TransformationRequest,
        context: ToolContext,
        allowed: Callable[[str], str],
        target: Target,
    ) -> None:
        self._engine = engine
        self._request = request
        self._context = context
        self._allowed = allowed
        self._target = target
        self._others: dict[str, Table] = {}
        self._inputs: list[Input] = []
        self.account: list[Stretch] = []
        self.columns: dict[str, str] = {}
        self.quality: Assessment | None = None
        self.bytes_in = 0
        self.notes: list[str] = []

    def perform(self) -> Path:
        """Stage the result; return its folder, once every row is accounted for."""
        engine, request, allowed, scratch = self._engine, self._request, self._allowed, self._target.scratch
        source = opened(engine, _NAME, request.files, allowed, scratch)
        others = [looked_up(engine, name, of, allowed, scratch) for name, of in request.others.items()]
        self._others, self._inputs = {other.name: other.rows for other in others}, [source, *others]
        self.bytes_in, self.notes = source.size, source.notes
        rows, arrivals, first = source.rows, Arrivals(source.raw, source.arrived, source.left), 0
        for end, rule in enumerate(request.rules):
            if not rule.keeps_rows:
                rows = self._mapped(rows, arrivals, first, end)
                arrivals, first = Arrivals(rows, self.account[-1].produced or 0, []), end + 1
        return self._staged(rows, arrivals, first)

    def confirm(self) -> None:
        """Raise SourceError or Refused if what was read is no longer what was asked for."""
        for read in self._inputs:
            read.confirm(self._allowed)

    def _mapped(self, rows: Table, arrivals: Arrivals, first: int, end: int) -> Table:
        """What the rule at the end of a stretch makes of the rows that come through it."""
        rule = self._request.rules[end]

        def finish(passage: Passage) -> tuple[Stretch, Table]:
            with blamed(_NAME, end, rule, engine=False):
                check_names(passage, rule)
                made = self._engine.hold(mapped(self._engine, passage.rows, rule))
            counts = self._engine.row(made.aggregate(behind=made[ROWS].sum().fill_null(0), produced=made.count()))
            stretch = self._accounted(passage, arrivals, rows_behind(rule, int(counts["behind"])))
            return stretch.model_copy(update={"rule": rule.rule, "produced": int(counts["produced"])}), made

        with blamed(_NAME, end, rule, engine=True):
            stretch, made = self._carried_out(rows, first, end, finish)
        self.account.append(stretch)
        return made.drop(ROWS)

    def _staged(self, rows: Table, arrivals: Arrivals, first: int) -> Path:
        """Stage what comes through the last stretch, if it is as it should be."""
        request, schema, from_source = self._request, self._request.target_schema, not self.account

        def finish(passage: Passage) -> Path:
            if schema and (wrong := mismatches(passage.marked, schema)):
                raise SchemaError(wrong)
            judged = judge(passage, _NAME, request.checks, schema, datetime.now(UTC))
            if judged.nulls:
                raise SchemaError([f"column '{name}' lacks {n} values" for name, n in judged.nulls.items()])
            result = passage.rows if from_source else passage.rows.order_by(ROW)
            if schema:
                result = result.select(**{name: result[name].cast(kind) for name, kind in conformed(schema).items()})
            folder, rows_out = self._target.stage(self._engine, result)
            stretch = self._accounted(passage, arrivals, rows_out)
            leaving = {key: n for of in [*self.account, stretch] for key, n in of.leaving.items()}
            if request.quality_checks:
                self.quality = judged.assessment(_NAME, rows_out, leaving, self._context.thresholds)
            self.columns = {name: str(kind) for name, kind in result.schema().items() if not name.startswith("_")}
            self.account.append(stretch)
            return folder

        try:
            return self._carried_out(rows, first, len(request.rules), finish)
        except DATA_ERRORS as error:
            raise InputError(f"The result cannot be computed, or checked: {error.what}.") from error

    def _carried_out(self, rows: Table, first: int, end: int, finish: Callable[[Passage], Result]) -> Result:
        rules = self._request.rules[first:end]
        try:
            return carry_out(self._engine, rows, rules, finish, dataset=_NAME, others=self._others)
        except RuleError as error:
            index = error.index if error.index >= len(rules) else first + error.index
            raise RuleError(_NAME, index, error.rule, self._explained(error.reason)) from error

    def _accounted(self, passage: Passage, arrivals: Arrivals, rows_out: int) -> Stretch:
        return accounted(
            self._engine, self._target.evidence, arrivals, passage.left, rows_out, number=len(self.account)
        )

    def _explained(self, reason: str) -> str:
        """Why a rule failed; of a column that is not there, also which columns were not declared."""
        notes = [note for read in self._inputs for note in read.notes if LEFT_OUT in note]
        return "; ".join([reason.rstrip("."), *notes]) if notes and "there is no column" in reason else reason


def target_place(text: str, context: ToolContext) -> Path:
    """The target that a path names, itself: not what it is a link to, which is the version that is committed now.

    Raises TargetError for what cannot be one, Refused outside of the context's roots.
    """
    if "://" in text:
        raise TargetError(f"The target {text} is no local path.", remedy="Commit to a local folder.")
    # Resolved too, the whole must not lead out of the roots.
    context.path(text)
    folder, _, name = text.rstrip("/").rpartition("/")
    if name in ("", ".", ".."):
        raise TargetError(f"The target {text} names no folder to be made.", remedy="Name one.")
    if len(name.encode()) > _LONGEST_NAME:
        raise TargetError(f"The target's name, {name[:20]}..., is too long for a file system.", remedy="Shorten it.")
    path = Path(context.path(folder or ("/" if text.startswith("/") else "."))) / name
    for beside in (versions_dir(path), evidence_dir(path)):
        # Somebody may have put a link there.
        context.path(str(beside))
    return path


def _emptiness(account: list[Stretch]) -> Iterator[str]:
    """A note if nothing is left of the rows that came: that may well be what the rules say, and not what was meant."""
    if account[0].rows_in and not account[-1].rows_out:
        leaving = sum((Counter(stretch.leaving) for stretch in account), Counter())
        told = ", ".join(f"{n} {key.replace(':', ' by ', 1)}" for key, n in leaving.most_common(3))
        yield f"no row of {account[0].rows_in} is in the result: {told}"


@contextmanager
def _on_this_machine() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkError(f"The machine could not do the work: {error}.", remedy="Mend that.") from error
