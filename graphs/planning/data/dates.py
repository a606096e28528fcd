"""written_dates: how the dates of a column are written, where most are written as no plain date is."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from graphs.planning.data.dataset import MOSTLY

# The notations of which one has the day first, and the other the month.
TURNED = (("%d/%m/%Y", "%m/%d/%Y"), ("%d-%m-%Y", "%m-%d-%Y"), ("%d/%m/%y", "%m/%d/%y"))
_FORMS = (
    *("%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d.%m.%y"),
    *(form for both in TURNED for form in both),
)
# A day, what stands between, the time, the zone.
_TIMED = re.compile(r"(.*\d)(T| |, )\d{1,2}:\d\d((?::\d\d)?)((?:Z|[+-]\d\d:?\d\d)?)")
# Where texts show the day first, and others the month, the fewer are taken for slips up to this share of the others.
_SLIPS = 0.02
# A notation is one of a column's from this share of its texts on.
_SOME = 0.01


class Dated(NamedTuple):
    """The notations of a column's dates, the most frequent first, and the share of texts that they read.

    `turned` are the notations if the month comes first, where no text shows whether it does; else none. `timed` says
    that they have the time of day too.
    """

    formats: tuple[str, ...]
    share: float
    remark: str
    turned: tuple[str, ...] = ()
    timed: bool = False


def written_dates(texts: Sequence[str]) -> Dated | None:
    """The notations that read most texts; None if none do, none of several can be told, or there are several zones."""
    timed = [match for text in texts if (match := _TIMED.fullmatch(text))]
    if len(timed) < MOSTLY * len(texts):
        return _of_days(texts)
    times = Counter(f"{match[2]}%H:%M{match[3] and ':%S'}{match[4]}" for match in timed)
    days = _of_days([match[1] for match in timed])
    if days is None or len({match[4] for match in timed}) > 1:
        return None
    formats, turned = (tuple(day + time for time in times for day in of) for of in (days.formats, days.turned))
    share = days.share * len(timed) / len(texts)
    told = f"{share:.1%} of its texts are times by {' or '.join(formats)}"
    return Dated(formats, share, told, turned, timed=True) if share >= MOSTLY else None


def _of_days(texts: Sequence[str]) -> Dated | None:
    reads = {form: {place for place, text in enumerate(texts) if reads_date(text, form)} for form in _FORMS}
    unclear: dict[str, str] = {}
    remarks = []
    for day_first, month_first in TURNED:
        days, months = reads[day_first] - reads[month_first], reads[month_first] - reads[day_first]
        fewer, more = sorted((day_first, month_first), key=lambda form: len(reads[form]))
        if days and months:
            least, most = sorted((len(days), len(months)))
            remarks.append(f"{least} of its texts are dates by {fewer} alone, and {most} by {more} alone")
            if least > _SLIPS * most:
                reads[more] = set()
        elif not days and not months:
            unclear[day_first] = month_first
        reads[fewer if days or months else month_first] = set()
    formats: list[str] = []
    left = set(range(len(texts)))
    while True:
        best = max(_FORMS, key=lambda form: len(reads[form] & left))
        if len(reads[best] & left) < max(1.0, _SOME * len(texts)):
            break
        formats.append(best)
        left -= reads[best]
    share = 1 - len(left) / len(texts)
    if not formats or share < MOSTLY:
        return None
    told = f"{share:.1%} of its texts are dates by {' or '.join(formats)}"
    turned = tuple(unclear.get(form, form) for form in formats)
    return Dated(tuple(formats), share, "; ".join([told, *remarks]), turned if turned != tuple(formats) else ())


def reads_date(text: str, form: str) -> bool:
    """Whether a text is a date or time by a notation."""
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True
