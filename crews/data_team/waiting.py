"""The rows of a task that its rules send to quarantine: they wait for what a crew makes of their cells."""

import itertools
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from core.dataset import DatasetRef
from core.task import Fate, Outcome, Task
from crews.agents import Agent, Work
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.shard import shard
from tools.quality.enhancement import replaced

# Beyond so many, a crew cannot look at what it judges, and each trial takes its time.
MOST_ROWS = 100_000

# The file that the crew's tools can read.
FILE = "waiting.parquet"

# The reason of each row, in that file.
WHY = "why"


@dataclass(frozen=True)
class Trial:
    """What the rules made of the rows that wait with some cells corrected: the ids of those that pass, and the reasons
    of the others, with how many rows have each."""

    passing: pa.Array
    reasons: Counter[str]


class Waiting:
    """The rows that wait, as they came, and what the rules make of them with other cells. `folder` is theirs alone."""

    def __init__(self, rules: Agent, task: Task, work: Work, folder: Path, by_rules: Outcome) -> None:
        self._rules = rules
        self._task = task
        self._work = work
        self._folder = folder
        self._numbers = itertools.count(1)
        with self._engine(folder) as engine:
            assert by_rules.left is not None, "some rows are in quarantine"
            left = engine.read([by_rules.left])
            held = left.filter(left["fate"] == str(Fate.QUARANTINED)).select(ROW, _why=left["reason"])
            rows = shard(engine, work.inputs, task.shard, task.shards)
            self.rows = engine.arrow(rows.semi_join(held, ROW).order_by(ROW))
            whys = engine.arrow(held.order_by(ROW))["_why"]
        self.reasons = Counter(whys.to_pylist())
        self._publish(whys)

    @property
    def columns(self) -> list[str]:
        """The columns of text, which are open to correction."""
        return [
            field.name
            for field in self.rows.schema
            if (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)) and field.name[:1] != "_"
        ]

    def texts(self, column: str) -> Counter[str]:
        """The texts of a column, with how many rows have each."""
        return Counter(text for text in self.rows[column].to_pylist() if text is not None)

    def trial(self, cells: pa.Table) -> Trial:
        """What the rules make of the rows that wait, these cells corrected."""
        folder = self._folder / f"trial-{next(self._numbers)}"
        folder.mkdir(parents=True)
        try:
            with self._engine(folder) as engine:
                rows = replaced(engine, engine.table(self.rows), cells)
                ref = engine.write(rows.order_by(ROW), folder / "rows.parquet")
            outcome = self.performed([ref], folder / "rules")
            with self._engine(folder) as engine:
                held = _quarantined(engine, outcome)
        finally:
            shutil.rmtree(folder)
        ids = self.rows[ROW].combine_chunks()
        passing = ids.filter(pc.invert(pc.is_in(ids, value_set=held[ROW].combine_chunks())))
        return Trial(passing, Counter(held["reason"].to_pylist()))

    def needed(self, cells: pa.Table) -> pa.Table:
        """Those of the cells without which their row would not pass."""
        kept = _of(cells, self.trial(cells).passing)
        columns = sorted(set(kept["column"].to_pylist()))
        for column in columns if len(columns) > 1 else ():
            own = pc.equal(kept["column"], column)
            idle = pc.and_(own, pc.is_in(kept[ROW], value_set=self.trial(kept.filter(pc.invert(own))).passing))
            kept = kept.filter(pc.invert(idle))
        return kept

    def corrected(self, cells: pa.Table, folder: Path) -> DatasetRef:
        """All rows of the task with these cells corrected, on file in the folder."""
        with self._engine(folder) as engine:
            rows = shard(engine, self._work.inputs, self._task.shard, self._task.shards)
            return engine.write(replaced(engine, rows, cells).order_by(ROW), folder / "rows.parquet")

    def performed(self, inputs: Sequence[DatasetRef], folder: Path) -> Outcome:
        """What the rules make of other inputs."""
        folder.mkdir(parents=True)
        # The inputs are the rows of the shard alone.
        whole = self._task.model_copy(update={"shard": 0, "shards": 1})
        outcome = self._rules.perform(whole, replace(self._work, inputs=list(inputs), path=folder))
        return outcome.model_copy(update={"task": self._task.key})

    def _publish(self, whys: pa.Array) -> None:
        """Write the rows for the crew's tools: without ids, and with their reasons."""
        shown = self.rows.drop_columns([name for name in self.rows.column_names if name.startswith("_")])
        with self._engine(self._folder) as engine:
            engine.write(engine.table(shown.append_column(WHY, whys)), self._folder / FILE)

    def _engine(self, scratch: Path) -> Engine:
        return Engine(self._work.limits, scratch, self._work.stop)


def _quarantined(engine: Engine, outcome: Outcome) -> pa.Table:
    if outcome.left is None:
        return pa.table({ROW: pa.array([], pa.int64()), "reason": pa.array([], pa.string())})
    left = engine.read([outcome.left])
    return engine.arrow(left.filter(left["fate"] == str(Fate.QUARANTINED)).select(ROW, "reason"))


def _of(cells: pa.Table, rows: pa.Array) -> pa.Table:
    return cells.filter(pc.is_in(cells[ROW], value_set=rows))
