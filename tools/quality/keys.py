"""Unique keys: which are on several rows."""

from collections.abc import Iterable, Mapping

import ibis
from ibis.expr.types import IntegerValue, Table

from core.spec.check import Check, Unique
from core.spec.column import Column
from tools.engine.engine import Engine
from tools.quality.checks import DOUBLE, testable

# A set of bits is kept while it has no more than so many for each row, and no more than 64 MB in all.
_BITS_A_ROW = 64
_BITS = 1 << 29


def with_doubles(engine: Engine, raw: Table, columns: Mapping[str, Column], checks: Iterable[Check]) -> Table:
    """The `testable` rows with a flag for each unique key: whether another row has the row's key.

    A row without a value in one of the key's columns has no key, and no double.
    """
    rows = testable(raw, columns)
    for index, check in enumerate(checks):
        if isinstance(check, Unique):
            flag = f"{DOUBLE}{index}"
            # Of a wide table, the other columns would cost more than the key.
            keyed = testable(raw, {name: columns[name] for name in check.columns})
            doubles = repeated(engine, keyed, check.columns)
            if doubles is None:
                rows = rows.mutate(**{flag: ibis.literal(False)})
                continue
            named = {f"_key_{position}": doubles[name] for position, name in enumerate(check.columns)}
            there = doubles.select(**named, _there=ibis.literal(True))
            both = rows.left_join(there, [rows[own] == there[f"_key_{i}"] for i, own in enumerate(check.columns)])
            rows = both.select(*rows.columns, **{flag: both["_there"].notnull()})
    return rows


def repeated(engine: Engine, table: Table, key: tuple[str, ...]) -> Table | None:
    """The keys that several rows have, with `_n`, how many; None if there is none."""
    if _all_different(engine, table, key):
        return None
    keyed = table.filter([table[name].notnull() for name in key])
    found = engine.hold(keyed.group_by(list(key)).having(keyed.count() > 1).aggregate(_n=keyed.count()))
    return found if engine.count(found) else None


def _all_different(engine: Engine, table: Table, key: tuple[str, ...]) -> bool:
    """Whether no two rows share a key, where that can be told by a bit for each possible one; else False."""
    if not all(table[name].type().is_integer() for name in key):
        return False
    bounds = engine.row(
        table.aggregate(
            rows=table.count(),
            **{f"low_{i}": table[name].min() for i, name in enumerate(key)},
            **{f"high_{i}": table[name].max() for i, name in enumerate(key)},
        )
    )
    lows = [bounds[f"low_{i}"] for i in range(len(key))]
    if None in lows:
        return True
    spans = [bounds[f"high_{i}"] - low + 1 for i, low in enumerate(lows)]
    size = 1
    for span in spans:
        size *= span
    if size > min(_BITS, _BITS_A_ROW * bounds["rows"]):
        return False
    packed: IntegerValue = ibis.literal(0)
    for name, low, span in zip(key, lows, spans, strict=True):
        packed = packed * span + (table[name].cast("int64") - low)
    counts = engine.row(table.aggregate(keys=packed.count(), different=engine.distinct(packed, size)))
    return bool(counts["keys"] == counts["different"])
