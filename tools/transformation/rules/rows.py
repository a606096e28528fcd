"""Rules about rows."""

import ibis

from core.spec.rule import Deduplicate, DropNulls, Filter
from tools.engine.rowid import ROW
from tools.transformation.expression import condition
from tools.transformation.rules.passage import Passage


def keep(passage: Passage, rule: Filter) -> None:
    passage.keep(condition(rule.where, passage.marked), f"filter({rule.where})", [f"not true: {rule.where}"])


def drop_nulls(passage: Passage, rule: DropNulls) -> None:
    names = ", ".join(rule.columns)
    there = ibis.and_(*(passage.marked[name].notnull() for name in rule.columns))
    passage.keep(there, f"drop_nulls({names})", [f"no value in one of {names}"])


def deduplicate(passage: Passage, rule: Deduplicate) -> None:
    passage.settle()
    rows, key = passage.rows, list(rule.columns)
    keyed = rows.filter([rows[name].notnull() for name in key])
    # Most keys stand once: only those that do not are joined back.
    repeated = keyed.group_by(key).having(keyed.count() > 1).aggregate(_first=keyed[ROW].min())
    renamed = passage.engine.hold(repeated).rename({f"_key_{index}": name for index, name in enumerate(key)})
    matches = [rows[name] == renamed[f"_key_{index}"] for index, name in enumerate(key)]
    both = rows.left_join(renamed, matches)
    passage.marked = both.select(*rows.columns, _first=both["_first"])
    names = ", ".join(key)
    first = passage.marked["_first"].fill_null(passage.marked[ROW])
    passage.merge(first, f"deduplicate({names})", f"an earlier row has the same {names}")
    passage.marked = passage.marked.drop("_first")
