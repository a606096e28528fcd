"""Values out of nested columns."""

from typing import Any

import ibis
from ibis.expr.types import Value

from core.spec.rule import Flatten
from core.task import Fate
from tools.transformation.rules.cells import as_declared
from tools.transformation.rules.passage import Passage


def flatten(passage: Passage, rule: Flatten) -> None:
    cell = passage.marked[rule.column]
    if cell.type().is_struct():
        _flatten_struct(passage, rule, cell)
    elif rule.fields is None:
        raise ValueError(f"column '{rule.column}' is of type {cell.type()}: say by `fields` what to take out of it")
    else:
        _flatten_json(passage, rule, rule.fields)


def _flatten_struct(passage: Passage, rule: Flatten, cell: Any) -> None:
    paths = list(rule.fields) if rule.fields else list(_leaves(cell.type(), ()))
    names = [rule.name_of(path) for path in paths]
    if taken := [name for name in names if names.count(name) > 1 or name.startswith("_")]:
        raise ValueError(f"no column can be called {taken[0]} here; give another `prefix`")
    for path, name in zip(paths, names, strict=True):
        value = _inside(passage.marked[rule.column], path)
        declared = (rule.fields or {}).get(path)
        if declared is None:
            passage.change(**{name: value})
        else:
            _add(passage, rule, path, value, declared)


def _flatten_json(passage: Passage, rule: Flatten, fields: dict[str, str]) -> None:
    text = passage.marked[rule.column].cast("string")
    why = [f"{rule.column} is '", text, "', no JSON"]
    fits = text.isnull() | text.try_cast("json").notnull()
    passage.keep(fits, f"flatten({rule.column})", why, Fate.QUARANTINED)
    for path, declared in fields.items():
        value = passage.marked[rule.column].cast("string").try_cast("json")
        for key in path.split("."):
            value = value[key]
        # Of a text the characters; of anything else, what stands in the JSON.
        _add(passage, rule, path, ibis.coalesce(value.str, value.cast("string").nullif("null")), declared)


def _add(passage: Passage, rule: Flatten, path: str, value: Value, declared: str) -> None:
    name = rule.name_of(path)
    passage.change(_value=value)
    cell = passage.marked["_value"]
    passage.change(**{name: as_declared(cell, declared)})
    here = passage.marked
    why = [f"{rule.column}.{path} is '", here["_value"], f"', not of type {declared}"]
    fits = here["_value"].isnull() | here[name].notnull()
    passage.keep(fits, f"flatten({rule.column})", why, Fate.QUARANTINED)
    passage.marked = passage.marked.drop("_value")


def _leaves(kind: Any, path: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name, inner in kind.fields.items():
        found += _leaves(inner, (*path, name)) if inner.is_struct() else [".".join((*path, name))]
    return found


def _inside(value: Any, path: str) -> Any:
    for key in path.split("."):
        if not value.type().is_struct() or key not in value.type().names:
            there = ", ".join(value.type().names) if value.type().is_struct() else "none"
            raise ValueError(f"there is no field '{path}'; at its place there are {there}")
        value = value[key]
    return value
