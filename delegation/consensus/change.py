"""What is different between two schemas of a dataset."""

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.schema import Schema, SchemaColumn
from tools.discovery.words import words

Kind = Literal["added", "removed", "renamed", "widened", "narrowed", "retyped", "loosened", "tightened"]

# A word of fewer letters abbreviates nothing: `id` is not short for `identity` and `idea` alike.
_LEAST_LETTERS = 3


class Change(BaseModel):
    """One difference.

    `renamed` is a guess, by the names alone (see `renames`); `now` is the new name. A type is `widened` where
    Arrow promotes the old one to the new, `narrowed` where the new has no room for some of the old, else `retyped`.
    A column is `loosened` where cells may now be without a value, `tightened` where no longer.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    column: str
    before: str | None = None
    after: str | None = None
    now: str | None = None


def changes(before: Schema, after: Schema) -> list[Change]:
    """What is different in `after`, in the order of the columns before, then new ones. What is not known on one side
    is no difference."""
    mapping = renames(before, after)
    found: list[Change] = []
    for name, column in before.items():
        now = name if name in after else mapping.get(name)
        if now is None:
            found.append(Change(kind="removed", column=name))
            continue
        if now != name:
            found.append(Change(kind="renamed", column=name, now=now))
        found += _within(name, column, after[now])
    taken = {*before, *mapping.values()}
    return found + [Change(kind="added", column=name) for name in after if name not in taken]


def renames(before: Schema, after: Schema) -> dict[str, str]:
    """Which new name each column that is gone goes by now, where that is clear.

    Two names are one if they have the same words in the same order, however written (`customer_id`, `CustomerID`), or
    each word is short for the other's (`cust_id`); numbers must be equal. A column that two names could stand for, or
    a name that could stand for two columns, is not mapped.
    """
    mapping: dict[str, str] = {}
    spoken = {name: words(name) for name in {*before, *after}}
    for alike in (_same, _abbreviated):
        gone = [name for name in before if name not in after and name not in mapping]
        new = [name for name in after if name not in before and name not in mapping.values()]
        pairs = [(old, now) for old in gone for now in new if alike(spoken[old], spoken[now])]
        olds, nows = Counter(old for old, _ in pairs), Counter(now for _, now in pairs)
        mapping |= {old: now for old, now in pairs if olds[old] == nows[now] == 1}
    return mapping


def _same(one: list[str], other: list[str]) -> bool:
    return bool(one) and one == other


def _abbreviated(one: list[str], other: list[str]) -> bool:
    return len(one) == len(other) > 0 and all(map(_short_for, one, other))


def _short_for(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= _LEAST_LETTERS and short.isalpha() and long.startswith(short))


def _within(name: str, before: SchemaColumn, after: SchemaColumn) -> list[Change]:
    """How a column that is still there has changed."""
    found: list[Change] = []
    if before.type and after.type and before.type != after.type:
        found.append(
            Change(kind=_direction(before.type, after.type), column=name, before=before.type, after=after.type)
        )
    if before.nullable is not None and after.nullable is not None and before.nullable != after.nullable:
        found.append(Change(kind="loosened" if after.nullable else "tightened", column=name))
    return found


def _direction(before: str, after: str) -> Kind:
    # They take a second to import, and most changes are of names alone.
    import pyarrow as pa
    from ibis.expr.datatypes import dtype
    from ibis.formats.pyarrow import PyArrowType

    old, new = dtype(before), dtype(after)
    if old.is_date() and new.is_timestamp():
        return "widened"
    if old.is_timestamp() and new.is_date():
        return "narrowed"
    one, other = PyArrowType.from_ibis(old), PyArrowType.from_ibis(new)
    schemas = [pa.schema([("c", one)]), pa.schema([("c", other)])]
    try:
        both = pa.unify_schemas(schemas, promote_options="permissive").field("c").type
    except pa.ArrowException:
        return "retyped"
    # Where a third type is needed to hold both, as for decimals, the new one has no room for some of the old.
    return "widened" if both == other else "narrowed"
