"""written_numbers: how the numbers of a column are written, where most are written as no plain number is."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from graphs.planning.data.dataset import MOSTLY
from graphs.planning.data.learning import NOTHING

_BODIES = {
    "groups of thousands after commas": re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(,\d{3})+)(\.\d+)?", re.ASCII),
    "decimal commas": re.compile(r"[+-]?(\d+|[1-9]\d{0,2}(\.\d{3})+)(,\d+)?", re.ASCII),
}
# What takes one and two groups away, of texts that are such numbers as a whole: what is none stays, and is held back.
_UNGROUPED = {
    "groups of thousands after commas": (
        r"^([+-]?[1-9]\d{0,2}),(\d{3})(\.\d+)?$",
        r"^([+-]?[1-9]\d{0,2}),(\d{3}),(\d{3})(\.\d+)?$",
    ),
    "decimal commas": (
        r"^([+-]?[1-9]\d{0,2})\.(\d{3})(,\d+)?$",
        r"^([+-]?[1-9]\d{0,2})\.(\d{3})\.(\d{3})(,\d+)?$",
    ),
}
# How books write what is below zero.
_NEGATIVES = {"negatives in parentheses": r"^\(([^()]+)\)$", "the minus behind": r"^([^-]+)-$"}
# What stands beside numbers, and is the same for all: a currency, or the mark of hundredths.
_MARKS = {"$": r"\$|usd", "€": "€|eur", "£": "£|gbp", "CHF": "chf", "%": "%"}


class Written(NamedTuple):
    """How numbers are written: in words, by the rules that make them plain, and the share of texts that it reads.

    `other` says that no repair reads some of them: below zero, or grouped by points. `fractions` says that some have a
    point.
    """

    told: str
    rules: tuple[dict[str, Any], ...]
    share: float
    other: bool = False
    fractions: bool = False


def written_numbers(column: str, found: Sequence[str], *, whole: bool) -> Written | None:
    """The notation that reads most texts; None if none does, or two would read them as different numbers.

    `whole` says that these are all texts of the column. Those that stand for nothing count for nothing.
    """
    nothing = [text for text in found if text.lower() in NOTHING]
    texts = [text for text in found if text not in nothing]
    if not texts:
        return None
    below = {told: form for told, form in _NEGATIVES.items() if any(re.search(form, text) for text in texts)}
    for form in below.values():
        texts = [re.sub(form, r"-\1", text) for text in texts]
    mark, bare = _without_mark(texts)
    read = {name: [text for text in bare if body.fullmatch(text)] for name, body in _BODIES.items()}
    name = max(read, key=lambda one: len(read[one]))
    share = len(read[name]) / len(texts)
    (other,) = read.keys() - {name}
    grouped = any(re.search(form, text) for form in _UNGROUPED[name] for text in read[name])
    # 1,234 may be a thousand or one and a bit: texts that only one notation reads have to tell.
    alone = {one: set(read[one]) - set(read[another]) for one, another in ((name, other), (other, name))}
    unclear = len(read[other]) >= MOSTLY * len(texts) and any("," in text or "." in text for text in bare)
    if share < MOSTLY or (unclear and (alone[other] or not alone[name])):
        return None
    if not (mark or grouped or below or name == "decimal commas"):
        return None
    rules: list[dict[str, Any]] = [{"rule": "trim", "columns": [column]}]
    if nothing:
        rules.append({"rule": "map", "column": column, "values": dict.fromkeys(sorted(nothing))})
    rules += [{"rule": "replace", "columns": [column], "pattern": form, "by": r"-\1"} for form in below.values()]
    if mark:
        rules.append({"rule": "replace", "columns": [column], "pattern": _beside(mark), "by": r"\1"})
    if grouped:
        patterns = zip(_UNGROUPED[name], (r"\1\2\3", r"\1\2\3\4"), strict=True)
        rules += [{"rule": "replace", "columns": [column], "pattern": form, "by": by} for form, by in patterns]
    if name == "decimal commas":
        rules.append({"rule": "replace", "columns": [column], "pattern": r"^([+-]?\d+),(\d+)$", "by": r"\1.\2"})
    point = "," if name == "decimal commas" else "."
    cents = whole and all(len(text.partition(point)[2]) <= 2 for text in read[name])
    rules.append({"rule": "cast", "columns": {column: "decimal(18,2)" if cents else "float"}})
    comma = [name] if grouped or name == "decimal commas" else []
    told = " and ".join(f"with {one}" for one in (*([mark] if mark else []), *comma, *below))
    return Written(
        told, tuple(rules), share, bool(below) or (grouped and point == ","), any(point in text for text in read[name])
    )


def _without_mark(texts: Sequence[str]) -> tuple[str, list[str]]:
    """The one mark that texts have, and the texts without it; none where they have several."""
    named = [mark for mark, form in _MARKS.items() if any(re.search(form, text, re.I) for text in texts)]
    if len(named) != 1:
        return "", list(texts)
    return named[0], [re.sub(_beside(named[0]), r"\1", text) for text in texts]


def _beside(mark: str) -> str:
    """A mark before or behind a number, with the sign that may stand before."""
    return rf"(?i)^([+-]?)\s*(?:{_MARKS[mark]})\s*|\s*(?:{_MARKS[mark]})$"


def could_be_thousands(texts: Sequence[str]) -> bool:
    """Whether all that look like fractions have three digits behind the point, as groups of thousands have."""
    pointed = [text for text in texts if "." in text]
    return len(pointed) > 1 and all(re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", text) for text in pointed)
