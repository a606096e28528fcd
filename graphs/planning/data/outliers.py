"""Numbers that stand apart: so far beyond all others, with nothing in between, that they are hardly meant."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.spec.check import Between
from graphs.planning.data.dataset import Column
from tools.engine.engine import Engine
from tools.engine.types import typed

# Beyond the upper quartile by so many times the distance between the quartiles.
_FENCE = 10.0
# So many times what comes next, and at least as many times that as that is the median: sums are made of their largest
# values, and of a thousand amounts that are rightly skewed, every tenth column has one three times the next.
_GAP = 10.0
# They are few.
_FEW = 0.01
# What is still let through beyond the largest of the others, as a share of it.
_SPARE = 0.5


def within_bounds(engine: Engine, cells: Any, columns: Mapping[str, Column]) -> dict[str, Column]:
    """Those of the columns that have such numbers, with a check that finds them.

    Tails that thin out are left alone, however long: only a gap tells.
    """
    numbers = {name: _value(cells[name]) for name, column in columns.items() if column.kind == "number"}
    fences = _fences(engine, cells, numbers)
    if not fences:
        return {}
    measures: dict[str, Any] = {}
    for place, (name, (fence, _)) in enumerate(fences.items()):
        value = numbers[name]
        measures |= {
            f"all{place}": value.count(),
            f"in{place}": value.max(where=value <= fence),
            f"out{place}": value.min(where=value > fence),
            f"many{place}": (value > fence).sum(),
        }
    found = engine.row(cells.aggregate(**measures))
    result = {}
    for place, (name, (_, middle)) in enumerate(fences.items()):
        inside, outside, many = found[f"in{place}"], found[f"out{place}"], found[f"many{place}"] or 0
        if not many or many > _FEW * found[f"all{place}"] or inside <= 0:
            continue
        if outside >= inside * max(_GAP, inside / middle if middle > 0 else _GAP):
            column = columns[name]
            check = Between(check="between", column=name, max=round(inside * (1 + _SPARE), 2))
            remark = f"{many} values are {outside:,.10g} and more, where all others are {inside:,.10g} and less"
            remark = f"{column.remark}; {remark}" if column.remark else remark
            result[name] = replace(column, checks=(*column.checks, check), remark=remark)
    return result


def _fences(engine: Engine, cells: Any, numbers: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """How far the numbers of each column go, where it can be told, and their median."""
    if not numbers:
        return {}
    quartiles = {f"q{place}": value.quantile([0.25, 0.5, 0.75]) for place, value in enumerate(numbers.values())}
    found = engine.row(cells.aggregate(**quartiles))
    fences = {}
    for place, name in enumerate(numbers):
        low, middle, high = found[f"q{place}"] or (0.0, 0.0, 0.0)
        if high is not None and high > max(low, 0):
            fences[name] = high + _FENCE * (high - low), middle
    return fences


def _value(cell: Any) -> Any:
    return typed(cell.strip() if cell.type().is_string() else cell, "float")
