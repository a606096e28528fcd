"""Rules compiled to Ibis: each takes the rows as they are and says which go on, which leave, and why."""

import operator
from dataclasses import dataclass, field

import ibis
from ibis.common.annotations import ValidationError
from ibis.common.exceptions import IbisError
from ibis.expr.types import Table

from core.errors import DataError, ExpressionError, RuleError
from core.spec.rule import Cast, Deduplicate, Derive, DropNulls, Fill, Filter, Join, Rule, Select
from core.task import Fate
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.types import constant, ibis_type, typed
from tools.quality.departure import departures
from tools.transformation.arithmetic import alike
from tools.transformation.expression import condition, reason, scalar

_FOUND = "_found_"


@dataclass
class Transformed:
    """The rows after some rules, and who left on the way.

    While rules are applied, `rows` carries for each join the row that it found in the other dataset; `used` reads it.
    """

    rows: Table
    left: list[Table] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)

    def used(self) -> dict[str, Table]:
        """For each dataset looked up, the `_row`s that the rows which went through to the end found there."""
        found: dict[str, Table] = {}
        for index, dataset in enumerate(self.joined):
            column = self.rows[f"{_FOUND}{index}"]
            rows = self.rows.filter(column.notnull()).select(column.name(ROW))
            found[dataset] = ibis.union(found[dataset], rows) if dataset in found else rows
        return {dataset: rows.distinct().order_by(ROW) for dataset, rows in found.items()}


def transform(
    engine: Engine,
    rows: Table,
    rules: tuple[Rule, ...],
    *,
    dataset: str,
    others: dict[str, Table] | None = None,
) -> Transformed:
    """Apply the rules in order. `rows` has `_row`; `others` are the datasets that joins look up, with `_row` too.

    Raises RuleError with the rule's index and the reason when a rule does not fit the data.
    """
    try:
        return _applied(engine, rows, rules, dataset, others or {}, each=False)
    except DataError:
        # The engine computes several rules at once: whose it is shows when each is computed for itself.
        return _applied(engine, rows, rules, dataset, others or {}, each=True)


def _applied(
    engine: Engine, rows: Table, rules: tuple[Rule, ...], dataset: str, others: dict[str, Table], *, each: bool
) -> Transformed:
    state = Transformed(rows)
    unfit = (ExpressionError, IbisError, ValidationError, KeyError, TypeError, ValueError)
    for index, rule in enumerate(rules):
        try:
            _apply(engine, state, rule, others)
            if each:
                state.rows = engine.hold(state.rows)
        except (*unfit, DataError) as error:
            if isinstance(error, DataError) and not each:
                raise
            words = error.what if isinstance(error, ExpressionError) else reason(error)
            raise RuleError(dataset, index, rule.rule, words) from error
    state.rows = engine.hold(state.rows)
    return state


def _apply(engine: Engine, state: Transformed, rule: Rule, others: dict[str, Table]) -> None:
    rows = state.rows
    match rule:
        case Select(columns=columns):
            own = [name for name in rows.columns if name.startswith("_")]
            state.rows = rows.select(*own, *_there(rows, columns))
        case Cast(columns=columns):
            _cast(engine, state, columns)
        case Derive(columns=columns):
            state.rows = rows.mutate(**{_own(name): scalar(text, rows) for name, text in columns.items()})
        case Filter(where=where):
            _keep(engine, state, condition(where, rows), f"filter({where})", f"not true: {where}")
        case Fill(columns=columns):
            _there(rows, list(columns))
            state.rows = rows.mutate(**{n: rows[n].fill_null(constant(v, rows[n].type())) for n, v in columns.items()})
        case DropNulls(columns=columns):
            there = ibis.and_(*(rows[name].notnull() for name in _there(rows, columns)))
            names = ", ".join(columns)
            _keep(engine, state, there, f"drop_nulls({names})", f"no value in one of {names}")
        case Deduplicate(columns=columns):
            _deduplicate(engine, state, columns)
        case Join():
            _join(engine, state, rule, others[rule.dataset])


def _keep(
    engine: Engine,
    state: Transformed,
    fits: ibis.expr.types.BooleanValue,
    name: str,
    why: str | ibis.expr.types.StringValue,
    fate: Fate = Fate.FILTERED,
) -> None:
    """Rows for which `fits` is not true leave."""
    marked = engine.hold(
        state.rows.mutate(
            _keep=fits.fill_null(False),
            _why=why if not isinstance(why, str) else ibis.literal(why),
        )
    )
    leaving = marked.filter(~marked["_keep"])
    state.left.append(departures(leaving, fate, name, leaving["_why"]))
    state.rows = marked.filter(marked["_keep"]).drop("_keep", "_why")


def _cast(engine: Engine, state: Transformed, columns: dict[str, str]) -> None:
    for name, declared in columns.items():
        cell = state.rows[_there(state.rows, [name])[0]]
        value = cell.cast("string") if declared == "string" else typed(cell, declared)
        why = ibis.literal(f"{name} is '") + cell.cast("string").fill_null("") + f"', not of type {declared}"
        before = state.rows.mutate(_cast=value)
        state.rows = before
        _keep(
            engine,
            state,
            before[name].isnull() | before["_cast"].notnull(),
            f"cast({name})",
            why,
            Fate.QUARANTINED,
        )
        state.rows = state.rows.mutate(**{name: state.rows["_cast"].cast(ibis_type(declared))}).drop("_cast")


def _deduplicate(engine: Engine, state: Transformed, columns: tuple[str, ...]) -> None:
    rows = state.rows
    key = _there(rows, columns)
    first = rows[ROW].min().over(ibis.window(group_by=[rows[name] for name in key]))
    marked = engine.hold(rows.mutate(_into=first))
    surplus = marked.filter(marked[ROW] != marked["_into"])
    names = ", ".join(columns)
    state.left.append(
        departures(
            surplus,
            Fate.MERGED,
            f"deduplicate({names})",
            f"an earlier row has the same {names}",
            surplus["_into"],
        )
    )
    state.rows = marked.filter(marked[ROW] == marked["_into"]).drop("_into")


def _join(engine: Engine, state: Transformed, rule: Join, other: Table) -> None:
    rows = state.rows
    keys, columns = _there(other, tuple(rule.on.values())), _there(other, rule.columns)
    _there(rows, tuple(rule.on))
    if taken := [name for name in columns if name in rows.columns]:
        raise ValueError(f"column {', '.join(taken)} of '{rule.dataset}' is here already; derive another name first")
    # A row without a whole key is found by nobody.
    keyed = other.filter([other[key].notnull() for key in keys])
    repeated = engine.row(
        keyed.group_by(keys).having(keyed.count() > 1).aggregate(n=keyed.count()).aggregate(n=ibis._.count())
    )["n"]
    if repeated:
        raise ValueError(
            f"{repeated} keys ({', '.join(keys)}) stand more than once in '{rule.dataset}', which would multiply rows; "
            "declare the key unique in its validation, or deduplicate it"
        )
    column = f"{_FOUND}{len(state.joined)}"
    looked_up = other.select(
        other[ROW].name(column), **{f"_key_{k}": other[k] for k in keys}, **{c: other[c] for c in columns}
    )
    matches = [operator.eq(*alike([rows[mine], looked_up[f"_key_{their}"]])) for mine, their in rule.on.items()]
    state.rows = engine.hold(rows.left_join(looked_up, matches).drop(*(f"_key_{k}" for k in keys)))
    state.joined.append(rule.dataset)
    if rule.missing != "keep":
        shown = [ibis.literal(f"{mine} '") + state.rows[mine].cast("string").fill_null("") + "'" for mine in rule.on]
        why = ibis.literal(f"nothing in {rule.dataset} has ") + ibis.literal(", ").join(shown)
        fate = Fate.QUARANTINED if rule.missing == "quarantine" else Fate.FILTERED
        _keep(engine, state, state.rows[column].notnull(), f"join({rule.dataset})", why, fate)


def _there(table: Table, names: tuple[str, ...] | list[str]) -> list[str]:
    for name in names:
        if name not in table.columns or name.startswith("_"):
            there = ", ".join(column for column in table.columns if not column.startswith("_"))
            raise ValueError(f"there is no column '{name}'; there are {there}")
    return list(names)


def _own(name: str) -> str:
    if name.startswith("_"):
        raise ValueError(f"column '{name}' begins with '_', which is kept for Crewline's own columns")
    return name
