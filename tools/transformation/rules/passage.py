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
    """Rows under way. `left` has departures of stretches that are behind, `joined` the datasets looked up, in order.

    `marked` has the rows that entered the present stretch, with the columns that they have by now. For each way out it
    has a mark, which is never null, and the reason. For each dataset of `joined` it has the row found there.
    """

    def __init__(self, engine: Engine, rows: Table, others: dict[str, Table] | None = None) -> None:
        self.engine = engine
        self.marked = rows
        self.others = others or {}
        self.left: list[Table] = []
        self.joined: list[str] = []
        self._exits: list[tuple[Fate, str]] = []

    @property
    def columns(self) -> list[str]:
        """The columns that rules may speak of."""
        return [name for name in self.marked.columns if not name.startswith("_")]

    @property
    def rows(self) -> Table:
        """The rows that go on, without the marks."""
        own = [name for name in self.marked.columns if not name.startswith((_OUT, _WHY))]
        here = self.marked
        if self._exits:
            here = here.filter([~here[f"{_OUT}{exit}"] for exit in range(len(self._exits))])
        return here.select(own)

    def change(self, **columns: ibis.Value) -> None:
        """Add or replace columns, all computed from the rows as they are."""
        self.marked = self.marked.mutate(**columns)

    def arrange(self, columns: dict[str, str]) -> None:
        """Let there be these columns only: new name to present name."""
        own = [name for name in self.marked.columns if name.startswith("_")]
        self.marked = self.marked.select(*own, **{new: self.marked[old] for new, old in columns.items()})

    def keep(self, stays: BooleanValue, rule: str, why: str | StringValue, fate: Fate = Fate.FILTERED) -> None:
        """Rows for which `stays` is not true leave."""
        number = len(self._exits)
        self._exits.append((fate, rule))
        self.change(
            **{
                f"{_OUT}{number}": ~stays.fill_null(False),
                f"{_WHY}{number}": ibis.literal(why) if isinstance(why, str) else why,
            }
        )

    def quarantine(self, stays: BooleanValue, rule: str, why: StringValue) -> None:
        """Rows for which `stays` is not true leave into quarantine."""
        self.keep(stays, rule, why, Fate.QUARANTINED)

    def merge(self, into: ibis.expr.types.IntegerValue, rule: str, why: str) -> None:
        """Rows with another id than `into` leave for that one."""
        told = self.marked.mutate(_into=into)
        gone = told.filter(told["_into"] != told[ROW])
        self.left.append(departures(gone, Fate.MERGED, rule, why, gone["_into"]))
        self.marked = told.filter(told["_into"] == told[ROW]).drop("_into")

    def settle(self) -> None:
        """End the stretch: who left is told, and the others are seen alone, as rules about several rows need it."""
        if self._exits:
            self.left.append(self._departures())
            self.marked = self.rows
            self._exits = []

    def hold(self) -> None:
        """Compute what was built so far, once."""
        self.marked = self.engine.hold(self.marked)

    def _departures(self) -> Table:
        marks = [self.marked[f"{_OUT}{number}"] for number in range(len(self._exits))]
        gone = self.marked.filter(ibis.or_(*marks))

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
