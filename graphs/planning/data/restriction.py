"""restricted: what a goal says of its rows by a number or a time, such as `over 100` or `since March 2025`."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

from graphs.planning.data.goal import Operator

# What stands in a text for what was found in it; the number of the restriction is between two of these.
MARK = "\x00"

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec"
)
_YEAR = r"(?:19|20)\d\d"
_TIME = (
    rf"(?:{_YEAR}-\d\d-\d\d|\d\d?\.\d\d?\.{_YEAR}|{_YEAR}-\d\d|{_YEAR}[ -]?q[1-4]|q[1-4][ ,]*{_YEAR}"
    rf"|\d\d?(?:st|nd|rd|th)? (?:of )?(?:{_NAMED}),? {_YEAR}|(?:{_NAMED}) \d\d?(?:st|nd|rd|th)?,? {_YEAR}"
    rf"|(?:{_NAMED}),? {_YEAR}|(?:{_NAMED})|{_YEAR})(?![\w-]|[./]\d)"
)
_NUMBER = r"[$€£]?-?\d[\d,]*(?:\.\d+)?(?![\w/-]|\.\d)"


class Bound(NamedTuple):
    """Rows whose value is so, beside a value: a number, or the day of a date (ISO)."""

    operator: Operator
    value: str


class Restriction(NamedTuple):
    """What of a text restricts rows: `bounds` that hold together, of days or of numbers; without, `why` says what of it
    cannot be told."""

    said: str
    dated: bool
    bounds: tuple[Bound, ...]
    why: str = ""
    remark: str = ""


def restricted(text: str, today: date) -> tuple[str, list[Restriction]]:
    """The text with a mark in the place of each restriction, and these by their numbers. What is in quotes stays."""
    found: list[Restriction] = []
    parts = re.split(r"(\"[^\"]*\"|'[^']*')", text)
    for place in range(0, len(parts), 2):
        for pattern, meaning in _FORMS:

            def marked(match: re.Match[str], meaning: _Meaning = meaning) -> str:
                found.append(meaning(match, today))
                return f" {MARK}{len(found) - 1}{MARK} "

            parts[place] = pattern.sub(marked, parts[place])
    return "".join(parts), found


_Meaning = Callable[[re.Match[str], date], Restriction]


def _days(text: str) -> tuple[date, date] | None:
    """The first day of a time, and the first one after it; None if no year or no such day is told."""
    low = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text.lower()).replace(",", " ")
    year_found = re.search(rf"(?<!\d){_YEAR}(?!\d)", low)
    if not year_found:
        return None
    year = int(year_found[0])
    rest = low[: year_found.start()] + " " + low[year_found.end() :]
    named = re.search(_NAMED, rest)
    quarter = re.search(r"q([1-4])", rest)
    numbers = [int(number) for number in re.findall(r"\d+", rest)]
    try:
        if quarter:
            return date(year, 3 * int(quarter[1]) - 2, 1), _month_after(date(year, 3 * int(quarter[1]), 1))
        if named:
            numbers = [_MONTHS.index(named[0][:3]) + 1, *numbers]
        elif "." in low:
            numbers.reverse()
        first = date(year, *[*numbers, 1, 1][:2])
    except ValueError:
        return None
    after = {0: date(year + 1, 1, 1), 1: _month_after(first)}.get(len(numbers), first + timedelta(1))
    return first, after


def _month_after(day: date, months: int = 1) -> date:
    """The first day of the month so many later, or earlier."""
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def _timed(pick: Callable[[list[tuple[date, date]]], tuple[date | None, date | None]]) -> _Meaning:
    """From the days of the times that a text names to the first day that is meant, and the first one after."""

    def meaning(match: re.Match[str], today: date) -> Restriction:
        said = " ".join(match[0].split())
        times = [_days(time) for time in match.groups() if time]
        known = [time for time in times if time]
        if len(known) < len(times):
            return Restriction(said, True, (), "no day, month or year can be told from it: write it as 2025-03-01")
        return _between(said, *pick(known))

    return meaning


def _between(said: str, first: date | None, after: date | None, remark: str = "") -> Restriction:
    bounds = [Bound(">=", first.isoformat())] if first else []
    bounds += [Bound("<", after.isoformat())] if after else []
    if first and after and first >= after:
        return Restriction(said, True, (), "it ends before it begins")
    return Restriction(said, True, tuple(bounds), remark=remark)


def _started(unit: str, day: date) -> date:
    """The first day of the week, month, quarter or year that a day is in."""
    starts = {
        "day": day,
        "week": day - timedelta(day.weekday()),
        "month": day.replace(day=1),
        "quarter": day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        "year": day.replace(month=1, day=1),
    }
    return starts[unit]


def _later(unit: str, day: date, number: int) -> date:
    """The day so many units later, or earlier: at most the last of its month."""
    days = {"day": 1, "week": 7}.get(unit)
    if days:
        return day + timedelta(days * number)
    first = _month_after(day, {"month": 1, "quarter": 3, "year": 12}[unit] * number)
    return first.replace(day=min(day.day, (_month_after(first) - timedelta(1)).day))


def _relative(match: re.Match[str], today: date) -> Restriction:
    said = " ".join(match[0].split())
    which, number, unit = match["which"].lower(), match["number"], match["unit"].lower()
    if number:
        first, after = _later(unit, today, -int(number)), today
    else:
        first = _started(unit, today)
        first = first if which in ("this", "current") else _later(unit, first, -1)
        after = _later(unit, first, 1)
    remark = f"'{said}' is from {first} to {after - timedelta(1)}, as of today: plan again once that is past"
    return _between(said, first, after, remark)


def _counted(*operators: Operator) -> _Meaning:
    def meaning(match: re.Match[str], today: date) -> Restriction:
        numbers = [re.sub(r"[$€£,]", "", number) for number in match.groups() if number]
        bounds = tuple(Bound(operator, number) for operator, number in zip(operators, numbers, strict=True))
        return Restriction(" ".join(match[0].split()), False, bounds)

    return meaning


def _form(pattern: str, meaning: _Meaning) -> tuple[re.Pattern[str], _Meaning]:
    return re.compile(rf"(?<![\w\x00]){pattern}", re.IGNORECASE), meaning


_T, _N = f"({_TIME})", f"({_NUMBER})"
_BE = r"(?:(?:is|are|was|were) )?"
_LARGER = "(?:greater|more|higher|larger|bigger|older|longer) than"
_SMALLER = "(?:less|fewer|lower|smaller|younger|shorter|cheaper) than"
_LAST = r"(?P<which>last|past|previous|this|current) (?P<number>\d{1,4} )?(?P<unit>day|week|month|quarter|year)s?\b"
_WITHIN = "(?:in|during|within|for|on|of|from|only|is)(?: the)?(?: month of| year| quarter)?"
_IN = rf"(?:{_WITHIN}|(?:year|quarter)(?: is| =)?|=)"

# The first form that fits takes the text; what it names is gone for those that follow.
_FORMS = [
    _form(rf"{_BE}(?:between|from) {_T} (?:and|to|until|till|through|-) {_T}", _timed(lambda t: (t[0][0], t[-1][1]))),
    _form(
        rf"(?:since|starting(?: from| in| on)?|from(?= {_TIME} on)) {_T}(?: on(?:wards?)?)?",
        _timed(lambda t: (t[0][0], None)),
    ),
    _form(rf"{_BE}(?:on or after|not before|>=) ?{_T}", _timed(lambda t: (t[0][0], None))),
    _form(rf"{_BE}(?:after|later than|newer than|>) ?{_T}", _timed(lambda t: (t[0][1], None))),
    _form(rf"{_BE}(?:until|till|through|up to|on or before|not after|<=) ?{_T}", _timed(lambda t: (None, t[0][1]))),
    _form(rf"{_BE}(?:before|earlier than|older than|<) ?{_T}", _timed(lambda t: (None, t[0][0]))),
    _form(rf"{_IN} ?{_T}", _timed(lambda t: t[0])),
    _form(rf"(?:(?:in|during|within|over|for|from|of) )?(?:the )?{_LAST}", _relative),
    _form(rf"{_BE}between {_N} and {_N}", _counted(">=", "<=")),
    _form(
        rf"{_BE}(?:at least|(?:no|not) {_SMALLER}|not (?:under|below)|>=|{_LARGER} or equal to) ?{_N}",
        _counted(">="),
    ),
    _form(
        rf"{_BE}(?:at most|(?:no|not) {_LARGER}|up to|not (?:over|above)|<=|{_SMALLER} or equal to) ?{_N}",
        _counted("<="),
    ),
    _form(rf"{_BE}(?:{_LARGER}|over|above|exceeding|exceeds?|>) ?{_N}", _counted(">")),
    _form(rf"{_BE}(?:{_SMALLER}|under|below|<) ?{_N}", _counted("<")),
]
