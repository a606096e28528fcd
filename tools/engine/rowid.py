"""Row ids: who a row is, from its source to the place where it leaves.

Every ingested row carries `_row`, a 64-bit integer that is unique in its dataset and the same in every run over the
same source: the number of its file (from 0, in the order of the plan) in the upper half, and in the lower half its
record number in that file (from 1). A line that could not be read as a record has no record number; bit 31 marks it,
and the rest of the lower half is its line number.
"""

import ibis
from ibis.expr.types import IntegerValue

ROW = "_row"

_UNREADABLE = 1 << 31
_LOWER = (1 << 32) - 1


def first_row(file: int) -> int:
    """The id before the first record of a file; add a record number to it."""
    return file << 32


def unreadable_row(file: int, line: int) -> int:
    """The id of a line that is no record."""
    return file << 32 | _UNREADABLE | line


def file_of(row: IntegerValue) -> IntegerValue:
    """The number of the row's file."""
    return row >> 32


def record_of(row: IntegerValue) -> IntegerValue:
    """The row's record number in its file; null for a line that is no record."""
    lower = row & _LOWER
    return ibis.ifelse(lower < _UNREADABLE, lower, ibis.null("int64"))


def unreadable_line_of(row: IntegerValue) -> IntegerValue:
    """The line's number in its file; null for a record."""
    lower = row & _LOWER
    return ibis.ifelse(lower >= _UNREADABLE, lower - _UNREADABLE, ibis.null("int64"))
