"""The passage of rows through rules: who goes on, who has left, by which way and why.

Rules that judge single rows are not carried out one after another, but build one expression: who leaves is marked, and
the rows are filtered, and those who left are told, when all is computed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ibis
from ibis.expr.types import BooleanValue, IntegerValue, StringValue, Table, Value

from core.task import Fate
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.quality.departure import departures

FOUND = "_found_"

# Steps in one expression. What it takes to plan them grows with their square, and beyond 200 there is no end to it.
_MOST_STEPS = 48

_STAYS = "_stays_"
_CELL = "_cell_"


@dataclass(frozen=True)
class Exit:
    """A way out. The column `mark` tells who takes it: with `failing`, those of whom it is true; else all others.

    `reason` says in words why a row left, from the columns `cells`: only for those who did, when it is known who.
    """

    mark: str
    failing: bool
    fate: Fate
    rule: str
    reason: Callable[[Table], StringValue]
    cells: tuple[str, ...]

    def takes(self, rows: Table) -> BooleanValue:
        """Who leaves; never null."""
        marked = rows[self.mark].fill_null(False)
        return marked if self.failing else ~marked

    def spares(self, rows: Table) -> BooleanValue:
        """Who does not, as a condition of a filter: where it is null, the row leaves."""
        return ~rows[self.mark].fill_null(False) if self.failing else rows[self.mark]


class Passage:
    """Rows under way. `joined` are the datasets looked up, in order; for each, the rows carry the row found there.

    `marked` has the rows that entered the present stretch, with the columns that they have by now, and what tells who
    leaves by the `exits` of the stretch, in their order.
    """

    def __init__(self, engine: Engine, rows: Table, others: dict[str, Table] | None = None) -> None:
        self.engine = engine
        self.marked = rows
        self.others = others or {}
        self.joined: list[str] = []
        self.exits: list[Exit] = []
        self._left: list[Table] = []
        self._steps = 0
        self._sifted: Table | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that rules may speak of."""
        return [name for name in self.marked.columns if not name.startswith("_")]

    def text(self, name: str) -> StringValue:
        """The cells of a column of text. Raises TypeError if it is none."""
        cell = self.marked[name]
        if not cell.type().is_string():
            raise TypeError(f"column '{name}' is of type {cell.type()}, and no text")
        return cell

    @property
    def rows(self) -> Table:
        """The rows that go on, without the marks."""
        here = self.marked
        own = [name for name in here.columns if not name.startswith("_") or name == ROW or name.startswith(FOUND)]
        staying = here.filter([exit.spares(here) for exit in self.exits]) if self.exits else here
        return staying.select(own)

    @property
    def left(self) -> list[Table]:
        """The departures of all who left."""
        return [*self._left, self._departures()] if self.exits else list(self._left)

    def used(self, written: Table | None = None) -> dict[str, Table]:
        """For each dataset looked up, the `_row`s that the rows which are still here found there.

        `written` are these rows, if they are on file by now, with the columns that tell what they found.
        """
        found: dict[str, Table] = {}
        rows = self.rows if written is None else written
        for index, dataset in enumerate(self.joined):
            column = rows[f"{FOUND}{index}"]
            here = rows.filter(column.notnull()).select(column.name(ROW))
            found[dataset] = ibis.union(found[dataset], here) if dataset in found else here
        return {dataset: table.distinct().order_by(ROW) for dataset, table in found.items()}

    def change(self, **columns: Value) -> None:
        """Add or replace columns, all computed from the rows as they are."""
        self._steps += 1
        self.marked = self.marked.mutate(**columns)

    def arrange(self, columns: dict[str, str]) -> None:
        """Let there be these columns only: new name to present name."""
        own = [name for name in self.marked.columns if name.startswith("_")]
        self.marked = self.marked.select(*own, **{new: self.marked[old] for new, old in columns.items()})

    def keep(self, stays: BooleanValue, rule: str, why: Sequence[str | Value], fate: Fate = Fate.FILTERED) -> None:
        """Rows for which `stays` is not true leave. `why` are words, and cells of which the text stands among them."""
        number = len(self.exits)
        cells = {f"{_CELL}{number}_{i}": part for i, part in enumerate(why) if not isinstance(part, str)}
        parts = [part if isinstance(part, str) else f"{_CELL}{number}_{i}" for i, part in enumerate(why)]

        def reason(table: Table) -> StringValue:
            texts = [
                table[part].cast("string").fill_null("") if part in cells else ibis.literal(part) for part in parts
            ]
            return texts[0].concat(*texts[1:]) if len(texts) > 1 else texts[0]

        mark = f"{_STAYS}{number}"
        self.change(**cells, **{mark: stays})
        self.exits.append(Exit(mark, False, fate, rule, reason, tuple(cells)))

    def merge(self, into: IntegerValue, rule: str, why: str) -> None:
        """Rows with another id than `into` leave for that one."""
        told = self.marked.mutate(_into=into)
        gone = told.filter(told["_into"] != told[ROW])
        self._left.append(departures(gone, Fate.MERGED, rule, why, gone["_into"]))
        self.marked = told.filter(told["_into"] == told[ROW]).drop("_into")

    def settle(self) -> None:
        """End the stretch: who left is told, and the others are seen alone, as rules about several rows need it."""
        self._left, self.marked = self.left, self.rows
        self.exits, self._sifted = [], None

    def sift(self, *flags: str) -> Table:
        """Compute once who leaves in this stretch, or has one of the flags; return them, with the marks and flags.

        The many who have neither are read past, and only once more when the rows are asked for.
        """
        here = self.marked
        some = [exit.takes(here) for exit in self.exits] + [here[flag] for flag in flags]
        cells = dict.fromkeys(cell for exit in self.exits for cell in exit.cells)
        found = here.filter(ibis.or_(ibis.literal(False), *some))
        self._sifted = self.engine.hold(found.select(ROW, *(exit.mark for exit in self.exits), *flags, *cells))
        return self._sifted

    def hold(self) -> None:
        """Compute what was built so far, once."""
        self.marked = self.engine.hold(self.marked)
        self._steps = 0

    def pause(self) -> None:
        """Compute what was built so far if it is as much as the engine can plan well; columns seen before are void."""
        if self._steps >= _MOST_STEPS:
            self.hold()
            self.settle()

    def _departures(self) -> Table:
        source = self.marked if self._sifted is None else self._sifted
        gone = source.filter(ibis.or_(*(exit.takes(source) for exit in self.exits)))

        def first(told: Callable[[Exit], str | StringValue]) -> StringValue:
            # The first way out that a row came to is the one it took.
            branches = ((exit.takes(gone), told(exit)) for exit in self.exits)
            return ibis.cases(*branches, else_=ibis.null("string"))

        return departures(
            gone,
            first(lambda exit: str(exit.fate)),
            first(lambda exit: exit.rule),
            first(lambda exit: exit.reason(gone)),
        )
