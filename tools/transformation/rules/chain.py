"""A chain of rules, carried out: what it makes of the rows, who left, and which rule does not fit, if one does not."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ibis.common.annotations import ValidationError
from ibis.common.exceptions import IbisError
from ibis.expr.types import Table

from core.errors import CrewlineError, DataError, EngineError, ExpressionError, RuleError
from core.spec.column import check_apart, check_given
from core.spec.rule import Change, Reference
from tools.engine.engine import Engine
from tools.transformation.expression import reason
from tools.transformation.rules import cells, columns, lookup, nested, rows, window
from tools.transformation.rules.passage import Passage

Result = TypeVar("Result")

# What the engine raises for data that a rule does not fit, such as a sum beyond 64 bits, or for the rule itself.
DATA_ERRORS = (DataError, EngineError)
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


def transform(
    engine: Engine,
    rows: Table,
    rules: Iterable[Change],
    *,
    dataset: str,
    others: dict[str, Table] | None = None,
) -> Passage:
    """Apply rules that keep rows, in order, and compute what they make of them: its `rows`, `left`, `used()`.

    `rows` has `_row`; `others` are the datasets that rules look up, with `_row` too. Raises RuleError with the rule's
    index and the reason when a rule does not fit the data.
    """

    def hold(passage: Passage) -> Passage:
        passage.hold()
        return passage

    return carry_out(engine, rows, rules, hold, dataset=dataset, others=others)


def carry_out(
    engine: Engine,
    rows: Table,
    rules: Iterable[Change],
    finish: Callable[[Passage], Result],
    *,
    dataset: str,
    others: dict[str, Table] | None = None,
) -> Result:
    """Apply rules as `transform` does, but let `finish` compute the result, such as write it, and return what it does.

    Nothing is computed or kept then but what `finish` asks for. It is called once more if the engine fails in it, once
    it is clear that no rule is to blame. Raises what the engine raises, if that is so.
    """
    chain = tuple(rules)
    try:
        return finish(_applied(Passage(engine, rows, others), chain, dataset, each=False))
    except DATA_ERRORS:
        # The engine computes several rules at once: whose fault it is shows when each is computed for itself.
        return finish(_applied(Passage(engine, rows, others), chain, dataset, each=True))


def _applied(passage: Passage, rules: tuple[Change, ...], dataset: str, *, each: bool) -> Passage:
    if each:
        passage.hold()
    for index, rule in enumerate(rules):
        passage.engine.check()
        with blamed(dataset, index, rule, engine=each):
            check_names(passage, rule)
            passage.pause()
            _APPLY[rule.rule](passage, rule)
            if each:
                passage.hold()
                passage.settle()
    return passage


@contextmanager
def blamed(dataset: str, index: int, rule: Change, *, engine: bool) -> Iterator[None]:
    """Errors in the block are the rule's: RuleError; with `engine`, those of the engine about data too."""
    try:
        yield
    except (*_UNFIT, *DATA_ERRORS) as error:
        if isinstance(error, DATA_ERRORS) and not engine:
            raise
        words = error.what if isinstance(error, CrewlineError) else reason(error)
        raise RuleError(dataset, index, rule.rule, words) from error


def check_names(passage: Passage, rule: Change) -> None:
    """Raise ValueError unless the columns that a rule reads are there, and those that it writes can be."""
    here = passage.columns
    for name in rule.reads():
        if name not in here:
            raise ValueError(f"there is no column '{name}'; there are {', '.join(here)}")
    written = list(rule.writes())
    for name in written:
        check_given(name)
    # Those that it drops, or gives other names, are no more.
    check_apart([*(name for name in here if name not in rule.drops()), *written])
    if taken := [name for name in rule.adds() if name in here]:
        of = f" of '{rule.dataset}'" if isinstance(rule, Reference) else ""
        raise ValueError(f"column {', '.join(taken)}{of} is here already; derive another name first")
