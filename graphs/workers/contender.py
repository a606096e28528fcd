"""Datasets that cover an entity: by which column, with which keys, and how sound they are."""

from dataclasses import dataclass

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis.expr.types import StringValue, Table, Value

from graphs.workers.columns import KEY_WORDS, aggregated
from graphs.workers.dataset import Dataset
from graphs.workers.inquiry import Inquiry, singular
from tools.engine.engine import Engine
from tools.engine.types import declared_type, missing
from tools.quality.cleaning.decision import judged

# Rows that are searched for wrong cells, which takes place in memory.
JUDGED = 20_000


@dataclass(frozen=True)
class Contender:
    """A dataset that covers an entity, by the column `key`.

    `keys` has its different keys as texts, in the column `key`: `distinct` of them, all that there are if `whole`.
    Where all rows could be searched, a key that is a mistake for another is none. `filled` is the share of cells with
    a value; `sound` the share of those in which no evidence of a mistake was found.
    """

    dataset: Dataset
    key: str
    attributes: frozenset[tuple[str, ...]]
    rows: int
    keys: Table
    distinct: int
    whole: bool
    filled: float | None
    sound: float | None


def contender(entity: str, key: str | None, dataset: Dataset, inquiry: Inquiry) -> Contender | str:
    """The dataset as one that covers the entity, or in words why it does not.

    It does if it has the column `key`; or, if that is None, a column that is named for the entity and tells more of its
    rows apart than any other that is named as a key: orders with a customer_id are about orders.
    """
    described = [column.name for column in dataset.description.columns]
    own = {name for name in described if _is_key(name, dataset, singular(entity), key)}
    if not own:
        return f"no column identifies a {entity} by its name"
    found = inquiry.rows(dataset)
    if found is None:
        return "it could not be read"
    engine, table = inquiry.engine, found.table
    names = [name for name in table.columns if declared_type(table[name].type())]
    distinct = _distinct(engine, table, [name for name in names if name in own or _identifies(name)])
    best = max(own & distinct.keys(), key=lambda name: (distinct[name], name), default=None)
    if best is None:
        return f"the values of {', '.join(sorted(own))} cannot be compared"
    other = max(distinct, key=lambda name: distinct[name])
    if key is None and distinct[other] > distinct[best]:
        return f"its rows are told apart by {other}, not by {best}"
    rows, gaps = _gaps(engine, table, names)
    sound, keyed = _sound(inquiry, dataset, table.select(*names), best, rows)
    keys = engine.hold(keyed.filter(keyed["key"].notnull()).distinct())
    return Contender(
        dataset=dataset,
        key=best,
        attributes=frozenset(tuple(singular(name)) for name in table.columns if name != best),
        rows=rows,
        keys=keys,
        distinct=engine.count(keys),
        whole=found.whole,
        filled=1 - gaps / (rows * len(names)) if rows else None,
        sound=sound,
    )


def _is_key(name: str, dataset: Dataset, entity: list[str], key: str | None) -> bool:
    words = singular(name)
    if key is not None:
        return words == singular(key)
    about = set(entity) <= set(singular(dataset.description.name))
    alone = (name,) == dataset.description.primary_key or (len(words) == 1 and words[0] in KEY_WORDS)
    return (words[:-1] == entity and words[-1] in KEY_WORDS) or (about and alone)


def _identifies(name: str) -> bool:
    return not KEY_WORDS.isdisjoint(singular(name)[-1:])


def _distinct(engine: Engine, table: Table, names: list[str]) -> dict[str, int]:
    measures: dict[tuple[str, ...], Value] = {(name,): _text(table, name).nunique() for name in names}
    return {name: n for (name,), n in aggregated(engine, table, measures).items()}


def _gaps(engine: Engine, table: Table, names: list[str]) -> tuple[int, int]:
    """The rows, and the cells of these columns that have no value."""
    measures: dict[tuple[str, ...], Value] = {(name,): missing(table[name]).sum().fill_null(0) for name in names}
    found = aggregated(engine, table, measures | {(): table.count()})
    rows = found.pop(())
    return rows, sum(found.values())


def _sound(inquiry: Inquiry, dataset: Dataset, table: Table, key: str, rows: int) -> tuple[float | None, Table]:
    """The share of cells with a value that no evidence speaks against; and the keys of rows whose key stands."""
    engine = inquiry.engine
    looked_at = engine.arrow(table.limit(JUDGED))
    findings = judged(looked_at)
    engine.check()
    present = sum(looked_at.num_rows - column.null_count for column in looked_at.columns)
    sound = 1 - len(findings) / present if present else None
    if rows > JUDGED:
        inquiry.notes.append(f"{dataset.location}: mistakes were looked for in the first {JUDGED} rows only")
        return sound, table.select(key=_text(table, key))
    texts = pc.cast(looked_at.column(key), pa.string()).to_pylist()
    place = looked_at.column_names.index(key)
    # Blanks around a key make no other key of it.
    wrong = {f.row for f in findings if f.column == place and f.after != (texts[f.row] or "").strip()}
    stands = pa.array([row not in wrong for row in range(looked_at.num_rows)], pa.bool_())
    standing = engine.table(looked_at.select([key]).filter(stands))
    return sound, standing.select(key=_text(standing, key))


def _text(table: Table, name: str) -> StringValue:
    """Keys as text, so that those of files of different kinds compare; null where there is none."""
    return ibis.ifelse(missing(table[name]), ibis.null("string"), table[name].cast("string").strip())
