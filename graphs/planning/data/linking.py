"""links: the columns by which rows of one dataset are looked up in another, and what makes their keys alike."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from graphs.planning.data.dataset import Column, Dataset, Link, Rule
from tools.discovery import Discovery
from tools.engine.engine import Engine
from tools.engine.types import typed


class Way(NamedTuple):
    """A way to compare a column with a key: rows with a value, the share of them that finds theirs; rules that make
    both so, and what is to be said of it."""

    rows: int
    share: float | None
    left_rules: tuple[Rule, ...] = ()
    right_rules: tuple[Rule, ...] = ()
    told: str = ""


def links(
    engine: Engine, found: Discovery, datasets: Mapping[str, Dataset], cells: Mapping[str, Any]
) -> Iterator[Link]:
    """The joins that discovery has found, each in the direction in which the other side identifies its rows."""
    places = {dataset.location: dataset for dataset in datasets.values()}
    for join in found.compatibility:
        left, right = places.get(join.left), places.get(join.right)
        if left is None or right is None or left is right:
            continue
        names = (left, join.left_column, right, join.right_column)
        if join.left_column not in left.columns or join.right_column not in right.columns:
            continue
        if not right.identifies(join.right_column):
            if not left.identifies(join.left_column):
                continue
            names = (right, join.right_column, left, join.left_column)
        one, column, other, key = names
        declared = join.evidence == "foreign key" and one is left
        way = _way(engine, one.columns[column], cells[one.name][column], other.columns[key], cells[other.name][key])
        if way:
            yield Link(one.name, column, other.name, key, declared, way.share, way.rows, *way[2:])


def _way(engine: Engine, column: Column, cell: Any, key: Column, key_cell: Any) -> Way | None:
    """How the column's values find theirs: as they stand, or by rules that more of them do by; None if they cannot."""
    as_they_stand = _found(engine, *(one.cast("string").strip() for one in (cell, key_cell)))
    if column.plain or key.plain or column.formats or key.formats:
        return as_they_stand if column.type == key.type else None
    if column.type != key.type:
        if "integer" not in (column.type, key.type):
            return None
        whole = _found(engine, _whole(column, cell), _whole(key, key_cell))
        if not whole.share or not _distinct(engine, key_cell, lambda one: _whole(key, one)):
            return None
        mine, theirs = (() if of.type == "integer" else _as_numbers(of) for of in (column, key))
        return Way(whole.rows, whole.share, mine, theirs, "as whole numbers")
    if column.type != "string":
        return as_they_stand
    return by_letters(engine, column.name, cell, key.name, key_cell) or as_they_stand


def by_letters(engine: Engine, column: str, cell: Any, key: str, key_cell: Any) -> Way | None:
    """How texts find theirs if letter case and padding are put aside; None where no more do, or two keys become one."""
    exact = _found(engine, cell, key_cell).share or 0.0
    if exact == 1:
        return None
    letters = _found(engine, *(_lower(one) for one in (cell, key_cell)))
    if (letters.share or 0.0) <= exact or not _distinct(engine, key_cell, _lower):
        return None
    forms = [_forms(engine, one) for one in (cell, key_cell)]
    to = max(("upper", "lower"), key=lambda form: (forms[1][form], forms[0][form]))
    mine, theirs = (_respelled(name, to, form) for name, form in zip((column, key), forms, strict=True))
    return Way(letters.rows, letters.share, mine, theirs, f"by their letters, and {exact:.1%} as they are written")


def _found(engine: Engine, column: Any, key: Any) -> Way:
    """How many rows have a value, and the share of them whose value is among the keys."""
    counted = column.cast("string").name("value").as_table().filter(lambda t: t["value"] != "")
    marks = key.cast("string").name("value").as_table().distinct()
    row = engine.row(
        counted.aggregate(rows=counted.count(), there=counted["value"].isin(marks["value"]).sum().fill_null(0))
    )
    return Way(row["rows"], row["there"] / row["rows"] if row["rows"] else None)


def _distinct(engine: Engine, key: Any, made: Callable[[Any], Any]) -> bool:
    """Whether no key is lost, and no two become one."""
    both = key.name("raw").as_table().mutate(made=lambda t: made(t["raw"]))
    row = engine.row(both.aggregate(raw=both["raw"].nunique(), made=both["made"].nunique()))
    return bool(row["raw"] == row["made"])


def _whole(column: Column, cell: Any) -> Any:
    bare = cell.strip() if cell.type().is_string() else cell
    return typed(typed(bare, column.type) if column.type != "string" else bare, "integer")


def _lower(cell: Any) -> Any:
    return cell.strip().lower()


def _as_numbers(column: Column) -> tuple[Rule, ...]:
    trim: tuple[Rule, ...] = ({"rule": "trim", "columns": [column.name]},) if column.type == "string" else ()
    return (*trim, {"rule": "cast", "columns": {column.name: "integer"}})


def _forms(engine: Engine, cell: Any) -> dict[str, float]:
    """The share of the values that are in upper case, in lower case, and without padding."""
    present = cell.name("value").as_table().filter(lambda t: t["value"].strip() != "")
    value = present["value"]
    shares = {"upper": value == value.upper(), "lower": value == value.lower(), "bare": value == value.strip()}
    row = engine.row(present.aggregate(**{name: so.mean() for name, so in shares.items()}))
    return {name: share or 0.0 for name, share in row.items()}


def _respelled(column: str, to: str, forms: Mapping[str, float]) -> tuple[Rule, ...]:
    """What brings the column's values into a form, as far as they are not."""
    trim: tuple[Rule, ...] = ({"rule": "trim", "columns": [column]},) if forms["bare"] < 1 else ()
    case: tuple[Rule, ...] = ({"rule": "case", "columns": [column], "to": to},) if forms[to] < 1 else ()
    return (*trim, *case)
