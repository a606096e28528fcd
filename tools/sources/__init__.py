"""Reading sources: every record becomes a row with an id, every line that is none is kept with its place."""

from tools.sources.reader import (
    Inspection,
    Part,
    Reader,
    Reading,
    SourceChanged,
    SourceUnavailable,
    Surroundings,
    Unreadable,
    WrittenOtherwise,
    reader,
)

__all__ = [
    "Inspection",
    "Part",
    "Reader",
    "Reading",
    "SourceChanged",
    "SourceUnavailable",
    "Surroundings",
    "Unreadable",
    "WrittenOtherwise",
    "reader",
]
