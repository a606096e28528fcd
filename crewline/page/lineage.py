"""The lineage of a run as a picture: columns of the sources on one side, those of the target on the other."""

from collections.abc import Sequence
from dataclasses import dataclass

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
        (
            name,
            derivation.kind,
            ", ".join(f"{o.dataset}.{o.column}" for o in derivation.inputs),
            "; ".join(derivation.by),
        )
        for name, derivation in traced.columns.items()
    ]
    decides = [(f"{i.input.dataset}.{i.input.column}", str(i.kind), i.by) for i in traced.influences]
    most = MOST_COLUMNS * 4
    left_out = max(0, len(columns) - most) + max(0, len(decides) - most)
    return ColumnLineageView(_drawn(spec, target, traced), columns[:most], decides[:most], left_out)


def _drawn(spec: PipelineSpec, target: str, traced: ColumnLineage) -> Markup:
    places: dict[str, float] = {}
    parts: list[str] = []
    y = 4.0
    used = {(o.dataset, o.column) for d in traced.columns.values() for o in d.inputs}
    deciding = {(i.input.dataset, i.input.column) for i in traced.influences}
    for dataset, source in list(spec.sources.items())[:MOST_DATASETS]:
        names = sorted(source.columns, key=lambda c: ((dataset, c) not in used, (dataset, c) not in deciding))
        kinds = {
            c: "column" if (dataset, c) in used else "column decides" if (dataset, c) in deciding else "column unused"
            for c in names
        }
        words = {c: f"{c}, {source.columns[c].type}, {_ROLE[kinds[c]]}" for c in names}
        height = _box(parts, _LEFT, y, dataset, f"{source.kind} source", names, kinds, words)
        for index, name in enumerate(names[:MOST_COLUMNS]):
            places[f"{dataset}.{name}"] = y + _HEAD + 14 + index * _ROW
        y += height + _GAP
    made = list(traced.columns)
    height = _box(parts, _RIGHT, 4.0, target, "target", made, dict.fromkeys(made, "column"), {})
    lines = [
        _line(
            places[f"{o.dataset}.{o.column}"], 4.0 + _HEAD + 14 + index * _ROW, derivation.kind, f"{o.column} → {name}"
        )
        for index, (name, derivation) in enumerate(list(traced.columns.items())[:MOST_COLUMNS])
        for o in derivation.inputs
        if f"{o.dataset}.{o.column}" in places
    ]
    told = f"{count(len(spec.sources), 'source')} and one target with {count(len(made), 'column')}"
    return svg.picture(
        "lineage",
        "Lineage",
        f"{told}. The tables below say the same in words.",
        _WIDTH,
        max(y, height + 8),
        *lines,
        *parts,
    )


_ROLE = {
    "column": "which the result is made of",
    "column decides": "which decides about rows",
    "column unused": "which nothing uses",
}


def _box(
    parts: list[str],
    x: float,
    y: float,
    title: str,
    kind: str,
    names: Sequence[str],
    classes: dict[str, str],
    words: dict[str, str],
) -> float:
    shown_names = names[:MOST_COLUMNS]
    more = len(names) - len(shown_names)
    height = _HEAD + 8 + _ROW * (len(shown_names) + bool(more))
    parts.append(svg.element("rect", x=x, y=y, width=_BOX, height=height, rx=6, class_="box"))
    parts.append(svg.text(brief(title, 28), x + 12, y + 18, "lane", title=shown(title)))
    parts.append(svg.text(kind, x + _BOX - 12, y + 18, "faint", anchor="end"))
    for index, name in enumerate(shown_names):
        place = y + _HEAD + 18 + index * _ROW
        parts.append(svg.text(brief(name, 36), x + 12, place, classes[name], title=shown(words.get(name, name))))
    if more:
        parts.append(
            svg.text(f"and {count(more, 'more column')}", x + 12, y + _HEAD + 18 + len(shown_names) * _ROW, "faint")
        )
    return height


def _line(y0: float, y1: float, kind: str, words: str) -> Markup:
    x0, x1 = _LEFT + _BOX, _RIGHT
    middle = (x0 + x1) / 2
    path = f"M{x0:.0f} {y0:.1f}C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} {x1:.0f} {y1:.1f}"
    title = svg.element("title", shown(f"{words} ({kind})"))
    return svg.element("g", title, svg.element("path", d=path, class_=f"line {kind}"))
