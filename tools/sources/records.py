"""The records of delimited text, read line by line: what is no record is told from what is, and where it stands."""

import csv
from collections import deque
from collections.abc import Iterator

from core.spec.source import CsvSource
from tools.sources.lines import shown, whole
from tools.sources.reader import Unreadable

# So the reason begins why a line is no record that is no text of its encoding.
UNDECODED = "Not"

# Beyond this a value is taken for the work of a quote that was never closed, characters.
_MAX_VALUE = 1 << 24


def parser(lines: Iterator[str], source: CsvSource, *, strict: bool = False) -> Iterator[list[str]]:
    """The cells of each record. With `strict`, csv.Error where a quote is not closed, or closed too early."""
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_VALUE))
    return csv.reader(lines, delimiter=source.delimiter, quotechar=source.quote, strict=strict)


def records(lines: Iterator[str], source: CsvSource, width: int) -> Iterator[list[str] | Unreadable]:
    """All after the header, in order: records of `width` cells, and lines that are none.

    A record with too few or too many cells is unreadable as a whole, over however many lines its quotes go. Where
    quotes do not fit, only the line on which the record began is unreadable, and reading goes on with the next one:
    what an open quote swallowed comes back. A blank line is nothing, except in a file of one column, where it is a
    record without a value.
    """
    feed = _Feed(lines)
    cells = parser(feed, source, strict=True)
    header, n = True, 0
    while True:
        try:
            record = next(cells)
        except StopIteration:
            return
        except csv.Error as error:
            yield _unreadable(feed, feed.taken[:1], f"Quotes do not fit: {error}.", n)
            feed.give_back()
            continue
        if width == 1 and not record:
            record = [""]
        while len(record) > width and not record[-1]:
            # Delimiters at the end of the line, which the engine lets pass too.
            del record[-1]
        if not record or header:
            header = header and not record
        elif not whole("".join(feed.taken)):
            reason = f"{UNDECODED} {source.encoding}. If the whole file has another encoding, declare it in the source."
            yield _unreadable(feed, feed.taken, reason, n)
        elif len(record) != width:
            yield _unreadable(feed, feed.taken, f"{len(record)} values where the header has {width} columns.", n)
        else:
            yield record
            n += 1
        feed.go_on()


def _unreadable(feed: "_Feed", lines: list[str], reason: str, records: int) -> Unreadable:
    return Unreadable(line=feed.line, reason=reason, text=shown("".join(lines)).rstrip("\r\n"), records=records)


class _Feed:
    """Lines for the parser: `taken` are those of the record under way, `line` the number of the first of them."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: deque[str] = deque()
        self.taken: list[str] = []
        self.line = 1

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(line)
        return line

    def go_on(self) -> None:
        """The record is done."""
        self.line += len(self.taken)
        self.taken.clear()

    def give_back(self) -> None:
        """The first line is done; the others are to be read again."""
        self._returned.extendleft(reversed(self.taken[1:]))
        self.line += 1
        self.taken.clear()
