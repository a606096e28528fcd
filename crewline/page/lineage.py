"""The lineage of a run as a picture: columns of the sources on one side, those of the target on the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from core.spec import PipelineSpec
from crewline.page import svg
from crewline.page.wording import brief, count, shown
from tools.orchestration.columns import ColumnLineage, trace

_WIDTH, _LEFT, _RIGHT, _BOX = 1060.0, 8.0, 752.0, 300.0
_ROW, _HEAD, _GAP = 19.0, 26.0, 16.0

# Columns drawn of each dataset, and datasets.
MOST_COLUMNS = 30
MOST_DATASETS = 12


@dataclass
class ColumnLineageView:
    """The picture, with a line of words for each published column and each column that decides about rows."""

    picture: Markup
    columns: list[tuple[str, str, str, str]]
    decides: list[tuple[str, str, str]]
    left_out: int


def lineage(spec: PipelineSpec, target: str) -> ColumnLineageView:
    """The lineage of what a spec publishes at `target`. Raises ExpressionError if an expression cannot be parsed."""
    traced = trace(spec)
    columns = [
        (name, str(made.kind), ", ".join(f"{o.dataset}.{o.column}" for o in made.inputs), "; ".join(made.by))
        for name, made in traced.columns.items()
    ]
    decides = [(f"{i.input.dataset}.{i.input.column}", str(i.kind), i.by) for i in traced.influences]
    most = MOST_COLUMNS * 4
    left_out = max(0, len(columns) - most) + max(0, len(decides) - most)
    return ColumnLineageView(_drawn(spec, target, traced), columns[:most], decides[:most], left_out)


def _drawn(spec: PipelineSpec, target: str, traced: ColumnLineage) -> Markup:
    places: dict[tuple[str, str], float] = {}
    parts: list[str] = []
    y = 4.0
    used = {(o.dataset, o.column) for d in traced.columns.values() for o in d.inputs}
    deciding = {(i.input.dataset, i.input.column) for i in traced.influences}
    for dataset, source in list(spec.sources.items())[:MOST_DATASETS]:
        roles = {c: _role((dataset, c), used, deciding) for c in source.columns}
        names = sorted(roles, key=lambda column: list(_ROLES).index(roles[column]))
        rows = [Row(c, f"{c}, {source.columns[c].type}, {_ROLES[roles[c]]}", roles[c]) for c in names]
        height = _box(parts, _LEFT, y, dataset, f"{source.kind} source", rows)
        for index, name in enumerate(names[:MOST_COLUMNS]):
            places[dataset, name] = y + _HEAD + 14 + index * _ROW
        y += height + _GAP
    made = list(traced.columns.items())
    height = _box(parts, _RIGHT, 4.0, target, "target", [Row(name, name, "column") for name, _ in made])
    lines = []
    for index, (name, derivation) in enumerate(made[:MOST_COLUMNS]):
        for origin in derivation.inputs:
            place = places.get((origin.dataset, origin.column))
            if place is not None:
                to = 4.0 + _HEAD + 14 + index * _ROW
                lines.append(_line(place, to, derivation.kind, f"{origin.column} → {name}"))
    told = f"{count(len(spec.sources), 'source')} and one target with {count(len(made), 'column')}."
    told += " The tables below say the same in words."
    return svg.picture("lineage", "Lineage", told, _WIDTH, max(y, height + 8), *lines, *parts)


class Row(NamedTuple):
    """A column in a box: its name, what is said of it, and its class."""

    name: str
    words: str
    role: str


# Classes of columns in a source, and what they mean.
_ROLES = {
    "column": "which the result is made of",
    "column decides": "which decides about rows",
    "column unused": "which nothing uses",
}


def _role(column: tuple[str, str], used: set[tuple[str, str]], deciding: set[tuple[str, str]]) -> str:
    return "column" if column in used else "column decides" if column in deciding else "column unused"


def _box(parts: list[str], x: float, y: float, title: str, kind: str, rows: Sequence[Row]) -> float:
    """Draw a dataset with its columns, and return how high it is."""
    drawn = rows[:MOST_COLUMNS]
    more = len(rows) - len(drawn)
    height = _HEAD + 8 + _ROW * (len(drawn) + bool(more))
    parts.append(svg.element("rect", x=x, y=y, width=_BOX, height=height, rx=6, class_="box"))
    parts.append(svg.text(brief(title, 28), x + 12, y + 18, "lane", title=shown(title)))
    parts.append(svg.text(kind, x + _BOX - 12, y + 18, "faint", anchor="end"))
    place = y + _HEAD + 18
    for row in drawn:
        parts.append(svg.text(brief(row.name, 36), x + 12, place, row.role, title=shown(row.words)))
        place += _ROW
    if more:
        parts.append(svg.text(f"and {count(more, 'more column')}", x + 12, place, "faint"))
    return height


def _line(y0: float, y1: float, kind: str, words: str) -> Markup:
    x0, x1 = _LEFT + _BOX, _RIGHT
    middle = (x0 + x1) / 2
    path = f"M{x0:.0f} {y0:.1f}C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} {x1:.0f} {y1:.1f}"
    title = svg.element("title", shown(f"{words} ({kind})"))
    return svg.element("g", title, svg.element("path", d=path, class_=f"line {kind}"))
