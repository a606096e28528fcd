"""The timeline of a run as a picture: a lane for each agent, a bar for each attempt at a step."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from markupsafe import Markup

from crewline.page import svg
from crewline.page.attempts import Attempt, Course
from crewline.page.scale import Scale
from crewline.page.wording import brief, count, moment, shown, span

_WIDTH, _LEFT, _RIGHT = 1060.0, 168.0, 12.0
_ROW, _PAD, _HEAD = 20.0, 9.0, 26.0
# A lane with more bars than these, or more of them at a time, is drawn as how many were under way.
MOST_BARS, MOST_ROWS = 80, 8
MOST_LANES = 24
_BAND = 56.0
_BIN = 4.0
# Shorter waits are not told, seconds.
_SEEN_S = 0.001

Wait = Callable[[str], float | None]


def timeline(course: Course, waits: Wait, now: datetime) -> Markup | None:
    """The picture; None where nothing was begun. `waits` says how long a step could have begun before it did."""
    if not course.attempts:
        return None
    scale = Scale([(a.start, a.end or now) for a in course.attempts], _LEFT, _WIDTH - _RIGHT)
    drawn: list[str] = []
    waited: list[str] = []
    y = _HEAD
    for name, attempts in _lanes(course.attempts).items():
        rows = _packed(attempts, now)
        many = len(attempts) > MOST_BARS or max(rows) >= MOST_ROWS
        height = _BAND if many else (max(rows) + 1) * _ROW
        drawn.append(svg.element("line", x1=0.0, x2=_WIDTH, y1=y, y2=y, class_="rule"))
        drawn.append(svg.text(brief(name, 22), 0.0, y + _PAD + 14, "lane", title=shown(name)))
        drawn.append(svg.text(_came_to(attempts), 0.0, y + _PAD + 30, "faint"))
        if many:
            drawn += _density(attempts, scale, y + _PAD, now)
        else:
            for attempt, row in zip(attempts, rows, strict=True):
                place = y + _PAD + row * _ROW
                wait = waits(attempt.step) if attempt.number == 1 else None
                waited += _wait(attempt, wait, scale, place)
                drawn.append(_bar(attempt, wait, scale, place, now))
        y += max(height, 32.0) + 2 * _PAD
    axis = [
        svg.element("g", svg.element("line", x1=x, x2=x, y1=_HEAD - 6, y2=y, class_="tick"), _label(x, s))
        for x, s in scale.ticks()
    ]
    cuts = [_cut(*gap, course, y) for gap in scale.gaps]
    return svg.picture("timeline", "Timeline", _described(course), _WIDTH, y + 6, *axis, *cuts, *waited, *drawn)


def _lanes(attempts: Sequence[Attempt]) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        found.setdefault(attempt.actor, []).append(attempt)
    if len(found) > MOST_LANES:
        largest = set(sorted(found, key=lambda name: -len(found[name]))[: MOST_LANES - 1])
        others = [a for name, of in found.items() if name not in largest for a in of]
        others.sort(key=lambda attempt: attempt.start)
        label = f"{count(len(found) - len(largest))} others"
        found = {name: of for name, of in found.items() if name in largest} | {label: others}
    return found


def _packed(attempts: Sequence[Attempt], now: datetime) -> list[int]:
    """The row of each attempt: the first in which nothing else is at that time."""
    ends: list[datetime] = []
    rows = []
    for attempt in attempts:
        row = next((i for i, end in enumerate(ends) if end <= attempt.start), len(ends))
        ends[row : row + 1] = [attempt.end or now]
        rows.append(row)
    return rows


def _bar(attempt: Attempt, waited: float | None, scale: Scale, y: float, now: datetime) -> Markup:
    start, end = scale.at(attempt.start), scale.at(attempt.end or now)
    width = max(end - start, 3.0)
    took = span(attempt.seconds) if attempt.end else "still under way"
    words = f"{shown(attempt.step)}, attempt {attempt.number}: {attempt.state}, {took}"
    words += f", after a wait of {span(waited)}" if waited and waited > _SEEN_S else ""
    words += f": {shown(attempt.message)}" if attempt.message else ""
    bar = svg.element("rect", x=start, y=y, width=width, height=_ROW - 4, rx=3, class_=f"bar {attempt.state}")
    label = shown(attempt.step) + (f" #{attempt.number}" if attempt.number > 1 else "")
    room = int((width - 8) / 6.3)
    inside = [svg.text(brief(label, room), start + 5, y + 12, "inside")] if room >= 4 else []
    return svg.element("g", svg.element("title", words), bar, *inside)


def _wait(attempt: Attempt, waited: float | None, scale: Scale, y: float) -> list[Markup]:
    """A line for the time in which an attempt could have begun, and had not."""
    if not waited or waited <= _SEEN_S:
        return []
    since = scale.at(max(scale.start, attempt.start - timedelta(seconds=waited)))
    return [svg.element("line", x1=since, x2=scale.at(attempt.start), y1=y + 8, y2=y + 8, class_="wait")]


def _density(attempts: Sequence[Attempt], scale: Scale, y: float, now: datetime) -> list[str]:
    """How many were under way at each time, and where some failed."""
    bins = int((_WIDTH - _RIGHT - _LEFT) / _BIN) + 1
    changes = [0] * (bins + 1)
    failed: set[int] = set()
    for attempt in attempts:
        first = int((scale.at(attempt.start) - _LEFT) / _BIN)
        last = int((scale.at(attempt.end or now) - _LEFT) / _BIN)
        changes[first] += 1
        changes[min(last, bins - 1) + 1] -= 1
        if attempt.state in ("failed", "lost"):
            failed.add(last)
    levels, level = [], 0
    for change in changes[:bins]:
        level += change
        levels.append(level)
    most = max(levels)
    bottom = y + _BAND - 4
    path = [f"M{_LEFT:.0f} {bottom:.0f}"]
    before = 0
    for index, level in enumerate([*levels, 0]):
        if level != before:
            x, height = _LEFT + index * _BIN, (_BAND - 10) * level / most
            path.append(f"H{x:.0f}V{bottom - height:.1f}")
        before = level
    path.append(f"V{bottom:.0f}Z")
    words = f"{count(len(attempts), 'attempt')}, up to {most} in {_BIN:g} pixels of time"
    marks = [
        svg.element("rect", x=_LEFT + index * _BIN, y=y - 2, width=3, height=5, class_="bar failed")
        for index in sorted(failed)
    ]
    return [svg.element("g", svg.element("title", words), svg.element("path", d="".join(path), class_="area"), *marks)]


def _label(x: float, seconds: float) -> Markup:
    words = f"{seconds * 1000:.0f} ms" if 0 < seconds < 1 else f"{seconds:g} s" if seconds < 60 else span(seconds)
    return svg.text(words, x, 12.0, "faint", anchor="middle" if x > _LEFT + 8 else None)


def _cut(start: datetime, end: datetime, x0: float, x1: float, course: Course, bottom: float) -> Markup:
    """A time that is drawn short, and why nobody worked in it."""
    why = next((p.why for p in course.pauses if p.start < end and p.end > start), "nothing was under way")
    words = f"{why} for {span((end - start).total_seconds())}"
    return svg.element(
        "g",
        svg.element("title", f"The run {words}, from {moment(start)} to {moment(end)}"),
        svg.element("rect", x=x0, y=_HEAD - 6, width=x1 - x0, height=bottom - _HEAD + 6, class_="gap"),
        svg.element(
            "text",
            words,
            class_="faint",
            text_anchor="middle",
            transform=f"translate({(x0 + x1) / 2 + 4:.1f} {(bottom + _HEAD) / 2:.1f}) rotate(-90)",
        ),
    )


def _came_to(attempts: Sequence[Attempt]) -> str:
    states: Mapping[str, int] = {
        state: sum(a.state == state for a in attempts) for state in ("done", "running", "failed", "lost")
    }
    return ", ".join(f"{number:,} {state}" for state, number in states.items() if number)


def _described(course: Course) -> str:
    told = [f"{count(len(course.attempts), 'attempt')} by {count(len(_lanes(course.attempts)), 'agent')}"]
    told += [f"{a.step} {a.state}" for a in course.attempts if a.state in ("failed", "lost")][:5]
    told += [f"the run {p.why} for {span((p.end - p.start).total_seconds())}" for p in course.pauses]
    return shown("; ".join(told) + ". The table of attempts below says the same in words.", 600)
