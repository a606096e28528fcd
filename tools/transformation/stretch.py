"""A stretch: the rows between two rules that make other rows of them, and their account."""

from dataclasses import dataclass
from pathlib import Path

from ibis.expr.types import Table

from core.errors import AccountingError
from core.task import Fate, RowCount
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.quality.departure import count, record


class Stretch(RowCount):
    """The account of the rows between two rules that make other rows of them.

    `rule` is the one at its end, null at the last, and `produced` how many rows it made of `rows_out`. `leaving` counts
    who left by `fate:rule`; the files are the evidence, null if nobody left.
    """

    rule: str | None = None
    produced: int | None = None
    leaving: dict[str, int] = {}
    left_file: str | None = None
    quarantine_file: str | None = None


@dataclass(frozen=True)
class Arrivals:
    """The rows that come into a stretch: as they came, how many, and who left before the first rule."""

    raw: Table
    records: int
    left: list[Table]

    def whole(self, caught: Table) -> Table:
        """The rows behind these departures, with all columns, in their order."""
        told = caught.select(_id=caught[ROW], _rule=caught["rule"], _reason=caught["reason"])
        both = self.raw.inner_join(told, self.raw[ROW] == told["_id"])
        return both.drop("_id").order_by(ROW)


def accounted(
    engine: Engine, evidence: Path, arrivals: Arrivals, left: list[Table], rows_out: int, number: int
) -> Stretch:
    """Write down in the folder `evidence` who left, and prove that everyone who arrived left or went on.

    `number` is the stretch's, from 0. Raises AccountingError.
    """
    suffix = f"-{number + 1}" if number else ""
    path = evidence / f"left{suffix}.parquet"
    gone, leaving = record(engine, [*arrivals.left, *left], path)
    stretch = Stretch(
        rows_in=arrivals.records,
        rows_out=rows_out,
        quarantined=count(leaving, Fate.QUARANTINED),
        merged=count(leaving, Fate.MERGED),
        filtered=count(leaving, Fate.FILTERED),
        leaving=leaving,
    )
    if not stretch.balanced:
        raise AccountingError(
            f"{arrivals.records} rows arrived, {rows_out} went on, {stretch.left} left; nothing is written."
        )
    if gone is None:
        return stretch
    told = engine.read([gone])
    caught = told.filter((told["fate"] == str(Fate.QUARANTINED)) & told["record"].isnull())
    files = {"left_file": str(path)}
    if stretch.quarantined:
        quarantine = evidence / f"quarantine{suffix}.parquet"
        engine.write(arrivals.whole(caught), quarantine)
        files["quarantine_file"] = str(quarantine)
    return stretch.model_copy(update=files)
