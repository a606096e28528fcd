"""Rules about a row among the others."""

from typing import Any

import ibis
from ibis.expr.types import Table

from core.spec.rule import Scale, Standardise, Window
from tools.engine.rowid import ROW
from tools.transformation.arithmetic import number
from tools.transformation.expression import windowed
from tools.transformation.rules.passage import Passage


def add_columns(passage: Passage, rule: Window) -> None:
    passage.settle()
    rows = passage.rows
    passage.marked = rows
    windows = _windows(rows, rule)
    passage.change(**{name: windowed(text, rows, **windows) for name, text in rule.columns.items()})
    # Sorting is dear, and who comes after may look at the rows more than once.
    passage.hold()


def _windows(rows: Table, rule: Window) -> dict[str, Any]:
    group = [rows[name] for name in rule.partition_by]
    order = [
        rows[text[1:]].desc(nulls_first=False) if text.startswith("-") else rows[text].asc(nulls_first=False)
        for text in rule.order_by
    ]
    # Among equals, and without any order, that of the source: every run must come to the same.
    strict = [*order, rows[ROW].asc()]
    if rule.rows is not None:
        frame = ibis.window(group_by=group, order_by=strict, preceding=rule.rows - 1, following=0)
    elif order:
        frame = ibis.window(group_by=group, order_by=strict, preceding=None, following=0)
    else:
        frame = ibis.window(group_by=group)
    return {
        "frame": frame,
        "order": ibis.window(group_by=group, order_by=strict),
        "rank": ibis.window(group_by=group, order_by=order or strict),
    }


def scale(passage: Passage, rule: Scale) -> None:
    found = _measured(passage, rule.columns, low=lambda x: x.min(), high=lambda x: x.max())
    for name in rule.columns:
        low, high = found[f"{name}_low"], found[f"{name}_high"]
        _shift(passage, name, low, None if low is None else high - low)


def standardise(passage: Passage, rule: Standardise) -> None:
    found = _measured(passage, rule.columns, mean=lambda x: x.mean(), spread=lambda x: x.std(how="sample"))
    for name in rule.columns:
        _shift(passage, name, found[f"{name}_mean"], found[f"{name}_spread"])


def _measured(passage: Passage, columns: tuple[str, ...], **measures: Any) -> dict[str, Any]:
    passage.settle()
    rows = passage.rows
    values = {name: number(rows[name]).cast("float64") for name in columns}
    return passage.engine.row(
        rows.aggregate(
            **{f"{name}_{word}": measure(value) for name, value in values.items() for word, measure in measures.items()}
        )
    )


def _shift(passage: Passage, name: str, by: float | None, unit: float | None) -> None:
    value = passage.marked[name].cast("float64")
    # A value alone has no spread, and equal ones none to divide by: they are all in one place.
    shifted = (value - by) / unit if unit else value - value
    passage.change(**{name: shifted})
