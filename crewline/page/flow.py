"""The account of a run's rows as a picture: each dataset flows through its stages, and narrows where rows leave it."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from core.task import Fate, RowCount
from crewline.page import svg
from crewline.page.wording import brief, count, shown

_WIDTH, _LEFT, _RIGHT = 1060.0, 128.0, 150.0
_TALLEST = 120.0
_HEAD, _EXITS, _GAP = 30.0, 52.0, 22.0
_NODE = 9.0

MOST_DATASETS = 8


@dataclass
class Leg:
    """What a stage did to the rows of a dataset. `failed`: some of its tasks failed or were not done."""

    stage: str
    rows: RowCount
    failed: bool = False


@dataclass
class Stream:
    """The rows of one dataset on their way. `end` says what became of those that were left, and of how many."""

    dataset: str
    legs: list[Leg]
    end: str
    rows_out: int
    unreferenced: int = 0

    @property
    def rows_in(self) -> int:
        return self.legs[0].rows.rows_in if self.legs else 0


def flow(streams: Sequence[Stream]) -> Markup | None:
    """The picture; None where no rows were read. Bands are as thick as they have rows, but none is invisible."""
    drawn = [stream for stream in streams if stream.rows_in][:MOST_DATASETS]
    if not drawn:
        return None
    stages = _order(drawn)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(stages))
    places = {stage: _LEFT + index * step for index, stage in enumerate(stages)}
    largest = max(stream.rows_in for stream in drawn)
    parts: list[str] = [svg.text(stage, x, 14.0, "head") for stage, x in places.items()]
    y = _HEAD
    for stream in drawn:
        height = max(_thickness(stream.rows_in, largest), 14.0)
        parts += _stream(stream, places, step, y, largest)
        leaving = max((sum(bool(n) for _, n in _exits(leg)) for leg in stream.legs), default=0)
        y += height + (_EXITS + 15.0 * max(0, leaving - 1) if leaving or stream.unreferenced else 8.0) + _GAP
    words = [f"{shown(s.dataset)}: {count(s.rows_in, 'row')} in, {s.end}" for s in drawn]
    described = "; ".join(words) + ". The table below has every number."
    return svg.picture("flow", "Where the rows went", described, _WIDTH, y, *parts)


def _order(streams: Sequence[Stream]) -> list[str]:
    """All stages that some dataset goes through, in the order of the longest ways."""
    found: list[str] = []
    for stream in sorted(streams, key=lambda stream: -len(stream.legs)):
        found += [leg.stage for leg in stream.legs if leg.stage not in found]
    return found


def _stream(stream: Stream, places: dict[str, float], step: float, y: float, largest: int) -> list[str]:
    base = y + max(_thickness(stream.rows_in, largest), 14.0) + 6
    name = svg.text(brief(stream.dataset, 17), 0.0, y + 12, "lane", title=shown(stream.dataset))
    parts: list[str] = [name, svg.text(f"{count(stream.rows_in)} in", 0.0, y + 27, "faint")]
    for index, leg in enumerate(stream.legs):
        x = places[leg.stage]
        later = stream.legs[index + 1] if index + 1 < len(stream.legs) else None
        to = places[later.stage] if later else _WIDTH - _RIGHT
        entering, going = _thickness(leg.rows.rows_in, largest), _thickness(leg.rows.rows_out, largest)
        words = f"{leg.stage}: {count(leg.rows.rows_in)} in, {count(leg.rows.rows_out)} out"
        state = "node failed" if leg.failed else "node"
        node = svg.element("rect", x=x, y=y, width=_NODE, height=max(entering, 3.0), rx=2, class_=state)
        parts.append(svg.element("g", svg.element("title", words), node))
        if leg.rows.rows_out and not (leg.failed and later is None):
            parts.append(svg.ribbon(x + _NODE, y, y + going, to, y, y + going, "band"))
        if leg.failed:
            parts.append(svg.text("failed", x + _NODE + 6, y + max(entering, 12.0) + 2, "bad"))
        parts += _departures(leg, x + _NODE, y, going, entering, base, step)
    parts += _ending(stream, y, largest, base, step)
    return parts


def _departures(leg: Leg, x: float, y: float, going: float, entering: float, base: float, step: float) -> list[str]:
    parts: list[str] = []
    top = y + going
    foot = base + 12.0
    for fate, number in _exits(leg):
        if not number:
            continue
        thick = max(min(_thickness(number, leg.rows.rows_in) * entering / _TALLEST, entering), 1.5)
        away = x + min(46.0, step * 0.35)
        parts.append(svg.ribbon(x, top, top + thick, away, foot, foot + max(thick, 3.0), f"band {fate}"))
        parts.append(svg.text(f"{count(number)} {fate}", away + 5, foot + 5, f"out {fate}"))
        top += thick
        foot += 15.0
    return parts


def _ending(stream: Stream, y: float, largest: int, base: float, step: float) -> list[str]:
    x, arrived = _WIDTH - _RIGHT, stream.rows_out
    thick = max(_thickness(arrived, largest), 3.0)
    parts: list[str] = [svg.element("rect", x=x, y=y, width=_NODE, height=thick, rx=2, class_="node end")]
    number, _, words = stream.end.partition(" ")
    for index, line in enumerate([number, *_lines(words, 22)[:2]]):
        parts.append(svg.text(line, x + _NODE + 6, y + 11 + 14 * index, "lane" if index == 0 else "faint"))
    if stream.unreferenced:
        parts.append(svg.text(f"{count(stream.unreferenced)} unreferenced", x - 60, base + 17, "out filtered"))
    return parts


def _exits(leg: Leg) -> list[tuple[Fate, int]]:
    rows = leg.rows
    return [(Fate.MERGED, rows.merged), (Fate.FILTERED, rows.filtered), (Fate.QUARANTINED, rows.quarantined)]


def _thickness(rows: int, largest: int) -> float:
    return max(_TALLEST * rows / largest, 1.5) if rows else 0.0


def _lines(words: str, room: int) -> list[str]:
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
