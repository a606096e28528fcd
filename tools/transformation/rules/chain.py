"""A chain of rules, carried out: what it makes of the rows, who left, and which rule does not fit, if one does not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import duckdb
import ibis
from ibis.common.annotations import ValidationError
from ibis.common.exceptions import IbisError
from ibis.expr.types import Table

from core.errors import ExpressionError, RuleError
from core.spec.rule import Change, Reference
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.transformation.expression import reason
from tools.transformation.rules import cells, columns, lookup, nested, rows, window
from tools.transformation.rules.passage import FOUND, Passage

Result = TypeVar("Result")

# What the engine raises for data that a rule does not fit, such as a sum beyond 64 bits, or for the rule itself.
_ENGINE = (duckdb.DataError, duckdb.ProgrammingError)
_UNFIT = (ExpressionError, IbisError, ValidationError, KeyError, TypeError, ValueError)

_APPLY: dict[str, Callable[..., None]] = {
    "case": cells.case,
    "cast": cells.cast,
    "deduplicate": rows.deduplicate,
    "derive": columns.derive,
    "drop_nulls": rows.drop_nulls,
    "fill": cells.fill,
    "filter": rows.keep,
    "flatten": nested.flatten,
    "hash": cells.digest,
    "join": lookup.join,
    "lookup": lookup.look_up,
    "map": cells.replace_values,
    "mask": cells.mask,
    "merge": columns.merge,
    "parse_dates": cells.parse_dates,
    "rename": columns.rename,
    "replace": cells.replace,
    "scale": window.scale,
    "select": columns.select,
    "split": columns.split,
    "standardise": window.standardise,
    "trim": cells.trim,
    "window": window.add_columns,
}


@dataclass
class Transformed:
    """The rows after some rules, and the departures of those who left on the way.

    `rows` carries for each of `joined` the row that it found in that dataset; `used` reads it.
    """

    rows: Table
    left: list[Table] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)

    def used(self) -> dict[str, Table]:
        """For each dataset looked up, the `_row`s that the rows which went through to the end found there."""
        found: dict[str, Table] = {}
        for index, dataset in enumerate(self.joined):
            column = self.rows[f"{FOUND}{index}"]
            here = self.rows.filter(column.notnull()).select(column.name(ROW))
            found[dataset] = ibis.union(found[dataset], here) if dataset in found else here
        return {dataset: table.distinct().order_by(ROW) for dataset, table in found.items()}


def transform(
    engine: Engine,
    rows: Table,
    rules: Iterable[Change],
    *,
    dataset: str,
    others: dict[str, Table] | None = None,
) -> Transformed:
    """Apply rules that keep rows, in order, and compute what they make of them.

    `rows` has `_row`; `others` are the datasets that rules look up, with `_row` too. Raises RuleError with the rule's
    index and the reason when a rule does not fit the data.
    """

    def held(done: Transformed) -> Transformed:
        return Transformed(engine.hold(done.rows), [engine.hold(gone) for gone in done.left], done.joined)

    return carry_out(engine, rows, rules, held, dataset=dataset, others=others)


def carry_out(
    engine: Engine,
    rows: Table,
    rules: Iterable[Change],
    finish: Callable[[Transformed], Result],
    *,
    dataset: str,
    others: dict[str, Table] | None = None,
) -> Result:
    """Apply rules as `transform` does, but let `finish` compute the result, such as write it, and return what it does.

    Nothing is computed twice or kept then that `finish` does not ask for. It is called once more if the engine fails in
    it, to find the rule whose fault it is.
    """
    chain = tuple(rules)
    try:
        return finish(_applied(Passage(engine, rows, others), chain, dataset, each=False))
    except _ENGINE:
        # The engine computes several rules at once: whose it is shows when each is computed for itself.
        return finish(_applied(Passage(engine, rows, others), chain, dataset, each=True))


def _applied(passage: Passage, rules: tuple[Change, ...], dataset: str, *, each: bool) -> Transformed:
    for index, rule in enumerate(rules):
        try:
            _check_names(passage, rule)
            _APPLY[rule.rule](passage, rule)
            if each:
                passage.hold()
                passage.settle()
        except (*_UNFIT, *_ENGINE) as error:
            if isinstance(error, _ENGINE) and not each:
                raise
            words = error.what if isinstance(error, ExpressionError) else reason(error)
            raise RuleError(dataset, index, rule.rule, words) from error
    passage.settle()
    return Transformed(passage.rows, passage.left, passage.joined)


def _check_names(passage: Passage, rule: Change) -> None:
    here = passage.columns
    for name in rule.reads():
        if name not in here:
            raise ValueError(f"there is no column '{name}'; there are {', '.join(here)}")
    for name in rule.writes():
        if name.startswith("_"):
            raise ValueError(f"column '{name}' begins with '_', which is kept for Crewline's own columns")
        if like := next((other for other in here if other != name and other.lower() == name.lower()), None):
            # The engine takes names that differ in case alone for one.
            raise ValueError(f"columns '{like}' and '{name}' differ in case alone")
    if taken := [name for name in rule.adds() if name in here]:
        of = f" of '{rule.dataset}'" if isinstance(rule, Reference) else ""
        raise ValueError(f"column {', '.join(taken)}{of} is here already; derive another name first")
