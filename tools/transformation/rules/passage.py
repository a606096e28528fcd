"""The passage of rows through rules: who goes on, who has left, by which way and why.

Rules that judge single rows are not carried out one after another, but build one expression: a row that leaves is
marked, and the rows are filtered, and those who left are told, when all is computed.
"""

from collections.abc import Iterable

import ibis
from ibis.expr.types import BooleanValue, StringValue, Table

from core.task import Fate
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.quality.departure import departures

FOUND = "_found_"

_OUT = "_out_"
_WHY = "_why_"


class Passage:
    """Rows under way. `joined` are the datasets looked up, in order; for each, the rows carry the row found there.

    `marked` has the rows that entered the present stretch, with the columns that they have by now. For each way out it
    has a mark, which is never null, and the reason. `ordered` tells whether they are sure to be in the order of `_row`,
    if they were when they set out.
    """

    def __init__(self, engine: Engine, rows: Table, others: dict[str, Table] | None = None) -> None:
        self.engine = engine
        self.marked = rows
        self.others = others or {}
        self.joined: list[str] = []
        self.ordered = True
        self._left: list[Table] = []
        self._exits: list[tuple[Fate, str]] = []
        self._sifted: Table | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that rules may speak of."""
        return [name for name in self.marked.columns if not name.startswith("_")]

    @property
    def rows(self) -> Table:
        """The rows that go on, without marks and flags."""
        here = self.marked
        own = [name for name in here.columns if not name.startswith("_") or name == ROW or name.startswith(FOUND)]
        staying = here.filter([~here[mark] for mark in self.marks]) if self._exits else here
        return staying.select(own)

    @property
    def left(self) -> list[Table]:
        """The departures of all who left."""
        return [*self._left, self._departures()] if self._exits else list(self._left)

    def used(self) -> dict[str, Table]:
        """For each dataset looked up, the `_row`s that the rows which are still here found there."""
        found: dict[str, Table] = {}
        rows = self.rows
        for index, dataset in enumerate(self.joined):
            column = rows[f"{FOUND}{index}"]
            here = rows.filter(column.notnull()).select(column.name(ROW))
            found[dataset] = ibis.union(found[dataset], here) if dataset in found else here
        return {dataset: table.distinct().order_by(ROW) for dataset, table in found.items()}

    def change(self, **columns: ibis.Value) -> None:
        """Add or replace columns, all computed from the rows as they are."""
        self.marked = self.marked.mutate(**columns)

    def arrange(self, columns: dict[str, str]) -> None:
        """Let there be these columns only: new name to present name."""
        own = [name for name in self.marked.columns if name.startswith("_")]
        self.marked = self.marked.select(*own, **{new: self.marked[old] for new, old in columns.items()})

    def keep(self, stays: BooleanValue, rule: str, why: str | StringValue, fate: Fate = Fate.FILTERED) -> str:
        """Rows for which `stays` is not true leave. Returns the column that marks them."""
        number = len(self._exits)
        self._exits.append((fate, rule))
        self.change(
            **{
                f"{_OUT}{number}": ~stays.fill_null(False),
                f"{_WHY}{number}": ibis.literal(why) if isinstance(why, str) else why,
            }
        )
        return f"{_OUT}{number}"

    def quarantine(self, stays: BooleanValue, rule: str, why: str | StringValue) -> str:
        """Rows for which `stays` is not true leave into quarantine. Returns the column that marks them."""
        return self.keep(stays, rule, why, Fate.QUARANTINED)

    def merge(self, into: ibis.expr.types.IntegerValue, rule: str, why: str) -> None:
        """Rows with another id than `into` leave for that one."""
        told = self.marked.mutate(_into=into)
        gone = told.filter(told["_into"] != told[ROW])
        self._left.append(departures(gone, Fate.MERGED, rule, why, gone["_into"]))
        self.marked = told.filter(told["_into"] == told[ROW]).drop("_into")

    def settle(self) -> None:
        """End the stretch: who left is told, and the others are seen alone, as rules about several rows need it."""
        self._left, self.marked = self.left, self.rows
        self._exits, self._sifted = [], None

    def sift(self, *flags: str) -> Table:
        """Compute once who leaves in this stretch, or has one of the flags; return them, with marks and flags.

        The many who have neither are read past, and only once more when the rows are asked for.
        """
        marks = self.marks
        reasons = [f"{_WHY}{number}" for number in range(len(self._exits))]
        here = self.marked
        some = here.filter(ibis.or_(ibis.literal(False), *(here[name] for name in [*marks, *flags])))
        self._sifted = self.engine.hold(some.select(ROW, *marks, *reasons, *flags))
        return self._sifted

    @property
    def marks(self) -> list[str]:
        """The columns that mark who leaves in this stretch, in the order of the ways out."""
        return [f"{_OUT}{number}" for number in range(len(self._exits))]

    def hold(self) -> None:
        """Compute what was built so far, once."""
        self.marked = self.engine.hold(self.marked)

    def _departures(self) -> Table:
        source = self.marked if self._sifted is None else self._sifted
        gone = source.filter(ibis.or_(*(source[mark] for mark in self.marks)))

        def first(values: Iterable[str | StringValue]) -> StringValue:
            # The first way out that a row came to is the one it took.
            branches = [(gone[f"{_OUT}{number}"], value) for number, value in enumerate(values)]
            return ibis.cases(*branches, else_=ibis.null("string"))

        return departures(
            gone,
            first(str(fate) for fate, _ in self._exits),
            first(rule for _, rule in self._exits),
            first(gone[f"{_WHY}{number}"] for number in range(len(self._exits))),
        )
