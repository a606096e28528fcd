"""Rules that look rows up in another dataset."""

import operator

import ibis
from ibis.expr.types import Table, Value

from core.spec.rule import Join, Lookup, Reference
from core.task import Fate
from tools.engine.rowid import ROW
from tools.engine.types import constant
from tools.quality.keys import repeated
from tools.transformation.arithmetic import alike
from tools.transformation.rules.passage import FOUND, Passage


def join(passage: Passage, rule: Join) -> None:
    found = _find(passage, rule, rule.on, {name: name for name in rule.columns})
    if rule.missing == "keep":
        return
    here = passage.marked
    why: list[str | Value] = [f"nothing in {rule.dataset} has "]
    for place, mine in enumerate(rule.on):
        why += [f"{', ' if place else ''}{mine} '", here[mine], "'"]
    fate = Fate.QUARANTINED if rule.missing == "quarantine" else Fate.FILTERED
    passage.keep(here[found].notnull(), f"join({rule.dataset})", why, fate)


def look_up(passage: Passage, rule: Lookup) -> None:
    found = _find(passage, rule, {rule.column: rule.key}, {"_taken": rule.take})
    value = passage.marked["_taken"]
    if rule.default is not None:
        value = ibis.ifelse(passage.marked[found].isnull(), constant(rule.default, value.type()), value)
    passage.change(**{rule.into: value})
    passage.marked = passage.marked.drop("_taken")


def _find(passage: Passage, rule: Reference, on: dict[str, str], take: dict[str, str]) -> str:
    """Join the other dataset's row to each row; return the column that tells which it was, null if there is none."""
    other = passage.others[rule.dataset]
    _check_there(other, [*on.values(), *take.values()])
    keyed = _unique(passage, rule, other, list(on.values()))
    column = f"{FOUND}{len(passage.joined)}"
    looked_up = keyed.select(
        keyed[ROW].name(column),
        **{f"_key_{their}": keyed[their] for their in on.values()},
        **{mine: keyed[their] for mine, their in take.items()},
    )
    rows = passage.marked
    matches = [operator.eq(*alike([rows[mine], looked_up[f"_key_{their}"]])) for mine, their in on.items()]
    passage.marked = rows.left_join(looked_up, matches).drop(*(f"_key_{their}" for their in on.values()))
    passage.joined.append(rule.dataset)
    return column


def _unique(passage: Passage, rule: Reference, other: Table, keys: list[str]) -> Table:
    """The rows that have a whole key, which nobody shares. Raises ValueError if keys stand more than once."""
    keyed = other.filter([other[key].notnull() for key in keys])
    doubles = repeated(passage.engine, keyed, tuple(keys))
    if doubles is not None:
        n = passage.engine.count(doubles)
        raise ValueError(
            f"{n} keys ({', '.join(keys)}) stand more than once in '{rule.dataset}', which would multiply rows; "
            "declare the key unique in its validation, or deduplicate it"
        )
    return keyed


def _check_there(table: Table, names: list[str]) -> None:
    for name in names:
        if name not in table.columns or name.startswith("_"):
            there = ", ".join(column for column in table.columns if not column.startswith("_"))
            raise ValueError(f"there is no column '{name}'; there are {there}")
